//! Lists of resources and their quantities: which names are standard, what values are allowed.
//!
//! Source: `pkg/apis/core/helper`, `pkg/apis/core/validation`.

use super::access::{entries, get};
use super::format;
use crate::field::{Error, ErrorList, Path};
use crate::quantity::Quantity;
use serde_json::Value;

/// A quantity; `None` where it does not parse (the decoder has reported that).
pub(super) fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

/// The quantity of one resource of a list.
pub(super) fn quantity_of(list: &Value, name: &str) -> Option<Quantity> {
    quantity(list.get(name)?)
}

/// Whether a name starts with the prefix of huge pages.
pub(super) fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a resource is Kubernetes' own: without a prefix, or below kubernetes.io.
pub(super) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether more of a resource may be requested than is limited: not so for devices and huge pages.
pub(super) fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// A resource of someone else: `example.com/name`, not quota'd under `requests.`.
pub(super) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && format::qualified_name(&format!("requests.{name}")).is_empty()
}

fn is_standard_for_containers(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_pages(name)
}

/// Resources that a quota counts as whole numbers, beside extended ones.
fn is_integer(name: &str) -> bool {
    matches!(
        name,
        "pods"
            | "services"
            | "replicationcontrollers"
            | "resourcequotas"
            | "secrets"
            | "configmaps"
            | "persistentvolumeclaims"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_extended(name)
}

/// Names that a ResourceQuota may limit without a prefix.
pub(super) fn is_standard_for_quota(name: &str) -> bool {
    matches!(
        name,
        "cpu"
            | "memory"
            | "ephemeral-storage"
            | "requests.cpu"
            | "requests.memory"
            | "requests.storage"
            | "requests.ephemeral-storage"
            | "limits.cpu"
            | "limits.memory"
            | "limits.ephemeral-storage"
            | "pods"
            | "resourcequotas"
            | "services"
            | "replicationcontrollers"
            | "secrets"
            | "persistentvolumeclaims"
            | "configmaps"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_huge_pages(name)
        || name.starts_with("requests.hugepages-")
}

fn is_standard(name: &str) -> bool {
    is_standard_for_quota(name) || name == "storage"
}

/// A quantity of a resource: not negative, and whole where the resource is.
pub(super) fn check_quantity(errors: &mut ErrorList, path: &Path, name: &str, value: &Value) {
    let Some(quantity) = quantity(value) else { return };
    if quantity.is_negative() {
        errors.push(Error::invalid(path, value, format::NEGATIVE));
    }
    if is_integer(name) && quantity.milli_value() % 1000 != 0 {
        errors.push(Error::invalid(path, value, "must be an integer"));
    }
}

/// A resource's name. `true` where it is fine.
pub(super) fn check_name(errors: &mut ErrorList, path: &Path, name: &str) -> bool {
    let before = errors.len();
    format::check_qualified_name(errors, path, name);
    if errors.len() == before && !name.contains('/') && !is_standard(name) {
        errors.push(Error::invalid(path, &name.into(), "must be a standard resource type or fully qualified"));
    }
    errors.len() == before
}

/// A resource that a container may ask for.
pub(super) fn check_container_name(errors: &mut ErrorList, path: &Path, name: &str) {
    if is_standard_for_containers(name) && !is_huge_pages(name) {
        return;
    }
    check_name(errors, path, name);
    if !name.contains('/') {
        if !is_standard_for_containers(name) {
            errors.push(Error::invalid(path, &name.into(), "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.push(Error::invalid(path, &name.into(), "doesn't follow extended resource name standard"));
    }
}

/// A resource that a quota may limit.
pub(super) fn check_quota_name(errors: &mut ErrorList, path: &Path, name: &str) {
    check_name(errors, path, name);
    if !name.contains('/') && !is_standard_for_quota(name) {
        errors.push(Error::invalid(path, &name.into(), "must be a standard resource for quota"));
    }
}

/// The requests and limits of a container; `check_resource` checks a name.
pub(super) fn check_requirements(
    errors: &mut ErrorList,
    path: &Path,
    resources: &Value,
    check_resource: fn(&mut ErrorList, &Path, &str),
) {
    let mut huge_pages = false;
    let mut compute = false;
    for field in ["limits", "requests"] {
        for (name, value) in entries(resources, field) {
            let at = path.child(field).key(name);
            check_resource(errors, &at, name);
            check_quantity(errors, &at, name, value);
            if field == "requests" {
                check_request(errors, path, resources, name, value);
            }
            if is_huge_pages(name) {
                huge_pages = true;
                check_huge_pages(errors, &at, name, value);
            }
            compute |= matches!(name.as_str(), "cpu" | "memory");
        }
    }
    if huge_pages && !compute {
        errors.push(Error::forbidden(path, "HugePages require cpu or memory"));
    }
}

fn check_request(errors: &mut ErrorList, path: &Path, resources: &Value, name: &str, value: &Value) {
    let limit = get(resources, "limits").and_then(|limits| get(limits, name));
    let (Some(request), Some(limit)) = (quantity(value), limit) else {
        if limit.is_none() && !is_overcommit_allowed(name) {
            errors.push(Error::required(&path.child("limits"), "Limit must be set for non overcommitable resources"));
        }
        return;
    };
    let Some(most) = quantity(limit) else { return };
    let shown = limit.as_str().unwrap_or("");
    if request != most && !is_overcommit_allowed(name) {
        let text = format!("must be equal to {name} limit of {shown}");
        errors.push(Error::invalid(&path.child("requests"), value, &text));
    } else if request > most {
        let text = format!("must be less than or equal to {name} limit of {shown}");
        errors.push(Error::invalid(&path.child("requests"), value, &text));
    }
}

/// Huge pages come in whole pages.
fn check_huge_pages(errors: &mut ErrorList, path: &Path, name: &str, value: &Value) {
    let page: Option<Quantity> = name.strip_prefix("hugepages-").and_then(|size| size.parse().ok());
    let (Some(page), Some(amount)) = (page, quantity(value)) else { return };
    if page.value() <= 0 || amount.value() % page.value() != 0 {
        let text = format!("{} is not positive integer multiple of {name}", value.as_str().unwrap_or(""));
        errors.push(Error::invalid(path, value, &text));
    }
}
