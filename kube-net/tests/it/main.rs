//! Integration tests of this crate, one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg_attr(target_os = "linux", expect(clippy::print_stdout, reason = "a test says when it is skipped"))]

#[cfg(target_os = "linux")]
mod kernel;
mod proxy;
