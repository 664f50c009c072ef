//! Objects as bytes: encoded once without their resourceVersion, which readers splice in.
//!
//! The encoding begins `{"apiVersion":…,"kind":…,"metadata":{`; the splice is the offset after it, so that a reader
//! writes `bytes[..splice]`, `"resourceVersion":"N",`, `bytes[splice..]`. Metadata is never empty: it has a name.

use super::kind::Kind;
use bytes::{BufMut, Bytes, BytesMut};
use kubekit_core::encode;
use kubekit_store::{Entry, Revision, Value as Stored};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;

/// Encodes an object for storage, without its resourceVersion, and with managedFields that are encoded already.
///
/// # Panics
/// Never: objects that are stored are JSON objects.
pub(crate) fn encode(object: &mut Value, managed: Option<&[u8]>) -> Stored {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    let map = object.as_object().expect("an object");
    let mut bytes = Vec::with_capacity(4096);
    bytes.push(b'{');
    for name in ["apiVersion", "kind"] {
        encode::field(name, map.get(name).unwrap_or(&Value::Null), &mut bytes);
        bytes.push(b',');
    }
    bytes.extend_from_slice(b"\"metadata\":{");
    let splice = u32::try_from(bytes.len()).expect("the head is short");
    let empty = Map::new();
    write_metadata(&mut bytes, map.get("metadata").and_then(Value::as_object).unwrap_or(&empty), managed);
    bytes.push(b'}');
    let rest = map.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    for (name, value) in rest {
        bytes.push(b',');
        encode::field(name, value, &mut bytes);
    }
    bytes.push(b'}');
    // Exactly as many bytes as there are: this is what a store of millions of objects is made of.
    Stored { bytes: Bytes::copy_from_slice(&bytes), splice }
}

fn write_metadata(bytes: &mut Vec<u8>, metadata: &Map<String, Value>, managed: Option<&[u8]>) {
    const MANAGED: &str = "managedFields";
    let start = bytes.len();
    let write_managed = |bytes: &mut Vec<u8>| {
        if let Some(managed) = managed {
            bytes.extend_from_slice(b"\"managedFields\":");
            bytes.extend_from_slice(managed);
            bytes.push(b',');
        }
    };
    let mut passed = false;
    for (name, value) in metadata {
        if !passed && name.as_str() > MANAGED {
            passed = true;
            write_managed(bytes);
        }
        encode::field(name, value, bytes);
        bytes.push(b',');
    }
    if !passed {
        write_managed(bytes);
    }
    if bytes.len() > start {
        bytes.pop();
    }
}

/// Room that a spliced resourceVersion takes at most.
pub(crate) const VERSION_BYTES: usize = 48;

/// Appends a stored object with its resourceVersion.
pub(crate) fn append(out: &mut BytesMut, stored: &Stored, revision: Revision) {
    append_from(out, stored, 0, revision);
}

/// Appends a stored object without apiVersion and kind, as the items of a list are.
pub(crate) fn append_item(out: &mut BytesMut, stored: &Stored, revision: Revision) {
    out.put_u8(b'{');
    // The head ends with `"metadata":{`, whose length is fixed.
    append_from(out, stored, stored.splice as usize - b"\"metadata\":{".len(), revision);
}

fn append_from(out: &mut BytesMut, stored: &Stored, from: usize, revision: Revision) {
    let splice = stored.splice as usize;
    out.reserve(stored.bytes.len() + VERSION_BYTES);
    out.extend_from_slice(&stored.bytes[from..splice]);
    // What a dry run did not store has no version.
    if revision > 0 {
        out.extend_from_slice(b"\"resourceVersion\":\"");
        append_number(out, revision);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(&stored.bytes[splice..]);
}

/// Appends a number in decimal.
pub(crate) fn append_number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A stored object with its resourceVersion.
pub(crate) fn whole(entry: &Entry) -> Bytes {
    let mut out = BytesMut::with_capacity(entry.value.bytes.len() + VERSION_BYTES);
    append(&mut out, &entry.value, entry.revision);
    out.freeze()
}

/// A stored object as a value, with its resourceVersion.
///
/// # Panics
/// Never: what is stored was encoded by [`encode`].
pub(crate) fn decode(entry: &Entry) -> Value {
    // Checked as text once, instead of string by string.
    let text = std::str::from_utf8(&entry.value.bytes).expect("stored objects are text");
    let mut object: Value = serde_json::from_str(text).expect("stored objects are JSON");
    set_version(&mut object, entry.revision);
    object
}

/// A stored object as a value without its managedFields, and these as they are stored.
///
/// # Panics
/// As [`decode`].
pub(crate) fn decode_apart(entry: &Entry) -> (Value, Option<Box<RawValue>>) {
    let text = std::str::from_utf8(&entry.value.bytes).expect("stored objects are text");
    let mut record = None;
    let apart = Apart { record: &mut record, level: 0 };
    let mut object = apart.deserialize(&mut serde_json::Deserializer::from_str(text)).expect("stored objects are JSON");
    set_version(&mut object, entry.revision);
    (object, record)
}

/// Reads an object (level 0) and its metadata (level 1), and puts managedFields aside.
struct Apart<'a> {
    record: &'a mut Option<Box<RawValue>>,
    level: u8,
}

impl<'de> DeserializeSeed<'de> for Apart<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Apart<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = match (self.level, name.as_str()) {
                (0, "metadata") => access.next_value_seed(Apart { record: self.record, level: 1 })?,
                (1, "managedFields") => {
                    *self.record = Some(access.next_value()?);
                    continue;
                }
                _ => access.next_value()?,
            };
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// A stored object in the version of the request.
pub(crate) fn decode_served(kind: Kind, entry: &Entry) -> Value {
    kind.to_served(decode(entry))
}

/// Sets the resourceVersion, which what was not stored does not have.
pub(crate) fn set_version(object: &mut Value, revision: Revision) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| revision > 0) {
        metadata.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn splices_the_version_into_metadata() {
        let mut object = json!({"data": {"a": "b"}, "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": "x", "resourceVersion": "7"}});
        let stored = encode(&mut object, None);
        assert_eq!(stored.bytes, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b"}}"#);
        let mut out = BytesMut::new();
        append(&mut out, &stored, 120);
        assert_eq!(
            out,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"120","name":"x"},"data":{"a":"b"}}"#
        );
        out.clear();
        append_item(&mut out, &stored, 7);
        assert_eq!(out, r#"{"metadata":{"resourceVersion":"7","name":"x"},"data":{"a":"b"}}"#);
        out.clear();
        append(&mut out, &stored, 0);
        assert_eq!(out, stored.bytes, "what was not stored has no version");
    }

    #[test]
    fn encoded_managed_fields_stand_where_decoded_ones_would() {
        for name in ["finalizers", "managedFields0", "name", "a"] {
            let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {name: "x"}});
            let beside = encode(&mut object, Some(br#"[{"manager":"m"}]"#));
            object["metadata"]["managedFields"] = json!([{"manager": "m"}]);
            assert_eq!(beside, encode(&mut object, None));
        }
    }
}
