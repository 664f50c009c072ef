//! Wall time and randomness, which come in from outside so that a test or a simulation rules them.

/// The wall clock.
pub trait WallClock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> jiff::Timestamp;
}

/// A source of randomness: names, uids, tie-breaks. Not for keys or tokens.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}
