//! What the reference binaries have in common: signals, logs, and how they say that they failed.

pub mod backup;
pub mod data;
pub mod duration;
pub mod election;
pub mod metrics;
pub mod process;
pub mod reencrypt;
pub mod storage;

/// The allocator of every reference binary. Requests are many small allocations that one thread makes and another frees;
/// with the C library's allocator, half of a small write's CPU time goes into them and into pages given back too early.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
