//! The format of a container's log file: `TIME stdout|stderr F|P TEXT`, one entry a line. Pure.
//!
//! Source: the design of the Container Runtime Interface's logging. `P` marks a part of a line that goes on.

use bytes::Bytes;
use jiff::Timestamp;

use crate::runtime::stream::{LogEntry, LogSource};

/// The entry of a line (without its line feed); none when the line is not of the format.
#[must_use]
pub fn parse(line: &[u8]) -> Option<LogEntry> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time: Timestamp = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let source = match parts.next()? {
        b"stdout" => LogSource::Stdout,
        b"stderr" => LogSource::Stderr,
        _ => return None,
    };
    let partial = parts.next()?.split(|byte| *byte == b':').next() == Some(b"P");
    let text = parts.next().unwrap_or_default();
    let mut whole = Vec::with_capacity(text.len() + 1);
    whole.extend_from_slice(text);
    if !partial {
        whole.push(b'\n');
    }
    Some(LogEntry { time, source, text: Bytes::from(whole) })
}

#[cfg(test)]
mod tests {
    //! Lines in, entries out.

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(LogSource, &str)>) {
        let entry = parse(line.as_bytes());
        let shown = entry.as_ref().map(|entry| (entry.source, std::str::from_utf8(&entry.text).expect("text")));
        assert_eq!(shown, expected);
    }

    #[test]
    fn lines() {
        check("2016-10-06T00:17:09.669794202Z stdout F hello world", Some((LogSource::Stdout, "hello world\n")));
        check("2016-10-06T00:17:09.669794202+02:00 stderr P part", Some((LogSource::Stderr, "part")));
        check("2016-10-06T00:17:09Z stdout F ", Some((LogSource::Stdout, "\n")));
        check("2016-10-06T00:17:09Z stdout F", Some((LogSource::Stdout, "\n")));
        check("2016-10-06T00:17:09Z stdout P:x text", Some((LogSource::Stdout, "text")));
        check("not a log line", None);
        check("2016-10-06T00:17:09Z nowhere F x", None);
        check("", None);
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        let entry = parse(b"2016-10-06T00:17:09.669794202Z stdout F x").expect("an entry");
        assert_eq!(entry.time.subsec_nanosecond(), 669_794_202);
    }
}
