//! Percent-decoding of paths and query strings, as Go's `net/url` does it.

use std::borrow::Cow;

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

    #[test]
    fn first_value_wins() {
        assert_eq!(first("a=1&a=2", "a").as_deref(), Some("1"));
        assert_eq!(first("a=1", "b"), None);
    }
}
