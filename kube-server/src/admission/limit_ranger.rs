//! LimitRanger: a namespace's defaults and bounds for what containers ask for.
//!
//! Source: `plugin/pkg/admission/limitranger/admission.go`. Pods only.

use super::{AdmissionRequest, Operation};
use crate::registry::kind::Kind;
use crate::registry::{Registry, encode};
use kubekit_core::quantity::Quantity;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};

pub(super) async fn admit(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    if request.operation != Operation::Create {
        return Ok(());
    }
    let Some(kind) = Kind::find("", "v1", "limitranges") else { return Ok(()) };
    let ranges = registry.all(kind, request.namespace).await?;
    if ranges.is_empty() {
        return Ok(());
    }
    let items: Vec<Value> = ranges
        .iter()
        .flat_map(|entry| encode::decode(entry)["spec"]["limits"].as_array().cloned().unwrap_or_default())
        .collect();
    if let Some(pod) = request.object.as_mut() {
        for item in items.iter().filter(|item| item["type"] == "Container") {
            for list in ["containers", "initContainers"] {
                for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    fill(container, item);
                }
            }
        }
    }
    let spec = request.object.as_ref().map_or(&Value::Null, |pod| &pod["spec"]);
    let errors: Vec<String> = items.iter().flat_map(|item| check(spec, item)).collect();
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(request.forbidden(one)),
        many => Err(request.forbidden(&format!("[{}]", many.join(", ")))),
    }
}

/// Gives a container the defaults of a range.
fn fill(container: &mut Value, item: &Value) {
    for (field, defaults) in [("limits", "default"), ("requests", "defaultRequest")] {
        for (resource, quantity) in item[defaults].as_object().into_iter().flatten() {
            if !container["resources"].is_object() {
                container["resources"] = json!({});
            }
            let values = &mut container["resources"][field];
            if !values.is_object() {
                *values = json!({});
            }
            // A limit that the author set is the request's default before the range's.
            if values.get(resource).is_none() {
                values[resource] = quantity.clone();
            }
        }
    }
}

/// What breaks the bounds of a range.
fn check(spec: &Value, item: &Value) -> Vec<String> {
    match item["type"].as_str() {
        Some("Container") => ["initContainers", "containers"]
            .iter()
            .flat_map(|list| spec[*list].as_array().into_iter().flatten())
            .flat_map(|container| bounds("Container", &container["resources"], item))
            .collect(),
        Some("Pod") => {
            let resources = json!({"limits": total(spec, "limits"), "requests": total(spec, "requests")});
            bounds("Pod", &resources, item)
        }
        _ => Vec::new(),
    }
}

/// The sum over a Pod's containers.
fn total(spec: &Value, field: &str) -> Value {
    let mut sums = Map::new();
    for container in spec["containers"].as_array().into_iter().flatten() {
        for (resource, quantity) in container["resources"][field].as_object().into_iter().flatten() {
            let Some(quantity) = parse(quantity) else { continue };
            let sum = match sums.get(resource).and_then(parse) {
                Some(sum) => sum + quantity,
                None => quantity,
            };
            sums.insert(resource.clone(), json!(sum.to_string()));
        }
    }
    Value::Object(sums)
}

fn parse(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

fn bounds(what: &str, resources: &Value, item: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let of = |field: &str, resource: &str| resources[field].get(resource).and_then(parse);
    for (resource, bound) in item["min"].as_object().into_iter().flatten() {
        let Some(least) = parse(bound) else { continue };
        match (of("requests", resource), of("limits", resource)) {
            (None, _) => {
                errors.push(format!("minimum {resource} usage per {what} is {least}.  No request is specified"));
            }
            (Some(request), _) if request < least => {
                errors.push(format!("minimum {resource} usage per {what} is {least}, but request is {request}"));
            }
            (_, Some(limit)) if limit < least => {
                errors.push(format!("minimum {resource} usage per {what} is {least}, but limit is {limit}"));
            }
            _ => {}
        }
    }
    for (resource, bound) in item["max"].as_object().into_iter().flatten() {
        let Some(most) = parse(bound) else { continue };
        match (of("requests", resource), of("limits", resource)) {
            (_, None) => {
                errors.push(format!("maximum {resource} usage per {what} is {most}.  No limit is specified"));
            }
            (_, Some(limit)) if limit > most => {
                errors.push(format!("maximum {resource} usage per {what} is {most}, but limit is {limit}"));
            }
            (Some(request), _) if request > most => {
                errors.push(format!("maximum {resource} usage per {what} is {most}, but request is {request}"));
            }
            _ => {}
        }
    }
    errors
}
