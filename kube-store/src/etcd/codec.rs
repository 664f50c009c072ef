//! Between the keys and values of etcd and the versions of the store.

use super::client::revision;
use super::keyspace::Keyspace;
use super::messages::KeyValue;
use crate::{Attributes, Encryption, Entry, Error, Result, Value, stored};
use bytes::Bytes;
use std::sync::Arc;

/// What is stored where, and how.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    pub(super) keys: Keyspace,
    pub(super) encryption: Encryption,
}

impl Codec {
    /// The stored form of a value.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be encrypted.
    pub(super) fn encode(&self, key: &str, value: &Value, attributes: &Attributes) -> Result<Bytes> {
        let mut plain = Vec::new();
        stored::encode(value, attributes, &mut plain);
        Ok(self.encryption.seal(key, &plain)?.unwrap_or(plain).into())
    }

    /// Fetches what [`Codec::decode`] will need for this value.
    ///
    /// # Errors
    /// `Unavailable` when whoever keeps the key does not give it; `Damaged` for a value that this store cannot read.
    pub(super) async fn prepare(&self, kv: &KeyValue) -> Result<()> {
        match self.keys.key(&kv.key) {
            Some(key) if !kv.value.is_empty() => self.encryption.prepare(key, &kv.value).await,
            _ => Ok(()),
        }
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
        let plain = match self.encryption.open(key, &kv.value)? {
            Some(opened) => opened.plain.into(),
            None => kv.value.clone(),
        };
        let (value, attributes) = stored::decode(&plain).ok_or_else(foreign)?;
        Ok(Some(Arc::new(Entry::new(Arc::from(key), value, revision(kv.mod_revision), attributes))))
    }

    /// What to store instead of a value that is under an older key, or in plain text against the rules.
    ///
    /// # Errors
    /// `Damaged` for a value that this store cannot read.
    pub(super) fn reseal(&self, kv: &KeyValue) -> Result<Option<Bytes>> {
        let Some(key) = self.keys.key(&kv.key) else { return Ok(None) };
        match self.encryption.open(key, &kv.value)? {
            Some(opened) if opened.stale => {
                Ok(Some(self.encryption.seal(key, &opened.plain)?.unwrap_or(opened.plain).into()))
            }
            _ => Ok(None),
        }
    }
}
