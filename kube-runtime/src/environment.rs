//! Wall time and randomness of the system, for those who bring none of their own.

use kubekit_core::environment::{Random, WallClock};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// A wall clock that goes with `tokio::time`: it stands still while that is paused, and jumps with it. For tests and
/// simulations.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: jiff::Timestamp,
    since: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: jiff::Timestamp) -> Self {
        Self { start, since: tokio::time::Instant::now() }
    }
}

impl WallClock for TokioClock {
    fn now(&self) -> jiff::Timestamp {
        self.start + self.since.elapsed()
    }
}

/// A source of randomness that repeats itself from its seed.
#[derive(Debug)]
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A sequence that nobody can foretell.
    pub fn from_system() -> Self {
        Self::new(rand::random())
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

/// What comes in from outside: the wall clock and randomness.
#[derive(Clone, Debug)]
pub struct Environment {
    /// For timestamps that people read. Waiting never uses it.
    pub clock: Arc<dyn WallClock>,
    /// For jitter and names.
    pub random: Arc<dyn Random>,
}

impl Environment {
    /// The system's.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SeededRandom::from_system()) }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    //! Clocks and seeds.

    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_tokio_clock_goes_with_the_paused_clock() {
        let clock = TokioClock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().as_second(), 90);
        assert_eq!(clock.now(), clock.now());
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (one, same, other) = (SeededRandom::new(1), SeededRandom::new(1), SeededRandom::new(2));
        let draw = |random: &SeededRandom| -> Vec<u64> { (0..4).map(|_| random.next_u64()).collect() };
        let first = draw(&one);
        assert_eq!(first, draw(&same));
        assert_ne!(first, draw(&other));
    }
}
