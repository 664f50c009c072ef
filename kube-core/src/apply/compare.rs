//! Which fields a value has, and which differ between two values.

use super::form::{Form, keyed_element, missing_key, name_element, value_element};
use super::set::{Set, readable};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// The fields of an apply configuration: leaves, empty structs and maps, elements of lists.
///
/// # Errors
/// Where elements of a keyed list lack a key or have the same keys.
pub(super) fn fields(value: &Value, form: Form) -> Result<Set, String> {
    let mut set = Set::default();
    match (form, value) {
        (Form::Struct(_) | Form::Map(_) | Form::Deduced, Value::Object(map)) if !map.is_empty() => {
            for (name, value) in map {
                let below = fields(value, form.under(name)).map_err(|what| format!(".{name}{what}"))?;
                set.put(name_element(name), below);
            }
        }
        (Form::Keyed(keys, of), Value::Array(list)) if !list.is_empty() => {
            let (mut seen, mut elements) = (HashSet::new(), Vec::with_capacity(list.len()));
            for (i, value) in list.iter().enumerate() {
                if let Some(key) = missing_key(keys, value) {
                    return Err(format!(
                        ": element {i}: associative list with keys has an element that omits key field {key:?} (and doesn't have default value)"
                    ));
                }
                let element = keyed_element(keys, value);
                let mut below = fields(value, Form::Struct(of)).map_err(|what| format!("[{i}]{what}"))?;
                below.here = true;
                if !seen.insert(element.clone()) {
                    return Err(format!(": duplicate entries for key {}", readable(&element)));
                }
                elements.push((element, below));
            }
            set = Set::of(elements);
        }
        (Form::Set, Value::Array(list)) if !list.is_empty() => {
            let (mut seen, mut elements) = (HashSet::new(), Vec::with_capacity(list.len()));
            for value in list {
                let element = value_element(value);
                if !seen.insert(element.clone()) {
                    return Err(format!(": duplicate entries for key [={value}]"));
                }
                elements.push((element, Set::leaf()));
            }
            set = Set::of(elements);
        }
        _ => set.here = true,
    }
    Ok(set)
}

/// The paths that differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Added or modified.
    pub(super) changed: Set,
    pub(super) removed: Set,
}

impl Comparison {
    fn put(&mut self, element: String, below: Self) {
        if below.removed.is_empty() {
            self.changed.put(element, below.changed);
        } else {
            self.changed.put(element.clone(), below.changed);
            self.removed.put(element, below.removed);
        }
    }
}

/// Compares an old value with a new one that is not equal; `None` is absent.
pub(super) fn compare(old: Option<&Value>, new: Option<&Value>, form: Form) -> Comparison {
    let (old, new) = (old.filter(|v| !v.is_null()), new.filter(|v| !v.is_null()));
    let mut found = Comparison::default();
    match form {
        Form::Struct(_) | Form::Map(_) | Form::Deduced if either(old, new, Value::is_object) => {
            members(old, new, form, &mut found);
        }
        Form::Keyed(keys, of) if either(old, new, Value::is_array) => {
            elements(old, new, |v| keyed_element(keys, v), Form::Struct(of), &mut found);
        }
        Form::Set if either(old, new, Value::is_array) => elements(old, new, value_element, Form::Leaf, &mut found),
        _ => {
            found.changed.here = new.is_some();
            found.removed.here = new.is_none();
            return found;
        }
    }
    if old.is_none() && new.is_none() {
        return Comparison::default();
    }
    let is_bare = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        _ => true,
    };
    let bare = is_bare(old) && is_bare(new);
    found.changed.here |= old.is_none() && (bare || form.is_marked());
    found.removed.here |= new.is_none();
    found
}

/// Whether both, as far as they are there, pass.
fn either(old: Option<&Value>, new: Option<&Value>, pass: fn(&Value) -> bool) -> bool {
    old.is_none_or(pass) && new.is_none_or(pass)
}

fn members(old: Option<&Value>, new: Option<&Value>, form: Form, found: &mut Comparison) {
    let empty = serde_json::Map::new();
    let old = old.and_then(Value::as_object).unwrap_or(&empty);
    let new = new.and_then(Value::as_object).unwrap_or(&empty);
    for (name, value) in new {
        let before = old.get(name);
        if before != Some(value) {
            found.put(name_element(name), compare(before, Some(value), form.under(name)));
        }
    }
    for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        found.put(name_element(name), compare(Some(value), None, form.under(name)));
    }
}

fn elements(
    old: Option<&Value>,
    new: Option<&Value>,
    element: impl Fn(&Value) -> String,
    below: Form,
    found: &mut Comparison,
) {
    let (old, new) = (index(old, &element), index(new, &element));
    for (id, value) in &new {
        let before = old.get(id).copied();
        if before == Some(value) {
            continue;
        }
        let mut compared = compare(before, Some(value), below);
        compared.changed.here |= before.is_none();
        found.put(id.clone(), compared);
    }
    for (id, value) in old.iter().filter(|(id, _)| !new.contains_key(*id)) {
        let mut compared = compare(Some(value), None, below);
        compared.removed.here = true;
        found.put(id.clone(), compared);
    }
}

fn index(list: Option<&Value>, element: impl Fn(&Value) -> String) -> BTreeMap<String, &Value> {
    list.and_then(Value::as_array).into_iter().flatten().map(|value| (element(value), value)).collect()
}
