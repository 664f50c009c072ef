//! The record of a new object, whose creator owns every field that it has.
//!
//! Every create needs one, and it says nothing that the object itself does not: so it is written from the object in one
//! walk, already encoded, where [`super::track`] would build a set, a value of that set, and then the same bytes.

use super::form::{Form, keyed_element, value_element};
use super::managers::{Head, Operation};
use super::{Writer, has_status};
use crate::decode::format_time;
use crate::encode;
use crate::schema::Type;
use serde_json::{Map, Value};

/// Fields of metadata that nobody owns: the system itself sets them.
pub(super) const SYSTEM_METADATA: [&str; 8] =
    ["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"];

/// Records who owns the fields of a new object that is about to be stored.
///
/// The record comes back encoded, as the value of `metadata.managedFields`, for the encoder to write beside the rest of
/// the metadata. `None` where there is nothing to own, or where the object brought a record along: that one is then
/// brought up to date in the object.
pub fn track_new(object: &mut Value, schema: &'static Type, writer: Writer<'_>) -> Option<Vec<u8>> {
    if object["metadata"].get("managedFields").is_some() {
        super::track(None, object, schema, writer);
        return None;
    }
    let mut record = Vec::with_capacity(1024);
    record.push(b'[');
    let Writer { manager, api_version, subresource, now } = writer;
    let head = Head { api_version, manager, operation: Operation::Update, subresource };
    let owned = head.append(&format_time(now), &mut record, |out| append_root(object, schema, subresource, out));
    record.push(b']');
    owned.then_some(record)
}

/// Appends the fields of an object that can be owned; `false` where there are none.
fn append_root(object: &Value, schema: &'static Type, subresource: &str, out: &mut Vec<u8>) -> bool {
    let Some(map) = object.as_object() else { return false };
    let own_status = !subresource.is_empty() || !has_status(schema);
    let form = Form::Struct(schema);
    let mut list = List::begin(out);
    for (name, value) in map {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "status" if !own_status => {}
            "metadata" => {
                let Some(metadata) = value.as_object() else { continue };
                let fields = metadata.iter().filter(|(name, _)| !SYSTEM_METADATA.contains(&name.as_str()));
                list.put("f:", name, |out| append_members(fields, form.under(name), false, out));
            }
            _ => list.put("f:", name, |out| append_value(value, form.under(name), out)),
        }
    }
    list.end()
}

/// Appends the fields of a value; `false` where it has none.
fn append_value(value: &Value, form: Form, out: &mut Vec<u8>) -> bool {
    match (form, value) {
        (_, Value::Null) => false,
        (Form::Struct(_) | Form::Map(_) | Form::Deduced, Value::Object(map)) if !map.is_empty() => {
            append_members(map.iter(), form, form.is_marked(), out)
        }
        (Form::Keyed(keys, of), Value::Array(list)) if !list.is_empty() => {
            append_elements(list, |value| keyed_element(keys, value), Form::Struct(of), out)
        }
        (Form::Set, Value::Array(list)) if !list.is_empty() => append_elements(list, value_element, Form::Leaf, out),
        _ => {
            out.extend_from_slice(b"{}");
            true
        }
    }
}

/// Appends the members of a struct or map, which is itself owned where it is `marked`.
fn append_members<'a>(
    members: impl Iterator<Item = (&'a String, &'a Value)>,
    form: Form,
    marked: bool,
    out: &mut Vec<u8>,
) -> bool {
    let mut list = List::begin(out);
    list.marked = marked;
    for (name, value) in members {
        list.put("f:", name, |out| append_value(value, form.under(name), out));
    }
    list.end()
}

/// Appends the elements of a list whose elements are owned one by one, sorted; of equal ones the last counts.
fn append_elements(list: &[Value], element: impl Fn(&Value) -> String, below: Form, out: &mut Vec<u8>) -> bool {
    let mut elements: Vec<(String, &Value)> = list.iter().map(|value| (element(value), value)).collect();
    elements.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut list = List::begin(out);
    list.marked = true;
    for (i, (element, value)) in elements.iter().enumerate() {
        if elements.get(i + 1).is_some_and(|(next, _)| next == element) {
            continue;
        }
        let members = match (below, value) {
            (Form::Struct(_), Value::Object(map)) => Some(map),
            _ => None,
        };
        let empty = Map::new();
        list.put("", element, |out| append_members(members.unwrap_or(&empty).iter(), below, true, out));
    }
    list.end()
}

/// An object of `fieldsV1` that is being written.
struct List<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    any: bool,
    /// Whether the value itself is owned.
    marked: bool,
}

impl<'a> List<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.push(b'{');
        Self { out, start, any: false, marked: false }
    }

    /// Appends an element and what `below` appends, unless that is nothing.
    fn put(&mut self, prefix: &str, element: &str, below: impl FnOnce(&mut Vec<u8>) -> bool) {
        let before = self.out.len();
        if self.any {
            self.out.push(b',');
        } else if self.marked {
            self.out.extend_from_slice(b"\".\":{},");
        }
        self.out.push(b'"');
        self.out.extend_from_slice(prefix.as_bytes());
        encode::append_escaped(element, self.out);
        self.out.extend_from_slice(b"\":");
        if below(self.out) {
            self.any = true;
        } else {
            self.out.truncate(before);
        }
    }

    /// Whether there was anything to write; if not, nothing is left behind.
    fn end(self) -> bool {
        if self.any || self.marked {
            self.out.push(b'}');
            return true;
        }
        self.out.truncate(self.start);
        false
    }
}

#[cfg(test)]
mod tests;
