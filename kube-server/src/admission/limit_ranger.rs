//! LimitRanger: a namespace's defaults and bounds for what containers and claims ask for.
//!
//! Source: `plugin/pkg/admission/limitranger/admission.go`.

use super::{AdmissionRequest, Operation};
use crate::keys;
use crate::registry::{Registry, encode};
use kubekit_core::quantity::Quantity;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The annotation of a Pod that says what of it a range filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Whether ranges bound what is asked for here: new Pods, Pods that are resized, claims.
pub(super) fn concerns(request: &AdmissionRequest<'_>) -> bool {
    let is_going = request.old.is_some_and(|old| !old["metadata"]["deletionTimestamp"].is_null());
    let bounded = match (request.resource.group, request.resource.plural, request.subresource) {
        ("", "pods", "") => request.operation == Operation::Create,
        ("", "pods", "resize") => request.operation == Operation::Update,
        ("", "persistentvolumeclaims", "") => matches!(request.operation, Operation::Create | Operation::Update),
        _ => false,
    };
    bounded && !is_going
}

pub(super) async fn admit(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    let ranges = registry.all(keys::namespace_prefix("", "limitranges", request.namespace)).await?;
    if ranges.is_empty() {
        return Ok(());
    }
    let ranges: Vec<Value> = ranges.iter().map(|entry| encode::decode(entry)["spec"]["limits"].take()).collect();
    let is_pod = request.resource.plural == "pods";
    if let Some(pod) = request.object.as_mut().filter(|_| is_pod && request.operation == Operation::Create) {
        ranges.iter().for_each(|range| fill_pod(pod, range));
    }
    let Some(object) = request.object.as_deref() else { return Ok(()) };
    let old = request.old.map_or(&Value::Null, |old| &old["spec"]);
    for items in ranges.iter().filter_map(Value::as_array) {
        let check = if is_pod { check_pod } else { check_claim };
        let mut errors: Vec<String> = Vec::new();
        for error in items.iter().flat_map(|item| check(&object["spec"], old, item)) {
            // Containers may all make the same mistake, which is told once.
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        match errors.as_slice() {
            [] => {}
            [one] => return Err(request.forbidden(one)),
            many => return Err(request.forbidden(&format!("[{}]", many.join(", ")))),
        }
    }
    Ok(())
}

/// Gives a Pod's containers the defaults of a range, and says so on the Pod.
fn fill_pod(pod: &mut Value, range: &Value) {
    let mut told: Vec<String> = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for (field, defaults, asked) in [("requests", "defaultRequest", "request"), ("limits", "default", "limit")]
            {
                let filled = fill(container, field, range, defaults);
                if !filled.is_empty() {
                    let name = container["name"].as_str().unwrap_or_default();
                    told.push(format!("{} {asked} for {what} {name}", filled.join(", ")));
                }
            }
        }
    }
    if told.is_empty() {
        return;
    }
    if !pod["metadata"]["annotations"].is_object() {
        pod["metadata"]["annotations"] = json!({});
    }
    pod["metadata"]["annotations"][ANNOTATION] = format!("LimitRanger plugin set: {}", told.join("; ")).into();
}

/// Gives a container the defaults of a range for its requests or limits; says for which resources, sorted.
fn fill(container: &mut Value, field: &str, range: &Value, defaults: &str) -> Vec<String> {
    let items = range.as_array().into_iter().flatten().filter(|item| item["type"] == "Container");
    // Of several defaults for one resource the last one counts.
    let wanted: Map<String, Value> =
        items.filter_map(|item| item[defaults].as_object()).flatten().map(|(r, q)| (r.clone(), q.clone())).collect();
    let mut filled = Vec::new();
    for (resource, quantity) in wanted {
        if !container["resources"].is_object() {
            container["resources"] = json!({});
        }
        let values = &mut container["resources"][field];
        if !values.is_object() {
            *values = json!({});
        }
        // Requests that the author left out are those of his limits, by the defaults of Pods, before they are a range's.
        if values.get(&resource).is_none() {
            values[&resource] = quantity;
            filled.push(resource);
        }
    }
    filled.sort();
    filled
}

/// What a Pod breaks of the bounds of a range. What `old`, the stored spec, asked for already is not held against it.
fn check_pod(spec: &Value, old: &Value, item: &Value) -> Vec<String> {
    match item["type"].as_str() {
        Some("Container") => ["containers", "initContainers"]
            .iter()
            .flat_map(|list| {
                let containers = spec[*list].as_array().into_iter().flatten().enumerate();
                containers.map(|(index, container)| (container, old[*list].get(index)))
            })
            .flat_map(|(container, old)| {
                Resources::of(container).changed_from(old.map(Resources::of)).bounds("Container", item)
            })
            .collect(),
        Some("Pod") => {
            let before = old.is_object().then(|| Resources::of_pod(old));
            Resources::of_pod(spec).changed_from(before).bounds("Pod", item)
        }
        _ => Vec::new(),
    }
}

/// What a claim breaks of the bounds of a range: it has requests only.
fn check_claim(spec: &Value, old: &Value, item: &Value) -> Vec<String> {
    const WHAT: &str = "PersistentVolumeClaim";
    if item["type"] != WHAT {
        return Vec::new();
    }
    let asked = Resources::of_claim(spec).changed_from(old.is_object().then(|| Resources::of_claim(old)));
    let mut errors = Vec::new();
    for (resource, least) in asked.amounts(item, "min") {
        let text = format!("minimum {resource} usage per {WHAT} is {least}");
        match asked.requests.get(&resource) {
            None => errors.push(format!("{text}.  No request is specified")),
            Some(request) if *request < least => errors.push(format!("{text}, but request is {request}")),
            Some(_) => {}
        }
    }
    for (resource, most) in asked.amounts(item, "max") {
        let text = format!("maximum {resource} usage per {WHAT} is {most}");
        match asked.requests.get(&resource) {
            None => errors.push(format!("{text}.  No request is specified")),
            Some(request) if *request > most => errors.push(format!("{text}, but request is {request}")),
            Some(_) => {}
        }
    }
    errors
}

type Amounts = BTreeMap<String, Quantity>;

/// What a container asks for, or a Pod's containers together.
#[derive(Default)]
struct Resources {
    requests: Amounts,
    limits: Amounts,
    /// What was asked for before, where it was: bounds of what has not changed since are not looked at.
    before: Option<Box<Self>>,
}

impl Resources {
    /// Those of a container, or the Pod's own.
    fn of(object: &Value) -> Self {
        let amounts = |field: &str| {
            let given = object["resources"][field].as_object().into_iter().flatten();
            given.filter_map(|(resource, quantity)| Some((resource.clone(), parse(quantity)?))).collect()
        };
        Self { requests: amounts("requests"), limits: amounts("limits"), before: None }
    }

    /// Those of a claim, whose requests alone count.
    fn of_claim(spec: &Value) -> Self {
        Self { limits: Amounts::new(), ..Self::of(spec) }
    }

    /// Without those that were asked for before.
    fn changed_from(self, before: Option<Self>) -> Self {
        Self { before: before.map(Box::new), ..self }
    }

    /// Whether this resource is asked for as before, or not at all as before.
    fn is_settled(&self, resource: &str) -> bool {
        self.before.as_ref().is_some_and(|before| {
            self.requests.get(resource) == before.requests.get(resource)
                && self.limits.get(resource) == before.limits.get(resource)
        })
    }

    /// The bounds of a range that are to be looked at.
    fn amounts(&self, item: &Value, field: &str) -> Vec<(String, Quantity)> {
        let given = item[field].as_object().into_iter().flatten().filter(|(resource, _)| !self.is_settled(resource));
        given.filter_map(|(resource, quantity)| Some((resource.clone(), parse(quantity)?))).collect()
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
            let given = self.amounts(item, field).into_iter();
            given.map(|(r, bound)| (self.requests.get(&r).copied(), self.limits.get(&r).copied(), r, bound))
        };
        let mut errors = Vec::new();
        for (request, limit, resource, least) in bounds("min") {
            let text = format!("minimum {resource} usage per {what} is {least}");
            match (request, limit) {
                (None, _) => errors.push(format!("{text}.  No request is specified")),
                (Some(request), _) if request < least => errors.push(format!("{text}, but request is {request}")),
                (_, Some(limit)) if limit < least => errors.push(format!("{text}, but limit is {limit}")),
                _ => {}
            }
        }
        for (request, limit, resource, most) in bounds("max") {
            let text = format!("maximum {resource} usage per {what} is {most}");
            match (request, limit) {
                (_, None) => errors.push(format!("{text}.  No limit is specified")),
                (_, Some(limit)) if limit > most => errors.push(format!("{text}, but limit is {limit}")),
                (Some(request), _) if request > most => errors.push(format!("{text}, but request is {request}")),
                _ => {}
            }
        }
        for (request, limit, resource, most) in bounds("maxLimitRequestRatio") {
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
