//! Objects as bytes: encoded once without their resourceVersion, which readers splice in.
//!
//! The encoding begins `{"apiVersion":…,"kind":…,"metadata":{`; the splice is the offset after it, so that a reader
//! writes `bytes[..splice]`, `"resourceVersion":"N",`, `bytes[splice..]`. Metadata is never empty: it has a name.

use super::kind::Kind;
use bytes::{BufMut, Bytes, BytesMut};
use kubekit_store::{Entry, Revision, Value as Stored};
use serde_json::{Map, Value};

/// Encodes an object for storage, without its resourceVersion.
///
/// # Panics
/// Never: JSON values encode.
pub(crate) fn encode(object: &mut Value) -> Stored {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    let map = object.as_object().expect("an object");
    let mut bytes = Vec::with_capacity(2048);
    bytes.push(b'{');
    for field in ["apiVersion", "kind"] {
        write_field(&mut bytes, field, map.get(field).unwrap_or(&Value::Null));
        bytes.push(b',');
    }
    bytes.extend_from_slice(b"\"metadata\":{");
    let splice = u32::try_from(bytes.len()).expect("the head is short");
    let empty = Map::new();
    let metadata = map.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    write_fields(&mut bytes, metadata.iter());
    bytes.push(b'}');
    let rest = map.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    for (name, value) in rest {
        bytes.push(b',');
        write_field(&mut bytes, name, value);
    }
    bytes.push(b'}');
    Stored { bytes: bytes.into(), splice }
}

fn write_fields<'a>(bytes: &mut Vec<u8>, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (i, (name, value)) in fields.enumerate() {
        if i > 0 {
            bytes.push(b',');
        }
        write_field(bytes, name, value);
    }
}

fn write_field(bytes: &mut Vec<u8>, name: &str, value: &Value) {
    serde_json::to_writer(&mut *bytes, name).expect("a string encodes");
    bytes.push(b':');
    serde_json::to_writer(bytes, value).expect("a JSON value encodes");
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
    out.extend_from_slice(b"\"resourceVersion\":\"");
    append_number(out, revision);
    out.extend_from_slice(b"\",");
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
    let mut object: Value = serde_json::from_slice(&entry.value.bytes).expect("stored objects are JSON");
    set_version(&mut object, entry.revision);
    object
}

/// A stored object in the version of the request.
pub(crate) fn decode_served(kind: Kind, entry: &Entry) -> Value {
    kind.to_served(decode(entry))
}

/// Sets the resourceVersion.
pub(crate) fn set_version(object: &mut Value, revision: Revision) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
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
        let stored = encode(&mut object);
        assert_eq!(stored.bytes, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b"}}"#);
        let mut out = BytesMut::new();
        append(&mut out, &stored, 120);
        assert_eq!(
            out,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"120","name":"x"},"data":{"a":"b"}}"#
        );
        out.clear();
        append_item(&mut out, &stored, 0);
        assert_eq!(out, r#"{"metadata":{"resourceVersion":"0","name":"x"},"data":{"a":"b"}}"#);
    }
}
