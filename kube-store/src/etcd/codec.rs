//! Between the keys and values of etcd and the versions of the store.

use super::client::revision;
use super::keyspace::Keyspace;
use super::messages::KeyValue;
use crate::{Attributes, Entry, Error, Result, Value, stored};
use bytes::Bytes;
use std::sync::Arc;

/// What is stored where, and how.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    pub(super) keys: Keyspace,
}

impl Codec {
    /// The stored form of a value.
    #[expect(clippy::unnecessary_wraps, reason = "encryption can fail")]
    pub(super) fn encode(&self, _key: &str, value: &Value, attributes: &Attributes) -> Result<Bytes> {
        let mut plain = Vec::new();
        stored::encode(value, attributes, &mut plain);
        Ok(plain.into())
    }

    /// The version that is stored in etcd; `None` for a key that is not one of the store's.
    ///
    /// # Errors
    /// `Damaged` for a value that this store has not written, or cannot read.
    pub(super) fn decode(&self, kv: &KeyValue) -> Result<Option<Arc<Entry>>> {
        let Some(key) = self.keys.key(&kv.key) else { return Ok(None) };
        let foreign = || {
            Error::Damaged(format!("the value of {key} in etcd was not written by this store: choose another prefix"))
        };
        let (value, attributes) = stored::decode(&kv.value).ok_or_else(foreign)?;
        Ok(Some(Arc::new(Entry::new(Arc::from(key), value, revision(kv.mod_revision), attributes))))
    }
}
