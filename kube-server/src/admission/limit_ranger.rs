//! LimitRanger: a namespace's defaults and bounds for what containers ask for.
//!
//! Source: `plugin/pkg/admission/limitranger/admission.go`. Pods only.

use super::{AdmissionRequest, Operation};
use crate::keys;
use crate::registry::{Registry, encode};
use kubekit_core::quantity::Quantity;
use kubekit_core::status::ApiError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) async fn admit(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    if request.operation != Operation::Create {
        return Ok(());
    }
    let ranges = registry.all(keys::namespace_prefix("", "limitranges", request.namespace)).await?;
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
    let mut errors: Vec<String> = Vec::new();
    for error in items.iter().flat_map(|item| check(spec, item)) {
        // Containers may all make the same mistake, which is told once.
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
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
            // Requests that the author left out are those of his limits, by the defaults of Pods, before they are a range's.
            if values.get(resource).is_none() {
                values[resource] = quantity.clone();
            }
        }
    }
}

/// What breaks the bounds of a range.
fn check(spec: &Value, item: &Value) -> Vec<String> {
    match item["type"].as_str() {
        Some("Container") => ["containers", "initContainers"]
            .iter()
            .flat_map(|list| spec[*list].as_array().into_iter().flatten())
            .flat_map(|container| Resources::of(container).bounds("Container", item))
            .collect(),
        Some("Pod") => Resources::of_pod(spec).bounds("Pod", item),
        _ => Vec::new(),
    }
}

type Amounts = BTreeMap<String, Quantity>;

/// What a container asks for, or a Pod's containers together.
#[derive(Default)]
struct Resources {
    requests: Amounts,
    limits: Amounts,
}

impl Resources {
    /// Those of a container, or the Pod's own.
    fn of(object: &Value) -> Self {
        let amounts = |field: &str| {
            let given = object["resources"][field].as_object().into_iter().flatten();
            given.filter_map(|(resource, quantity)| Some((resource.clone(), parse(quantity)?))).collect()
        };
        Self { requests: amounts("requests"), limits: amounts("limits") }
    }

    /// Containers and sidecars run together, and before them one init container at a time beside the sidecars that have
    /// been started. What the Pod itself asks for comes before what its containers do.
    fn of_pod(spec: &Value) -> Self {
        let list = |field: &str| spec[field].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let (mut together, mut sidecars, mut first) = (Self::default(), Self::default(), Self::default());
        for container in list("containers") {
            together.join(&Self::of(container), |sum, more| sum + more);
        }
        for container in list("initContainers") {
            let mut now = Self::of(container);
            if container["restartPolicy"] == "Always" {
                together.join(&now, |sum, more| sum + more);
                sidecars.join(&now, |sum, more| sum + more);
                now = Self::default();
            }
            now.join(&sidecars, |sum, more| sum + more);
            first.join(&now, Quantity::max);
        }
        together.join(&first, Quantity::max);
        together.join(&Self::of(spec), |_, own| own);
        together
    }

    fn join(&mut self, other: &Self, joined: impl Fn(Quantity, Quantity) -> Quantity) {
        for (mine, theirs) in [(&mut self.requests, &other.requests), (&mut self.limits, &other.limits)] {
            for (resource, quantity) in theirs {
                let sum = mine.get(resource).map_or(*quantity, |before| joined(*before, *quantity));
                mine.insert(resource.clone(), sum);
            }
        }
    }

    fn bounds(&self, what: &str, item: &Value) -> Vec<String> {
        let bounds = |field: &str| {
            let given: Vec<(&String, Quantity)> =
                item[field].as_object().into_iter().flatten().filter_map(|(r, q)| Some((r, parse(q)?))).collect();
            given.into_iter().map(|(r, bound)| (r, bound, self.requests.get(r).copied(), self.limits.get(r).copied()))
        };
        let mut errors = Vec::new();
        for (resource, least, request, limit) in bounds("min") {
            let text = format!("minimum {resource} usage per {what} is {least}");
            match (request, limit) {
                (None, _) => errors.push(format!("{text}.  No request is specified")),
                (Some(request), _) if request < least => errors.push(format!("{text}, but request is {request}")),
                (_, Some(limit)) if limit < least => errors.push(format!("{text}, but limit is {limit}")),
                _ => {}
            }
        }
        for (resource, most, request, limit) in bounds("max") {
            let text = format!("maximum {resource} usage per {what} is {most}");
            match (request, limit) {
                (_, None) => errors.push(format!("{text}.  No limit is specified")),
                (_, Some(limit)) if limit > most => errors.push(format!("{text}, but limit is {limit}")),
                (Some(request), _) if request > most => errors.push(format!("{text}, but request is {request}")),
                _ => {}
            }
        }
        for (resource, most, request, limit) in bounds("maxLimitRequestRatio") {
            let text = format!("{resource} max limit to request ratio per {what} is {most}, but");
            match (request.filter(|q| !q.is_zero()), limit.filter(|q| !q.is_zero())) {
                (None, _) => errors.push(format!("{text} no request is specified or request is 0")),
                (_, None) => errors.push(format!("{text} no limit is specified or limit is 0")),
                (Some(request), Some(limit)) if exceeds(limit, request, most) => {
                    errors.push(format!("{text} provided ratio is {:.6}", limit.to_f64() / request.to_f64()));
                }
                _ => {}
            }
        }
        errors
    }
}

/// Whether a limit is more than `ratio` times its request.
fn exceeds(limit: Quantity, request: Quantity, ratio: Quantity) -> bool {
    let milli = |quantity: Quantity| i128::from(quantity.milli_value());
    milli(limit) * 1000 > milli(ratio) * milli(request)
}

fn parse(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
