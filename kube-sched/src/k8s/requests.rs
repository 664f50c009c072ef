//! What a pod requests: the most that its init containers and its containers need at one time. Source: KEP-753 (sidecars),
//! KEP-2837 (pod-level resources), KEP-688 (overhead).

use crate::Resources;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

type ResourceList = BTreeMap<String, Quantity>;

/// Amounts of a Kubernetes resource list: cpu in thousandths, the rest in whole units, rounded up.
pub fn resources(list: Option<&ResourceList>) -> Resources {
    let mut resources = Resources::default();
    for (name, quantity) in list.into_iter().flatten() {
        let Ok(quantity) = quantity.0.parse::<kubekit_core::quantity::Quantity>() else { continue };
        match name.as_str() {
            "cpu" => resources.cpu_milli = quantity.milli_value(),
            "memory" => resources.memory_bytes = quantity.value(),
            "ephemeral-storage" => resources.ephemeral_storage_bytes = quantity.value(),
            "pods" => resources.pods = quantity.value(),
            _ => resources = resources.with_scalar(name, quantity.value()),
        }
    }
    resources
}

/// What a pod requests.
pub fn pod_requests(spec: &PodSpec) -> Resources {
    total(spec, &|container| requests_of(container))
}

/// What scoring takes a pod to use: containers that request no cpu or memory count with assumed amounts.
pub(super) fn assumed_usage(spec: &PodSpec) -> Resources {
    total(spec, &|container| {
        let mut requests = requests_of(container);
        let names = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        let requested = |name: &str| names.is_some_and(|names| names.contains_key(name));
        if !requested("cpu") {
            requests.cpu_milli = crate::model::ASSUMED_CPU_MILLI;
        }
        if !requested("memory") {
            requests.memory_bytes = crate::model::ASSUMED_MEMORY_BYTES;
        }
        requests
    })
}

fn requests_of(container: &Container) -> Resources {
    resources(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()))
}

fn total(spec: &PodSpec, of: &dyn Fn(&Container) -> Resources) -> Resources {
    let mut running = Resources::default();
    for container in &spec.containers {
        running.add(&of(container));
    }
    // Init containers run one after the other, beside the sidecars that were started before them.
    let mut sidecars = Resources::default();
    let mut starting = Resources::default();
    for container in spec.init_containers.iter().flatten() {
        let mut needs = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            running.add(&needs);
            sidecars.add(&needs);
            needs = sidecars.clone();
        } else {
            needs.add(&sidecars);
        }
        starting.raise_to(&needs);
    }
    running.raise_to(&starting);
    if let Some(list) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
        let pod_level = resources(Some(list));
        if list.contains_key("cpu") {
            running.cpu_milli = pod_level.cpu_milli;
        }
        if list.contains_key("memory") {
            running.memory_bytes = pod_level.memory_bytes;
        }
    }
    running.add(&resources(spec.overhead.as_ref()));
    running
}
