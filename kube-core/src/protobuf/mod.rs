//! Kubernetes' protobuf form of built-in kinds: the magic `k8s\0`, then an envelope with the object's bytes.
//!
//! Source: `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`. Table-driven: no code per kind.

use serde_json::Value;

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// The four bytes every body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// Why bytes or a value could not be transcoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body does not begin with the magic bytes.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoMagic,
    /// The bytes are no message of the type.
    #[error("malformed protobuf in {at}: {what}")]
    Malformed {
        /// The type and field.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// The kind is not built in, so it has no protobuf form.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind {
        /// apiVersion.
        api_version: String,
        /// kind.
        kind: String,
    },
}

/// Decodes a body into a JSON value with apiVersion and kind.
///
/// # Errors
/// See [`Error`].
pub fn decode(bytes: &[u8]) -> Result<Value, Error> {
    let _ = bytes;
    todo!()
}

/// Encodes an object (with apiVersion and kind) into a body.
///
/// # Errors
/// See [`Error`].
pub fn encode(object: &Value) -> Result<Vec<u8>, Error> {
    let _ = object;
    todo!()
}

/// The nanoseconds of a Go duration (`1h30m`, `1.5s`, `-2ms`), where they fit 64 bits.
pub(crate) fn duration_nanos(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (amount, after) = rest.split_at(number);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') || whole.len() > 18 {
            return None;
        }
        if !whole.is_empty() {
            total += whole.parse::<i128>().ok()? * unit;
        }
        let mut part = unit;
        for digit in fraction.bytes() {
            part /= 10;
            total += i128::from(digit - b'0') * part;
        }
        if total > i128::from(i64::MAX) {
            return None;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}
