//! One record: a version of a key, or its deletion. Attributes are kept beside the value, so that reading a log or a
//! snapshot back parses no object.
//!
//! ```text
//! kind      u8      1 put, 2 put with a lifetime, 3 delete, 4 encrypted put, 5 encrypted put with a lifetime
//! revision  varint
//! key       text
//! and for a put
//! splice    varint
//! lifetime  varint wall time of its end in ms since 1970, varint seconds      only for kinds 2 and 5
//! attributes varint count, then name and value as text for each, sorted by name
//! value     varint length, bytes
//!
//! and for an encrypted put, instead
//! lifetime  as above
//! sealed    varint length, bytes: what encryption made of splice, attributes and value (see `stored`)
//!
//! text      varint length, UTF-8
//! varint    LEB128, least significant group first
//! ```

use crate::entry::Lifetime;
use crate::index::history::Change;
use crate::varint::{put_text, put_varint, take, take_text, take_varint};
use crate::{Attributes, Encryption, Entry, Error, Result, Revision, Value, stored};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

const PUT: u8 = 1;
const PUT_WITH_LIFETIME: u8 = 2;
const DELETE: u8 = 3;
const SEALED: u8 = 4;
const SEALED_WITH_LIFETIME: u8 = 5;

/// A record, read back.
#[derive(Debug)]
pub(crate) enum Record {
    Put(Entry),
    Delete { key: Box<str>, revision: Revision },
}

/// Why a record cannot be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// There is no whole and valid one.
    Damaged,
    /// It cannot be decrypted; the error says what to do.
    Locked(Error),
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
///
/// # Errors
/// When it cannot be encrypted.
pub(crate) fn encode_change(change: &Change, encryption: &Encryption, into: &mut Vec<u8>) -> Result<()> {
    match &change.entry {
        Some(entry) => encode_entry(entry, encryption, into)?,
        None => {
            into.push(DELETE);
            put_varint(change.revision, into);
            put_text(change.key(), into);
        }
    }
    Ok(())
}

/// Appends the record of a version.
///
/// # Errors
/// When it cannot be encrypted.
pub(crate) fn encode_entry(entry: &Entry, encryption: &Encryption, into: &mut Vec<u8>) -> Result<()> {
    let sealed = if encryption.concerns(&entry.key) {
        let mut plain = Vec::new();
        stored::encode(&entry.value, &entry.attributes, &mut plain);
        encryption.seal(&entry.key, &plain)?
    } else {
        None
    };
    into.push(match (&sealed, entry.lifetime.is_some()) {
        (None, false) => PUT,
        (None, true) => PUT_WITH_LIFETIME,
        (Some(_), false) => SEALED,
        (Some(_), true) => SEALED_WITH_LIFETIME,
    });
    put_varint(entry.revision, into);
    put_text(&entry.key, into);
    if sealed.is_none() {
        put_varint(entry.value.splice.into(), into);
    }
    if let Some(lifetime) = entry.lifetime {
        put_varint(lifetime.wall_millis, into);
        put_varint(lifetime.ttl_seconds.into(), into);
    }
    if let Some(sealed) = sealed {
        put_varint(sealed.len() as u64, into);
        into.extend_from_slice(&sealed);
        return Ok(());
    }
    put_varint(entry.attributes.len() as u64, into);
    for (name, value) in entry.attributes.iter() {
        put_text(name, into);
        put_text(value, into);
    }
    put_varint(entry.value.bytes.len() as u64, into);
    into.extend_from_slice(&entry.value.bytes);
    Ok(())
}

/// Reads one record from the front of `bytes`.
pub(crate) fn decode(bytes: &mut &[u8], present: Present, encryption: &Encryption) -> Result<Record, Unreadable> {
    let kind = take(bytes, 1).ok_or(Unreadable::Damaged)?[0];
    match kind {
        DELETE => decode_delete(bytes).ok_or(Unreadable::Damaged),
        PUT | PUT_WITH_LIFETIME => decode_put(bytes, kind, present).map(Record::Put).ok_or(Unreadable::Damaged),
        SEALED | SEALED_WITH_LIFETIME => {
            let sealed = decode_sealed(bytes, kind, present).ok_or(Unreadable::Damaged)?;
            sealed.open(encryption).map(Record::Put)
        }
        _ => Err(Unreadable::Damaged),
    }
}

fn decode_delete(bytes: &mut &[u8]) -> Option<Record> {
    let revision = take_varint(bytes)?;
    Some(Record::Delete { key: take_text(bytes)?.into(), revision })
}

fn decode_put(bytes: &mut &[u8], kind: u8, present: Present) -> Option<Entry> {
    let revision = take_varint(bytes)?;
    let key = take_text(bytes)?;
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
    Some(entry)
}

/// An encrypted put.
struct Sealed<'a> {
    revision: Revision,
    key: &'a str,
    lifetime: Option<Lifetime>,
    bytes: &'a [u8],
}

fn decode_sealed<'a>(bytes: &mut &'a [u8], kind: u8, present: Present) -> Option<Sealed<'a>> {
    let revision = take_varint(bytes)?;
    let key = take_text(bytes)?;
    let lifetime = if kind == SEALED_WITH_LIFETIME { Some(take_lifetime(bytes, present)?) } else { None };
    let length = take_varint(bytes)?;
    Some(Sealed { revision, key, lifetime, bytes: take(bytes, length)? })
}

impl Sealed<'_> {
    fn open(self, encryption: &Encryption) -> Result<Entry, Unreadable> {
        let opened =
            encryption.open_blocking(self.key, self.bytes).map_err(Unreadable::Locked)?.ok_or(Unreadable::Damaged)?;
        let (value, attributes) = stored::decode(&opened.plain.into()).ok_or(Unreadable::Damaged)?;
        let mut entry = Entry::new(Arc::from(self.key), value, self.revision, attributes);
        entry.lifetime = self.lifetime;
        Ok(entry)
    }
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
