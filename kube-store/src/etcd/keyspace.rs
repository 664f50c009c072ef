//! Where in etcd the keys of a store are.

use crate::{Error, Result};
use bytes::Bytes;

/// The part of etcd's keys that is ours: everything that begins with prefix and root.
#[derive(Clone, Debug)]
pub(super) struct Keyspace {
    prefix: String,
    root: String,
}

impl Keyspace {
    pub(super) fn new(prefix: &str, root: &str) -> Self {
        Self { prefix: prefix.to_owned(), root: root.to_owned() }
    }

    /// The first key, and the first one behind the last.
    pub(super) fn whole(&self) -> (Bytes, Bytes) {
        let start = Bytes::from(format!("{}{}", self.prefix, self.root));
        let end = end_of(&start);
        // etcd takes no empty key; NUL is the first one.
        (if start.is_empty() { Bytes::from_static(b"\0") } else { start }, end)
    }

    /// Where a key is stored.
    pub(super) fn stored(&self, key: &str) -> Bytes {
        Bytes::from(format!("{}{key}", self.prefix))
    }

    /// Whether a key may be written.
    pub(super) fn check(&self, key: &str) -> Result<()> {
        if key.starts_with(&self.root) {
            return Ok(());
        }
        Err(Error::Invalid(format!("key {key:?} does not begin with {:?}, as all keys of this store do", self.root)))
    }

    /// The stored keys under a prefix that come after `after`.
    pub(super) fn range(&self, prefix: &str, after: Option<&str>) -> (Bytes, Bytes) {
        let (first, last) = self.whole();
        let prefixed = self.stored(prefix);
        // A prefix shorter than the root means all that there is.
        let (mut start, end) = if prefix.len() <= self.root.len() && self.root.starts_with(prefix) {
            (first, last)
        } else {
            let end = end_of(&prefixed);
            (prefixed, end)
        };
        if let Some(after) = after {
            let behind = [self.stored(after).as_ref(), b"\0"].concat();
            if behind.as_slice() > start.as_ref() {
                start = behind.into();
            }
        }
        (start, end)
    }

    /// The key of the store that is stored there; `None` for keys that the store uses for itself, and those of others.
    pub(super) fn key<'a>(&self, stored: &'a [u8]) -> Option<&'a str> {
        let key = std::str::from_utf8(stored).ok()?.strip_prefix(&*self.prefix)?;
        (key.starts_with(&*self.root) && !key.contains('\0')).then_some(key)
    }

    /// The key under which those who share the cluster agree on who compacts. No key of the store has a NUL.
    pub(super) fn compaction_key(&self) -> Bytes {
        Bytes::from(format!("{}{}\0compact_rev_key", self.prefix, self.root))
    }
}

/// The first key behind all that begin with `prefix`; a lone NUL, which is etcd's word for the end of everything, where
/// there is none.
fn end_of(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}

#[cfg(test)]
mod tests;
