//! What the reference binaries have in common: signals, logs, and how they say that they failed.

pub mod data;
pub mod duration;
pub mod election;
pub mod process;
