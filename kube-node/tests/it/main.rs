//! Integration tests of this crate, one binary.

mod admission;
mod agent;
#[cfg(target_os = "linux")]
mod containerd;
mod ends;
mod life;
mod on_disk;
mod simulated;
mod streams;
mod tls;
#[cfg(unix)]
mod volumes;
mod world;
