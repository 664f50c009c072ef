//! Integration tests of this crate, one binary.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        clippy::print_stdout,
        reason = "a test fails by panicking, and says when it is skipped"
    )
)]

#[cfg(target_os = "linux")]
mod kernel;
