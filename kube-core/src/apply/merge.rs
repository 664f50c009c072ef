//! Merging a configuration into an object, and removing what it no longer names.

use super::form::{Form, keyed_element, name_element, value_element};
use super::set::Set;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// The live value with the configuration laid over it.
pub(super) fn merge(live: Option<&Value>, configuration: &Value, form: Form) -> Value {
    match (form, live, configuration) {
        (Form::Struct(_) | Form::Map(_) | Form::Deduced, Some(Value::Object(live)), Value::Object(over)) => {
            let mut merged = live.clone();
            for (name, value) in over {
                merged.insert(name.clone(), merge(live.get(name), value, form.under(name)));
            }
            Value::Object(merged)
        }
        (Form::Keyed(keys, of), Some(Value::Array(live)), Value::Array(over)) => {
            merge_lists(live, over, |v| keyed_element(keys, v), Form::Struct(of))
        }
        (Form::Set, Some(Value::Array(live)), Value::Array(over)) => merge_lists(live, over, value_element, Form::Leaf),
        (_, _, configuration) => configuration.clone(),
    }
}

/// Elements of the configuration come in its order; elements that only the object has stay before those that followed
/// them. A body can hold half a million elements, so that none is searched for among the others.
fn merge_lists(live: &[Value], over: &[Value], element: impl Fn(&Value) -> String, form: Form) -> Value {
    let over_ids: Vec<String> = over.iter().map(&element).collect();
    let live_ids: Vec<String> = live.iter().map(&element).collect();
    let named: HashSet<&String> = over_ids.iter().collect();
    // Of elements with equal keys the first counts.
    let found: HashMap<&String, &Value> = live_ids.iter().zip(live).rev().collect();
    let mut merged = Vec::with_capacity(live.len() + over.len());
    let mut old = live_ids.iter().zip(live).peekable();
    for (id, value) in over_ids.iter().zip(over) {
        while let Some((_, only_live)) = old.next_if(|(old_id, _)| !named.contains(old_id)) {
            merged.push(only_live.clone());
        }
        let before = found.get(id).copied();
        merged.push(merge(before, value, form));
        if before.is_some() {
            old.next();
        }
    }
    merged.extend(old.filter(|(id, _)| !named.contains(id)).map(|(_, value)| value.clone()));
    Value::Array(merged)
}

/// Removes from `value` what is in `last`, the manager's former set, and not in `kept`, what is owned now.
pub(super) fn remove(value: &mut Value, form: Form, last: &Set, kept: Option<&Set>) {
    match (form, value) {
        (Form::Struct(_) | Form::Map(_) | Form::Deduced, Value::Object(map)) => remove_members(map, form, last, kept),
        (Form::Keyed(keys, of), Value::Array(list)) => {
            list.retain_mut(|value| {
                let id = keyed_element(keys, value);
                stays(value, Form::Struct(of), last.get(&id), kept.and_then(|k| k.get(&id)))
            });
        }
        (Form::Set, Value::Array(list)) => {
            list.retain_mut(|value| {
                let id = value_element(value);
                stays(value, Form::Leaf, last.get(&id), kept.and_then(|k| k.get(&id)))
            });
        }
        _ => {}
    }
}

fn remove_members(map: &mut Map<String, Value>, form: Form, last: &Set, kept: Option<&Set>) {
    map.retain(|name, value| {
        let element = name_element(name);
        stays(value, form.under(name), last.get(&element), kept.and_then(|k| k.get(&element)))
    });
}

/// Whether a value stays. What is below it and not owned any more is removed from it; a value that this empties goes too.
fn stays(value: &mut Value, form: Form, last: Option<&Set>, kept: Option<&Set>) -> bool {
    let Some(last) = last else { return true };
    if kept.is_none() && last.here {
        return false;
    }
    if last.is_leaf() || is_empty(value) {
        return true;
    }
    remove(value, form, last, kept);
    kept.is_some() || !is_empty(value)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
