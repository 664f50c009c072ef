//! The keys of one node, searched without looking at most of them.
//!
//! A key lies in memory of its own, so that a binary search by keys alone pays for a cache miss at every step; that is
//! most of the cost of a write. Here the stem that all keys of the node share is compared once, and the 8 bytes that
//! follow it lie side by side. Only among equal ones are the keys themselves looked at.

use std::sync::Arc;

/// Sorted keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Arc<str>>,
    /// For each key the 8 bytes behind the stem as a big-endian number, filled up with zeros. They order as the keys do,
    /// but for keys that agree in them.
    heads: Vec<u64>,
    /// What all keys begin with, or a part of that.
    stem: Box<[u8]>,
}

/// Where a key stands in relation to a stem.
enum Place {
    Before,
    Behind,
    /// It begins with the stem; this is its head.
    Within(u64),
}

impl Keys {
    /// One key.
    pub(super) fn one(key: Arc<str>) -> Self {
        Self { heads: vec![head(key.as_bytes(), key.len())], stem: key.as_bytes().into(), keys: vec![key] }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[Arc<str>] {
        &self.keys
    }

    fn place(&self, key: &[u8]) -> Place {
        let shared = &key[..key.len().min(self.stem.len())];
        match shared.cmp(&self.stem) {
            std::cmp::Ordering::Less => Place::Before,
            std::cmp::Ordering::Greater => Place::Behind,
            std::cmp::Ordering::Equal => Place::Within(head(key, self.stem.len())),
        }
    }

    /// The place of `key`, or where it would be inserted.
    pub(super) fn search(&self, key: &str) -> Result<usize, usize> {
        let head = match self.place(key.as_bytes()) {
            Place::Before => return Err(0),
            Place::Behind => return Err(self.len()),
            Place::Within(head) => head,
        };
        let start = self.heads.partition_point(|other| *other < head);
        let equal = self.heads[start..].partition_point(|other| *other == head);
        match self.keys[start..start + equal].binary_search_by(|other| (**other).cmp(key)) {
            Ok(i) => Ok(start + i),
            Err(i) => Err(start + i),
        }
    }

    pub(super) fn insert(&mut self, i: usize, key: Arc<str>) {
        if self.keys.is_empty() {
            *self = Self::one(key);
            return;
        }
        let shared = shared(&self.stem, key.as_bytes());
        if shared < self.stem.len() {
            self.stem = self.stem[..shared].into();
            self.read_heads();
        }
        self.heads.insert(i, head(key.as_bytes(), self.stem.len()));
        self.keys.insert(i, key);
    }

    pub(super) fn remove(&mut self, i: usize) -> Arc<str> {
        // The stem stays: it still is what all begin with, if not all of it.
        self.heads.remove(i);
        self.keys.remove(i)
    }

    pub(super) fn pop(&mut self) -> Option<Arc<str>> {
        self.heads.pop();
        self.keys.pop()
    }

    /// Takes the keys from `at` on out.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self { keys: self.keys.split_off(at), heads: Vec::new(), stem: Box::default() };
        self.heads.truncate(at);
        right.find_stem();
        self.find_stem();
        right
    }

    /// Appends keys that sort behind these.
    pub(super) fn append(&mut self, mut right: Self) {
        self.keys.append(&mut right.keys);
        self.find_stem();
    }

    /// Makes the stem as long as it can be.
    fn find_stem(&mut self) {
        self.stem = match (self.keys.first(), self.keys.last()) {
            // What the first and the last of sorted keys share, all between them do.
            (Some(first), Some(last)) => first.as_bytes()[..shared(first.as_bytes(), last.as_bytes())].into(),
            _ => Box::default(),
        };
        self.read_heads();
    }

    fn read_heads(&mut self) {
        self.heads.clear();
        self.heads.extend(self.keys.iter().map(|key| head(key.as_bytes(), self.stem.len())));
    }
}

/// Bytes that two keys have in common at their start.
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The head of a key behind a stem of this length.
fn head(key: &[u8], stem: usize) -> u64 {
    let rest = &key[stem..];
    match rest.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(bytes)
        }
    }
}
