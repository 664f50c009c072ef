//! Bytes to values and back.

use crate::negotiate::Format;
use bytes::Bytes;
use serde_json::Value;

/// An object in a format.
pub(crate) fn encode(format: Format, value: &Value) -> Bytes {
    let bytes = match format {
        Format::Json { pretty: true } => serde_json::to_vec_pretty(value),
        _ => serde_json::to_vec(value),
    };
    bytes.expect("a JSON value encodes").into()
}
