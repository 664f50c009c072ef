//! The stored form of a version: what is kept of it under its key, as one piece of bytes, in etcd or within a sealed
//! record of the disk log.
//!
//! ```text
//! format     u8      1
//! splice     varint
//! attributes varint count, then name and value as text for each, sorted by name
//! value      the rest
//!
//! text       varint length, UTF-8
//! varint     LEB128, least significant group first
//! ```

use crate::varint::{put_text, put_varint, take, take_text, take_varint};
use crate::{Attributes, Value};
use bytes::Bytes;

/// The first byte of the stored form. Neither JSON, nor Kubernetes' protobuf (`k8s\0`), nor an encrypted value (`k8s:enc:`)
/// begins with it.
const FORMAT: u8 = 1;

/// Appends the stored form.
pub(crate) fn encode(value: &Value, attributes: &Attributes, into: &mut Vec<u8>) {
    const LENGTHS: usize = 8;
    into.reserve(value.bytes.len() + attributes.bytes() + LENGTHS * (attributes.len() + 1));
    into.push(FORMAT);
    put_varint(value.splice.into(), into);
    put_varint(attributes.len() as u64, into);
    for (name, value) in attributes.iter() {
        put_text(name, into);
        put_text(value, into);
    }
    into.extend_from_slice(&value.bytes);
}

/// Reads the stored form; `None` where it is not one.
pub(crate) fn decode(stored: &Bytes) -> Option<(Value, Attributes)> {
    let mut rest = &stored[..];
    if take(&mut rest, 1)?[0] != FORMAT {
        return None;
    }
    let splice = u32::try_from(take_varint(&mut rest)?).ok()?;
    let count = take_varint(&mut rest)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((take_text(&mut rest)?, take_text(&mut rest)?));
    }
    let attributes = Attributes::new(pairs);
    let bytes = stored.slice(stored.len() - rest.len()..);
    (splice as usize <= bytes.len()).then_some((Value { bytes, splice }, attributes))
}

#[cfg(test)]
mod tests;
