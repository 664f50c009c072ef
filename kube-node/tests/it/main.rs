//! Integration tests of this crate, one binary.

mod agent;
#[cfg(target_os = "linux")]
mod containerd;
mod life;
mod simulated;
