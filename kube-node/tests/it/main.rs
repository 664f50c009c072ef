//! Integration tests of this crate, one binary.

mod clock;
mod simulated;
