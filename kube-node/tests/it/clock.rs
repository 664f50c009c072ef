//! A wall clock that goes with `tokio::time`.

use jiff::Timestamp;
use kubekit_core::environment::WallClock;
use tokio::time::Instant;

/// Starts on a fixed day, and stands still while tokio's clock does.
#[derive(Debug)]
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    /// Starts now.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl WallClock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000).expect("a time") + self.0.elapsed()
    }
}
