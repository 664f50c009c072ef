//! Resources of a pod as a whole. Source: KEP-2837.

use super::is_sidecar;
use crate::field::{Error, ErrorList, Path};
use crate::quantity::Quantity;
use crate::rules::access::{child_mut, entries, get, list, made, set};
use crate::rules::resource_list::{self, is_huge_pages, quantity, quantity_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether a resource can be asked for by a pod as a whole.
fn is_supported(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_pages(name)
}

/// Requests that are left out are what the containers ask for, or the limits.
pub(super) fn default_pod_level(spec: &mut Value) {
    if get(spec, "resources").is_none_or(|resources| entries(resources, "limits").next().is_none()) {
        return;
    }
    let asked = container_requests(spec);
    let Some(resources) = child_mut(spec, "resources") else { return };
    let limits: Vec<(String, Value)> = entries(resources, "limits").map(|(k, v)| (k.clone(), v.clone())).collect();
    let Some(requests) = made(resources, "requests") else { return };
    for (name, amount) in asked {
        if is_supported(&name) && !is_huge_pages(&name) && get(requests, &name).is_none() {
            set(requests, &name, amount.to_string());
        }
    }
    for (name, limit) in limits {
        if is_supported(&name) && get(requests, &name).is_none() {
            set(requests, &name, limit);
        }
    }
}

/// Checks the resources of a pod as a whole, against those of its containers.
pub(super) fn check_pod_level(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let Some(resources) = get(spec, "resources") else { return };
    if get(resources, "claims").is_some() {
        errors.push(Error::forbidden(&path.child("claims"), "claims cannot be set for Resources at pod-level"));
    }
    resource_list::check_requirements(errors, path, resources, check_name);
    for (name, asked) in container_requests(spec) {
        let given = quantity_of(&resources["requests"], &name).unwrap_or(Quantity::ZERO);
        if asked > given {
            let text = format!("must be greater than or equal to aggregate container requests of {asked}");
            errors.push(Error::invalid(&path.child("requests").key(&name), &given.to_string().into(), &text));
        }
    }
    for (index, container) in list(spec, "containers").iter().enumerate() {
        for (name, limit) in entries(&container["resources"], "limits") {
            let Some(most) = quantity_of(&resources["limits"], name) else { continue };
            if quantity(limit).is_some_and(|limit| limit > most) {
                let path = path.child("containers").index(index).key(name).child("limits");
                errors.push(Error::invalid(
                    &path,
                    limit,
                    &format!("must be less than or equal to pod limits of {most}"),
                ));
            }
        }
    }
}

fn check_name(errors: &mut ErrorList, path: &Path, name: &str) {
    if resource_list::check_name(errors, path, name) && !is_supported(name) {
        errors.push(Error::not_supported(path, &name.into(), &["cpu", "hugepages-", "memory"]));
    }
}

/// What the containers of a pod ask for at any one time: the larger of what its containers and sidecars ask for
/// together, and what each init container asks for beside the sidecars that started before it.
pub(super) fn container_requests(spec: &Value) -> BTreeMap<String, Quantity> {
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut sidecars: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut peak: BTreeMap<String, Quantity> = BTreeMap::new();
    for container in list(spec, "containers") {
        add(&mut total, container);
    }
    for container in list(spec, "initContainers") {
        if is_sidecar(container) {
            add(&mut total, container);
            add(&mut sidecars, container);
            raise(&mut peak, &sidecars);
        } else {
            let mut now = sidecars.clone();
            add(&mut now, container);
            raise(&mut peak, &now);
        }
    }
    raise(&mut total, &peak);
    total
}

fn add(sum: &mut BTreeMap<String, Quantity>, container: &Value) {
    for (name, value) in entries(&container["resources"], "requests") {
        if let Some(amount) = quantity(value) {
            let before = sum.get(name).copied();
            sum.insert(name.clone(), before.map_or(amount, |before| before + amount));
        }
    }
}

fn raise(most: &mut BTreeMap<String, Quantity>, other: &BTreeMap<String, Quantity>) {
    for (name, amount) in other {
        if most.get(name).is_none_or(|before| before < amount) {
            most.insert(name.clone(), *amount);
        }
    }
}
