//! Durations for people to read: `5m30s`, `3d4h`. Source: `k8s.io/apimachinery/pkg/util/duration`.

use jiff::Timestamp;

/// The time from `then` to `now`, as `kubectl get` shows ages.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    human_duration(now.duration_since(then).as_secs())
}

/// A duration in seconds with two to three digits: the longer, the coarser. Clocks may differ by a second; what lies
/// further in the future is `<invalid>`.
pub fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    /// A number of the larger unit, and what is left in the smaller one, unless that is nothing.
    fn two(seconds: i64, large: (i64, char), small: (i64, char)) -> String {
        let (whole, rest) = (seconds / large.0, seconds % large.0 / small.0);
        if rest == 0 { format!("{whole}{}", large.1) } else { format!("{whole}{}{rest}{}", large.1, small.1) }
    }
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(seconds, (MINUTE, 'm'), (1, 's')),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(seconds, (HOUR, 'h'), (MINUTE, 'm')),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(seconds, (DAY, 'd'), (HOUR, 'h')),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(seconds, (YEAR, 'y'), (DAY, 'd')),
        _ => format!("{}y", seconds / YEAR),
    }
}
