//! Integration tests of this crate, one binary.

mod agent;
mod clock;
#[cfg(target_os = "linux")]
mod containerd;
mod simulated;
