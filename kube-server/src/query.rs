//! Percent-decoding of paths and query strings, as Go's `net/url` does it.

use std::borrow::Cow;
use std::time::Duration;

/// The decoded name-value pairs of a query string, in the order sent. A name without `=` has the empty value.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_component(name), decode_component(value))
    })
}

/// The first value of `name` in a query string.
pub(crate) fn first<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find(|(n, _)| n == name).map(|(_, value)| value)
}

/// Whether a query parameter that was sent is true. Kubernetes takes every text but `false` and `0` for true, so that
/// `?watch` and `?watch=yes` watch.
pub(crate) fn is_true(value: &str) -> bool {
    !(value.eq_ignore_ascii_case("false") || value == "0")
}

/// A duration as Go writes it: `1h30m`, `1.5s`, `0`. One below zero is zero, which asks for none.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    if negative { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() }
}

/// Decodes `%XX`; what is not an escape stays as it is.
pub(crate) fn decode_path(text: &str) -> Cow<'_, str> {
    decode(text, false)
}

fn decode_component(text: &str) -> Cow<'_, str> {
    decode(text, true)
}

fn decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|b| *b == b'%' || (plus_is_space && *b == b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| {
            let high = char::from(hex[0]).to_digit(16)?;
            let low = char::from(hex[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match escape {
            Some(decoded) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            None => {
                out.push(if byte == b'+' && plus_is_space { b' ' } else { byte });
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &[(&str, &str)]) {
        let found: Vec<(String, String)> = pairs(query).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn pairs_are_decoded_in_order() {
        check("", &[]);
        check("watch", &[("watch", "")]);
        check("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]);
        check("fieldSelector=metadata.name%3Dx&&l=a+b", &[("fieldSelector", "metadata.name=x"), ("l", "a b")]);
        check(
            "command=sh&command=-c&command=echo%20hi",
            &[("command", "sh"), ("command", "-c"), ("command", "echo hi")],
        );
    }

    #[test]
    fn what_is_no_escape_stays() {
        check("a=%&b=%2&c=%zz&d=100%25", &[("a", "%"), ("b", "%2"), ("c", "%zz"), ("d", "100%")]);
        assert_eq!(decode_path("/a+b/%C3%BC"), "/a+b/ü");
    }

    #[track_caller]
    fn check_duration(text: &str, millis: Option<u64>) {
        assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, millis) in
            [("32s", 32_000), ("1h30m", 5_400_000), ("1.5s", 1_500), ("0", 0), ("0s", 0), ("250ms", 250)]
        {
            check_duration(text, Some(millis));
        }
        check_duration("-5s", Some(0));
        for text in ["", "5", "s", "1x", "1s2", "1..5s", ".s", "1d", "+", "-"] {
            check_duration(text, None);
        }
    }

    #[test]
    fn first_value_wins() {
        assert_eq!(first("a=1&a=2", "a").as_deref(), Some("1"));
        assert_eq!(first("a=1", "b"), None);
    }
}
