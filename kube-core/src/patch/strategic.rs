//! Strategic merge patch.
//!
//! Source of the behaviour: `k8s.io/apimachinery/pkg/util/strategicpatch` and the API conventions.

use crate::schema::{Field, Shape, Type};
use crate::status::ApiError;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch: a merge patch in which lists merge by key, and with directives
/// (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`).
///
/// # Errors
/// 400 where the patch is malformed.
pub fn strategic(target: Value, patch: Value, schema: &'static Type) -> Result<Value, ApiError> {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => Ok(Value::Object(merge_map(target, patch, Some(schema))?)),
        _ => Err(ApiError::bad_request(
            "cannot unmarshal a patch that is not an object into Go value of type map[string]interface {}",
        )),
    }
}

/// How one field merges; a field without a schema merges as in a merge patch.
#[derive(Clone, Copy)]
struct Rule {
    below: Option<&'static Type>,
    merge: bool,
    replace: bool,
    merge_key: &'static str,
}

impl Rule {
    fn of(schema: Option<&'static Type>, name: &str) -> Self {
        match schema.and_then(|s| s.field(name)) {
            Some(Field { shape, patch, merge_key, .. }) => {
                Self { below: element(*shape), merge: patch.merge, replace: patch.replace, merge_key }
            }
            None => Self { below: None, merge: false, replace: false, merge_key: "" },
        }
    }
}

fn element(shape: Shape) -> Option<&'static Type> {
    match shape {
        Shape::Object(of) => Some(of),
        Shape::List(of) | Shape::Map(of) => element(*of),
        _ => None,
    }
}

type Object = Map<String, Value>;

fn merge_map(mut target: Object, mut patch: Object, schema: Option<&'static Type>) -> Result<Object, ApiError> {
    match patch.remove(DIRECTIVE).as_ref().map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => return Ok(clean(patch)),
        Some(Some("delete")) => return Ok(Object::new()),
        Some(other) => return Err(bad(&format!("unknown patch type: {}", other.unwrap_or_default()))),
    }
    retain_keys(&mut target, &mut patch)?;
    let orders = take_prefixed(&mut patch, ELEMENT_ORDER);
    for (name, values) in take_prefixed(&mut patch, DELETE_FROM) {
        let Value::Array(values) = values else { return Err(bad("a list of values to delete is not a list")) };
        if let Some(Value::Array(list)) = target.get_mut(&name) {
            let values: HashSet<String> = values.iter().map(Value::to_string).collect();
            list.retain(|value| !values.contains(&value.to_string()));
        }
    }
    for (name, order) in orders {
        let Value::Array(order) = order else { return Err(bad("an element order is not a list")) };
        let rule = Rule::of(schema, &name);
        let changes = match patch.remove(&name) {
            Some(Value::Array(changes)) => changes,
            None => Vec::new(),
            // The list goes as a whole.
            Some(other) => {
                patch.insert(name, other);
                continue;
            }
        };
        let before = match target.remove(&name) {
            Some(Value::Array(before)) => before,
            _ if changes.is_empty() => continue,
            _ => Vec::new(),
        };
        target.insert(name, Value::Array(merge_list(before, changes, rule, Some(&order))?));
    }
    for (name, change) in patch {
        let rule = Rule::of(schema, &name);
        let merged = match (target.remove(&name), change) {
            (_, Value::Null) => continue,
            (Some(Value::Object(before)), Value::Object(change)) if !rule.replace => {
                Value::Object(merge_map(before, change, rule.below)?)
            }
            (Some(Value::Array(before)), Value::Array(change)) if rule.merge => {
                Value::Array(merge_list(before, change, rule, None)?)
            }
            (_, Value::Object(change)) if is_deletion(&change) => continue,
            (_, Value::Object(change)) => Value::Object(merge_map(Object::new(), change, rule.below)?),
            (_, Value::Array(change)) if rule.merge => Value::Array(merge_list(Vec::new(), change, rule, None)?),
            (_, change) => clean_value(change),
        };
        target.insert(name, merged);
    }
    Ok(target)
}

/// Drops the keys that a union's patch does not retain.
fn retain_keys(target: &mut Object, patch: &mut Object) -> Result<(), ApiError> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(retained) = retained else { return Err(bad("$retainKeys is not a list")) };
    let is_retained = |key: &str| retained.iter().any(|k| k == key);
    if patch.iter().any(|(key, value)| !key.starts_with('$') && !value.is_null() && !is_retained(key)) {
        return Err(bad("$retainKeys directive must contain all the keys in the patch"));
    }
    target.retain(|key, _| is_retained(key));
    Ok(())
}

fn take_prefixed(patch: &mut Object, prefix: &str) -> Vec<(String, Value)> {
    let keys: Vec<String> = patch.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    keys.into_iter().filter_map(|key| Some((key[prefix.len()..].to_owned(), patch.remove(&key)?))).collect()
}

/// Merges a list whose elements are told apart by a key, or by themselves where they are no objects. A body can hold half
/// a million elements, so that none is searched for among the others.
fn merge_list(
    before: Vec<Value>,
    changes: Vec<Value>,
    rule: Rule,
    order: Option<&[Value]>,
) -> Result<Vec<Value>, ApiError> {
    let key = rule.merge_key;
    let objects = changes.iter().chain(&before).any(Value::is_object);
    if objects && key.is_empty() {
        return Err(bad("cannot merge lists without merge key"));
    }
    if changes.iter().any(|c| c[DIRECTIVE] == "replace") {
        return Ok(changes.into_iter().filter(|c| c[DIRECTIVE] != "replace").map(clean_value).collect());
    }
    let id_of = |element: &Value| if objects { element[key].to_string() } else { element.to_string() };
    let before_ids: Vec<String> = before.iter().map(id_of).collect();
    let order: Option<Vec<String>> = order.map(|order| order.iter().map(id_of).collect());
    let mut merged: Vec<Option<(String, Value)>> = before_ids.iter().cloned().zip(before).map(Some).collect();
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, id) in before_ids.iter().enumerate() {
        places.entry(id.clone()).or_default().push(at);
    }
    let mut changed = Vec::with_capacity(changes.len());
    for change in changes {
        let id = id_of(&change);
        let place = places.get(&id).and_then(|places| places.first().copied());
        let element = if objects {
            let Value::Object(change) = change else {
                return Err(bad("a list of objects is patched with another value"));
            };
            if !change.contains_key(key) {
                return Err(bad(&format!("map: {} does not contain declared merge key: {key}", Value::Object(change))));
            }
            if is_deletion(&change) {
                places.remove(&id).into_iter().flatten().for_each(|at| merged[at] = None);
                continue;
            }
            let found = place.and_then(|at| merged[at].take()).map(|(_, element)| element);
            let element = if let Some(Value::Object(element)) = found { element } else { Object::new() };
            Value::Object(merge_map(element, change, rule.below)?)
        } else {
            change
        };
        changed.push(id.clone());
        match place {
            Some(at) => merged[at] = Some((id, element)),
            None => {
                places.entry(id.clone()).or_default().push(merged.len());
                merged.push(Some((id, element)));
            }
        }
    }
    Ok(ordered(merged.into_iter().flatten(), &before_ids, order.as_deref().unwrap_or(&changed)))
}

/// Puts the elements that the patch names into its order, and the others among them as they were.
fn ordered(merged: impl Iterator<Item = (String, Value)>, before: &[String], order: &[String]) -> Vec<Value> {
    // Of equal ones the first counts.
    fn places(ids: &[String]) -> HashMap<&str, usize> {
        ids.iter().enumerate().rev().map(|(at, id)| (id.as_str(), at)).collect()
    }
    let (before, order) = (places(before), places(order));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for (id, element) in merged {
        match order.get(id.as_str()) {
            Some(at) => named.push((*at, id, element)),
            None => others.push((id, element)),
        }
    }
    named.sort_by_key(|(at, ..)| *at);
    let mut named = named.into_iter().map(|(_, id, element)| (id, element)).peekable();
    let mut others = others.into_iter().peekable();
    let mut out = Vec::with_capacity(named.len() + others.len());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((other, _)), Some((next, _))) => match (before.get(other.as_str()), before.get(next.as_str())) {
                (Some(other), Some(next)) => other < next,
                _ => false,
            },
        };
        out.extend(if other_first { others.next() } else { named.next() }.map(|(_, element)| element));
    }
}

fn is_deletion(change: &Object) -> bool {
    change.get(DIRECTIVE).is_some_and(|d| d == "delete")
}

/// A part of a patch that nothing is merged into: without directives, and without the nulls that delete.
fn clean(patch: Object) -> Object {
    patch
        .into_iter()
        .filter(|(key, value)| {
            !value.is_null()
                && key != DIRECTIVE
                && key != RETAIN_KEYS
                && !key.starts_with(DELETE_FROM)
                && !key.starts_with(ELEMENT_ORDER)
        })
        .map(|(key, value)| (key, clean_value(value)))
        .collect()
}

fn clean_value(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(clean(map)),
        Value::Array(list) => Value::Array(
            list.into_iter().filter(|v| !v.as_object().is_some_and(is_deletion)).map(clean_value).collect(),
        ),
        other => other,
    }
}

fn bad(what: &str) -> ApiError {
    ApiError::bad_request(format!("invalid strategic merge patch: {what}"))
}
