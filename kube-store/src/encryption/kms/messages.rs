//! Messages: those of the API between a server and its plugin (`k8s.io/kms/apis/v2/api.proto`), and the stored one
//! (`kmsv2/v2/api.proto` of kube-apiserver), under their published numbers. Written by hand so that no code generator is
//! needed.

use super::service::Wrapped;
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use zeroize::Zeroize;

/// [`EncryptedObject::source_type`] of a seed.
pub(super) const SOURCE_SEED: i32 = 1;

/// A stored value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EncryptedObject {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
    /// The key of the service that the data key is wrapped under.
    #[prost(string, tag = "2")]
    pub(super) key_id: String,
    /// The wrapped data key.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) source: Vec<u8>,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
    #[prost(int32, tag = "5")]
    pub(super) source_type: i32,
}

impl EncryptedObject {
    /// All but the value, encoded: the same for every value of a data key, and so the data key's name.
    pub(super) fn head(wrapped: Wrapped) -> Vec<u8> {
        let Wrapped { ciphertext, key_id, annotations } = wrapped;
        Self { data: Bytes::new(), key_id, source: ciphertext, annotations, source_type: SOURCE_SEED }.encode_to_vec()
    }

    /// The wrapped data key.
    pub(super) fn into_wrapped(self) -> Wrapped {
        Wrapped { ciphertext: self.source, key_id: self.key_id, annotations: self.annotations }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StatusRequest {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StatusResponse {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    #[prost(string, tag = "2")]
    pub(super) healthz: String,
    #[prost(string, tag = "3")]
    pub(super) key_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EncryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) plaintext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
}

impl Drop for EncryptRequest {
    /// What is to be encrypted is a data key. The buffers of the connection are out of reach.
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(super) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DecryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) plaintext: Vec<u8>,
}
