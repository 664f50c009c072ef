//! One record: a version of a key, or its deletion. Attributes are kept beside the value, so that reading a log or a
//! snapshot back parses no object.
//!
//! ```text
//! kind      u8      1 put, 2 put with a lifetime, 3 delete
//! revision  varint
//! key       text
//! and for a put
//! splice    varint
//! lifetime  varint wall time of its end in ms since 1970, varint seconds      only for kind 2
//! attributes varint count, then name and value as text for each, sorted by name
//! value     varint length, bytes
//!
//! text      varint length, UTF-8
//! varint    LEB128, least significant group first
//! ```

use crate::entry::Lifetime;
use crate::index::history::Change;
use crate::varint::{put_text, put_varint, take, take_text, take_varint};
use crate::{Attributes, Entry, Revision, Value};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

const PUT: u8 = 1;
const PUT_WITH_LIFETIME: u8 = 2;
const DELETE: u8 = 3;

/// A record, read back.
#[derive(Debug)]
pub(crate) enum Record {
    Put(Entry),
    Delete { key: Box<str>, revision: Revision },
}

/// The present at the time of reading, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present {
    pub(crate) instant: Instant,
    pub(crate) wall: SystemTime,
}

/// Bytes of the record of an entry at most, near enough to plan a frame by.
pub(crate) fn size_estimate(change: &Change) -> usize {
    const FIXED: usize = 64;
    const LENGTHS: usize = 4;
    let entry = change
        .entry
        .as_ref()
        .map_or(0, |entry| entry.value.bytes.len() + entry.attributes.bytes() + 2 * LENGTHS * entry.attributes.len());
    FIXED + change.key().len() + entry
}

/// Appends the record of a change.
pub(crate) fn encode_change(change: &Change, into: &mut Vec<u8>) {
    match &change.entry {
        Some(entry) => encode_entry(entry, into),
        None => {
            into.push(DELETE);
            put_varint(change.revision, into);
            put_text(change.key(), into);
        }
    }
}

/// Appends the record of a version.
pub(crate) fn encode_entry(entry: &Entry, into: &mut Vec<u8>) {
    into.push(if entry.lifetime.is_some() { PUT_WITH_LIFETIME } else { PUT });
    put_varint(entry.revision, into);
    put_text(&entry.key, into);
    put_varint(entry.value.splice.into(), into);
    if let Some(lifetime) = entry.lifetime {
        put_varint(lifetime.wall_millis, into);
        put_varint(lifetime.ttl_seconds.into(), into);
    }
    put_varint(entry.attributes.len() as u64, into);
    for (name, value) in entry.attributes.iter() {
        put_text(name, into);
        put_text(value, into);
    }
    put_varint(entry.value.bytes.len() as u64, into);
    into.extend_from_slice(&entry.value.bytes);
}

/// Reads one record from the front of `bytes`; `None` when there is no whole and valid one.
pub(crate) fn decode(bytes: &mut &[u8], present: Present) -> Option<Record> {
    let kind = take(bytes, 1)?[0];
    let revision = take_varint(bytes)?;
    let key = take_text(bytes)?;
    if kind == DELETE {
        return Some(Record::Delete { key: key.into(), revision });
    }
    if kind != PUT && kind != PUT_WITH_LIFETIME {
        return None;
    }
    let splice = u32::try_from(take_varint(bytes)?).ok()?;
    let lifetime = if kind == PUT_WITH_LIFETIME { Some(take_lifetime(bytes, present)?) } else { None };
    let count = take_varint(bytes)?;
    let mut attributes = Vec::new();
    for _ in 0..count {
        attributes.push((take_text(bytes)?, take_text(bytes)?));
    }
    let length = take_varint(bytes)?;
    let value = Value { bytes: Bytes::copy_from_slice(take(bytes, length)?), splice };
    if splice as usize > value.bytes.len() {
        return None;
    }
    let mut entry = Entry::new(Arc::from(key), value, revision, Attributes::new(attributes));
    entry.lifetime = lifetime;
    Some(Record::Put(entry))
}

fn take_lifetime(bytes: &mut &[u8], present: Present) -> Option<Lifetime> {
    let wall_millis = take_varint(bytes)?;
    let ttl_seconds = u32::try_from(take_varint(bytes)?).ok()?;
    let now = present.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(wall_millis).saturating_sub(now);
    let left = left.min(Duration::from_secs(ttl_seconds.into()));
    Some(Lifetime { deadline: present.instant + left, wall_millis, ttl_seconds })
}

#[cfg(test)]
mod tests;
