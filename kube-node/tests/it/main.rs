//! Integration tests of this crate, one binary.

mod agent;
#[cfg(target_os = "linux")]
mod containerd;
mod ends;
mod life;
mod simulated;
mod streams;
mod world;
