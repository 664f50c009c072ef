//! Waiting longer and longer before what failed is tried again: 10 s doubled to 300 s, forgotten after 10 minutes without
//! a failure (the kubelet's constants).

use std::time::Duration;

use jiff::Timestamp;

/// The first wait.
pub const INITIAL: Duration = Duration::from_secs(10);
/// The longest wait.
pub const MAX: Duration = Duration::from_secs(300);

/// The back-off of one container or image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    entry: Option<(Duration, Timestamp)>,
}

impl Backoff {
    /// How long to wait after a failure at `failed_at`, and until when; none when it is time.
    #[must_use]
    pub fn waiting(&self, failed_at: Timestamp, now: Timestamp) -> Option<(Duration, Timestamp)> {
        let (delay, updated) = self.entry?;
        if expired(updated, failed_at) {
            return None;
        }
        let until = failed_at + delay;
        (now < until).then_some((delay, until))
    }

    /// Notes that another try is made, after a failure at `failed_at`.
    pub fn next(&mut self, failed_at: Timestamp, now: Timestamp) {
        let delay = match self.entry {
            Some((delay, updated)) if !expired(updated, failed_at) => (delay * 2).min(MAX),
            _ => INITIAL,
        };
        self.entry = Some((delay, now));
    }
}

fn expired(updated: Timestamp, failed_at: Timestamp) -> bool {
    failed_at.duration_since(updated) > jiff::SignedDuration::try_from(MAX * 2).unwrap_or(jiff::SignedDuration::MAX)
}

/// A duration in Go's notation, as Kubernetes messages show it: `10s`, `1m20s`, `5m0s`.
#[must_use]
pub fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".into();
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = duration.as_secs();
    let fraction = match millis % 1_000 {
        0 => String::new(),
        rest => format!(".{}", format!("{rest:03}").trim_end_matches('0')),
    };
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}{fraction}s"),
        (0, m, s) => format!("{m}m{s}{fraction}s"),
        (h, m, s) => format!("{h}h{m}m{s}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    //! Failures at times in, waits out.

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
    }

    #[test]
    fn waits_double_to_five_minutes() {
        let mut backoff = Backoff::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = backoff.waiting(at(now), at(now)).map_or(0, |(delay, _)| delay.as_secs());
            waits.push(wait);
            now += i64::try_from(wait).expect("small");
            backoff.next(at(now), at(now));
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_quiet_minutes_are_forgiven() {
        let mut backoff = Backoff::default();
        backoff.next(at(0), at(0));
        backoff.next(at(10), at(10));
        assert_eq!(backoff.waiting(at(600), at(600)).map(|wait| wait.0), Some(Duration::from_secs(20)));
        assert_eq!(backoff.waiting(at(611), at(611)), None);
        backoff.next(at(611), at(611));
        assert_eq!(backoff.waiting(at(612), at(612)).map(|wait| wait.0), Some(INITIAL));
    }

    #[test]
    fn durations_look_like_those_of_go() {
        for (millis, text) in [
            (0, "0s"),
            (10_000, "10s"),
            (80_000, "1m20s"),
            (300_000, "5m0s"),
            (3_600_000, "1h0m0s"),
            (1_234, "1.234s"),
            (250, "250ms"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}
