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
