//! Integration tests of this crate, one binary.

mod clock;
#[cfg(target_os = "linux")]
mod containerd;
mod simulated;
