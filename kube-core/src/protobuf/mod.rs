//! Kubernetes' protobuf form of built-in kinds: the magic `k8s\0`, then an envelope with the object's bytes.
//!
//! Source: `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`. Table-driven: no code per kind. What protobuf cannot
//! tell (whether a zero was set) is told by [`crate::schema::Field::pointer`].

pub(crate) mod duration;
mod read;
mod wire;
mod write;

use crate::decode::DEPTH_MAX;
use crate::schema::{self, Type};
use serde_json::{Map, Value};
use wire::{Reader, Writer};

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
    /// The bytes are no message of the type, or the value is no object of it.
    #[error("{at}: {what}")]
    Malformed {
        /// The type and field: `PodSpec.containers`.
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

impl Error {
    fn malformed(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Malformed { at: at.into(), what: what.into() }
    }
}

/// Decodes a body into a JSON value with apiVersion and kind.
///
/// # Errors
/// See [`Error`].
pub fn decode(bytes: &[u8]) -> Result<Value, Error> {
    let body = bytes.strip_prefix(MAGIC).ok_or(Error::NoMagic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut envelope = Reader::new(body);
    while let Some((number, wire)) = envelope.tag("Unknown")? {
        match number {
            1 => {
                let mut meta = Reader::new(envelope.bytes(wire, "Unknown.typeMeta")?);
                while let Some((number, wire)) = meta.tag("TypeMeta")? {
                    match number {
                        1 => api_version = meta.string(wire, "TypeMeta.apiVersion")?.to_owned(),
                        2 => kind = meta.string(wire, "TypeMeta.kind")?.to_owned(),
                        _ => meta.skip(wire, "TypeMeta")?,
                    }
                }
            }
            2 => raw = envelope.bytes(wire, "Unknown.raw")?,
            _ => envelope.skip(wire, "Unknown")?,
        }
    }
    let of = type_of(&api_version, &kind)?;
    let mut object = Map::new();
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), api_version.into());
    read::message(of, &mut Reader::new(raw), &mut object, DEPTH_MAX)?;
    Ok(Value::Object(object))
}

/// Encodes an object (with apiVersion and kind) into a body.
///
/// # Errors
/// See [`Error`].
pub fn encode(object: &Value) -> Result<Vec<u8>, Error> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let raw = encode_bare(object, type_of(api_version, kind)?)?;
    let mut meta = Writer::default();
    meta.bytes(1, api_version.as_bytes());
    meta.bytes(2, kind.as_bytes());
    let mut envelope = Writer::with_capacity(raw.len() + 64);
    envelope.raw(MAGIC);
    envelope.bytes(1, meta.as_slice());
    envelope.bytes(2, &raw);
    envelope.bytes(3, b"");
    envelope.bytes(4, b"");
    Ok(envelope.into_vec())
}

/// Encodes an object of a known type without its envelope: an element of a list, an object in a watch event.
///
/// # Errors
/// See [`Error`].
pub fn encode_bare(object: &Value, of: &'static Type) -> Result<Vec<u8>, Error> {
    let map = object.as_object().ok_or_else(|| Error::malformed(of.short_name(), "not an object"))?;
    let mut writer = Writer::default();
    write::message(of, map, &mut writer, DEPTH_MAX)?;
    Ok(writer.into_vec())
}

fn type_of(api_version: &str, kind: &str) -> Result<&'static Type, Error> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    schema::of_kind(group, version, kind)
        .ok_or_else(|| Error::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

#[cfg(test)]
mod tests;
