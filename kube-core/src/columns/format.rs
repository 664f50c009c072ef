//! What several kinds show in the same way.

use super::age::age;
use crate::rules::access::{at, entries, get, int, list, text, text_at, text_entries, texts};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a cell shows where there is nothing.
pub(super) const NONE: &str = "<none>";
/// What a cell shows where a value was left out.
pub(super) const UNSET: &str = "<unset>";
/// What a cell shows where something is not known.
pub(super) const UNKNOWN: &str = "<unknown>";

/// The object's name.
pub(super) fn name(object: &Value) -> Value {
    text_at(object, &["metadata", "name"]).into()
}

/// The object's age.
pub(super) fn object_age(object: &Value, now: Timestamp) -> Value {
    since(text_at(object, &["metadata", "creationTimestamp"]), now).into()
}

/// The time since a timestamp; `<unknown>` where there is none.
pub(super) fn since(time: &str, now: Timestamp) -> String {
    time.parse().map_or_else(|_| UNKNOWN.to_owned(), |then| age(now, then))
}

/// A string, or what stands for none.
pub(super) fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

/// A number at the end of a path; 0 where there is none.
pub(super) fn number(object: &Value, path: &[&str]) -> i64 {
    at(object, path).and_then(Value::as_i64).unwrap_or(0)
}

/// Labels as `key=value,…`.
pub(super) fn labels(object: &Value, field: &str) -> String {
    let pairs: BTreeMap<&str, &str> = text_entries(object, field).collect();
    let text: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    or(&text.join(","), NONE).to_owned()
}

/// A label selector in the form that `-l` takes.
pub(super) fn selector(object: Option<&Value>) -> String {
    let Some(object) = object else { return NONE.to_owned() };
    let mut parts: Vec<(&str, String)> =
        text_entries(object, "matchLabels").map(|(key, value)| (key, format!("{key}={value}"))).collect();
    for expression in list(object, "matchExpressions") {
        let key = text(expression, "key");
        let mut values: Vec<&str> = texts(expression, "values").collect();
        values.sort_unstable();
        let values = values.join(",");
        parts.push((
            key,
            match text(expression, "operator") {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                "DoesNotExist" => format!("!{key}"),
                _ => return "<error>".to_owned(),
            },
        ));
    }
    parts.sort_by_key(|(key, _)| *key);
    let text: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    or(&text.join(","), NONE).to_owned()
}

/// The names and the images of the containers of a pod spec.
pub(super) fn containers(spec: &Value) -> (String, String) {
    let join = |field| {
        let all: Vec<&str> = list(spec, "containers").iter().map(|container| text(container, field)).collect();
        all.join(",")
    };
    (join("name"), join("image"))
}

/// The first of many entries, and how many more there are.
pub(super) fn first_of(entries: &[String], most: usize, none: &str) -> String {
    let shown = entries[..entries.len().min(most)].join(",");
    match entries.len().saturating_sub(most) {
        0 => or(&shown, none).to_owned(),
        more => format!("{shown} + {more} more..."),
    }
}

/// A number or a percentage, as it was written.
pub(super) fn int_or_text(object: &Value, field: &str) -> Option<String> {
    match get(object, field)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// How many entries a map has.
pub(super) fn size(object: &Value, field: &str) -> usize {
    entries(object, field).count()
}

/// Whether the condition of this type is true.
pub(super) fn condition(object: &Value, kind: &str) -> bool {
    condition_status(object, kind) == Some("True")
}

/// The status of the condition of this type.
pub(super) fn condition_status<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = list(get(object, "status")?, "conditions");
    conditions.iter().find(|condition| text(condition, "type") == kind).map(|condition| text(condition, "status"))
}

/// The addresses of a load balancer, sorted, each once.
pub(super) fn load_balancer(object: &Value) -> String {
    let ingress = at(object, &["status", "loadBalancer"]).map_or(&[][..], |balancer| list(balancer, "ingress"));
    let mut addresses: Vec<&str> = ingress
        .iter()
        .map(|entry| or(text(entry, "ip"), text(entry, "hostname")))
        .filter(|address| !address.is_empty())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.join(",")
}

/// Whether the object is being deleted.
pub(super) fn is_deleted(object: &Value) -> bool {
    at(object, &["metadata", "deletionTimestamp"]).is_some()
}

/// `int` for a cell.
pub(super) fn int_cell(object: &Value, field: &str) -> Value {
    int(object, field).unwrap_or(0).into()
}
