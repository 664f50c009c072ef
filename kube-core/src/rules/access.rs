//! Short access to the fields of a JSON object. `null` counts as absent, and so does what is not of the type asked for:
//! shapes have been checked against the schema before rules run.

use serde_json::{Map, Value};

static EMPTY_TEXT: &str = "";

/// A field that is present and not null.
pub(crate) fn get<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

/// A field at the end of a path of objects.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| get(value, key))
}

/// A string; empty where absent.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or(EMPTY_TEXT)
}

/// A string at the end of a path; empty where absent.
pub(crate) fn text_at<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or(EMPTY_TEXT)
}

/// An integer.
pub(crate) fn int(object: &Value, key: &str) -> Option<i64> {
    object.get(key).and_then(Value::as_i64)
}

/// A boolean.
pub(crate) fn boolean(object: &Value, key: &str) -> Option<bool> {
    object.get(key).and_then(Value::as_bool)
}

/// Whether a boolean is present and true.
pub(crate) fn is_true(object: &Value, key: &str) -> bool {
    boolean(object, key) == Some(true)
}

/// A list; empty where absent.
pub(crate) fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The strings of a list.
pub(crate) fn texts<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    list(object, key).iter().filter_map(Value::as_str)
}

/// The entries of a map, in the order of their keys; none where absent.
pub(crate) fn entries<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// The entries of a map of strings.
pub(crate) fn text_entries<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    entries(object, key).filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

/// How many entries a map or a list has; 0 where absent.
pub(crate) fn count(object: &Value, key: &str) -> usize {
    match object.get(key) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

/// The elements of a list, to be changed.
pub(crate) fn each_mut<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// An object field, to be changed.
pub(crate) fn child_mut<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    object.get_mut(key).filter(|value| value.is_object())
}

/// An object field, made where it is absent. `None` where `object` is not an object.
pub(crate) fn made<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let map = object.as_object_mut()?;
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.is_object().then_some(value)
}

/// Sets a field that is absent or null.
pub(crate) fn default_to(object: &mut Value, key: &str, value: impl Into<Value>) {
    set_where(object, key, value, Value::is_null);
}

/// Sets a string that is absent or empty: fields whose empty value counts as unset.
pub(crate) fn default_text(object: &mut Value, key: &str, value: &str) {
    set_where(object, key, value, |old| old.is_null() || old.as_str() == Some(""));
}

/// Sets an integer that is absent or zero: fields whose zero counts as unset.
pub(crate) fn default_nonzero(object: &mut Value, key: &str, value: i64) {
    set_where(object, key, value, |old| old.is_null() || old.as_i64() == Some(0));
}

/// Sets a field.
pub(crate) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// Removes a field.
pub(crate) fn unset(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}

fn set_where(object: &mut Value, key: &str, value: impl Into<Value>, unset: impl Fn(&Value) -> bool) {
    let Some(map) = object.as_object_mut() else { return };
    match map.get_mut(key) {
        Some(old) if unset(old) => *old = value.into(),
        Some(_) => {}
        None => {
            map.insert(key.to_owned(), value.into());
        }
    }
}
