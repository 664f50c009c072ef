//! Keeps one busy key from taking all the time there is.
//!
//! Work on a set of thousands of pods takes milliseconds, and while they start there is always a newer state to look at:
//! without a rest one set would be looked at without end. client-go has no such rest; its limit on requests has the effect.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// A key rests this many times as long as the work on it took: it takes a fifth of the time of one worker.
const REST_FACTOR: u32 = 4;
/// Rests are no longer than this: work that waited for answers is no reason to be late.
const REST_MAX: Duration = Duration::from_millis(200);
/// Work that is over this soon asks for no rest.
const WORK_MIN: Duration = Duration::from_millis(2);

/// Until when each key rests.
#[derive(Debug)]
pub(super) struct Pace<T>(Mutex<HashMap<T, Instant>>);

impl<T: Clone + Eq + Hash> Pace<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// How long the key has still to rest.
    pub(super) fn rest(&self, key: &T, now: Instant) -> Option<Duration> {
        let mut resting = self.0.lock();
        let until = *resting.get(key)?;
        if until <= now {
            resting.remove(key);
            return None;
        }
        Some(until - now)
    }

    /// The work on a key has taken this long.
    pub(super) fn worked(&self, key: &T, took: Duration, now: Instant) {
        if took < WORK_MIN {
            return;
        }
        let mut resting = self.0.lock();
        resting.retain(|_, until| *until > now);
        resting.insert(key.clone(), now + (took * REST_FACTOR).min(REST_MAX));
    }
}

#[cfg(test)]
mod tests {
    //! Work in, rest out.

    use super::*;

    #[track_caller]
    fn check(took_millis: u64, rest_millis: Option<u64>) {
        let (pace, now) = (Pace::new(), Instant::now());
        pace.worked(&"a", Duration::from_millis(took_millis), now);
        assert_eq!(pace.rest(&"a", now), rest_millis.map(Duration::from_millis));
        assert_eq!(pace.rest(&"b", now), None);
        assert_eq!(pace.rest(&"a", now + REST_MAX), None);
    }

    #[test]
    fn long_work_is_followed_by_a_rest() {
        check(0, None);
        check(1, None);
        check(5, Some(20));
        check(50, Some(200));
        check(5_000, Some(200));
    }

    #[test]
    fn keys_that_have_rested_are_forgotten() {
        let (pace, now) = (Pace::new(), Instant::now());
        pace.worked(&1, Duration::from_millis(10), now);
        pace.worked(&2, Duration::from_millis(10), now + REST_MAX);
        assert_eq!(pace.0.lock().len(), 1);
    }
}
