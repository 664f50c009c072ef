//! Quality of service: how a pod is treated when the node runs short.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use kubekit_core::quantity::Quantity;

use super::members;

/// The class of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every container has equal requests and limits for CPU and memory.
    Guaranteed,
    /// Some have some.
    Burstable,
    /// None has any.
    BestEffort,
}

impl Class {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// A quantity of the API that is present and not zero.
pub(crate) fn amount(list: Option<&BTreeMap<String, ApiQuantity>>, resource: &str) -> Option<Quantity> {
    list?.get(resource)?.0.parse::<Quantity>().ok().filter(|quantity| !quantity.is_zero())
}

fn request(container: &Container, resource: &str) -> Option<Quantity> {
    amount(container.resources.as_ref()?.requests.as_ref(), resource)
}

fn limit(container: &Container, resource: &str) -> Option<Quantity> {
    amount(container.resources.as_ref()?.limits.as_ref(), resource)
}

/// The class of a pod with this spec.
#[must_use]
pub fn class(spec: &PodSpec) -> Class {
    let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
    let resources = ["cpu", "memory"];
    let any = containers()
        .any(|c| resources.iter().any(|resource| request(c, resource).is_some() || limit(c, resource).is_some()));
    if !any {
        return Class::BestEffort;
    }
    let equal = containers().all(|container| {
        resources.iter().all(|resource| {
            let limit = limit(container, resource);
            limit.is_some() && (request(container, resource).is_none() || request(container, resource) == limit)
        })
    });
    if equal { Class::Guaranteed } else { Class::Burstable }
}

/// How eagerly the kernel's out-of-memory killer takes the container's processes: what asks for a larger part of the
/// node's memory is taken later, and a sidecar not before the containers that it serves.
#[must_use]
pub fn oom_score_adj(spec: &PodSpec, container: &Container, memory_capacity_bytes: u64) -> i64 {
    const SYSTEM_CRITICAL: i32 = 2_000_000_000;
    let critical = spec.priority.is_some_and(|priority| priority >= SYSTEM_CRITICAL);
    if critical && spec.priority_class_name.as_deref() == Some("system-node-critical") {
        return -997;
    }
    match class(spec) {
        Class::Guaranteed => -997,
        Class::BestEffort => 1000,
        Class::Burstable => {
            let asked = |container| request(container, "memory").map_or(0, |quantity| quantity.value());
            let served = spec.containers.iter().map(asked).min().filter(|_| is_sidecar(spec, container));
            let asked = asked(container).max(served.unwrap_or(0));
            let capacity = i64::try_from(memory_capacity_bytes).unwrap_or(i64::MAX).max(1);
            let share = i64::try_from(i128::from(asked) * 1000 / i128::from(capacity)).unwrap_or(1000);
            // Kept between the guaranteed and those without any request.
            (1000 - share).clamp(3, 999)
        }
    }
}

fn is_sidecar(spec: &PodSpec, container: &Container) -> bool {
    members::find(spec, &container.name).is_some_and(|member| member.role == members::Role::Sidecar)
}

#[cfg(test)]
mod tests {
    //! Requests and limits in, classes out.

    use super::*;
    use crate::pod::fixture;

    /// Requests or limits.
    type Amounts<'a> = &'a [(&'a str, &'a str)];

    #[track_caller]
    fn check(containers: &[(Amounts<'_>, Amounts<'_>)], expected: Class) {
        let mut spec = PodSpec::default();
        for (requests, limits) in containers {
            spec.containers.push(fixture::container_with_resources("c", requests, limits));
        }
        assert_eq!(class(&spec), expected);
    }

    #[test]
    fn classes() {
        let whole: Amounts<'_> = &[("cpu", "1"), ("memory", "1Gi")];
        check(&[(&[], &[])], Class::BestEffort);
        check(&[(&[("cpu", "0")], &[])], Class::BestEffort);
        check(&[(whole, whole)], Class::Guaranteed);
        check(&[(&[], whole)], Class::Guaranteed);
        check(&[(&[("cpu", "1000m"), ("memory", "1024Mi")], whole)], Class::Guaranteed);
        check(&[(&[("cpu", "500m")], whole)], Class::Burstable);
        check(&[(whole, whole), (&[], &[])], Class::Burstable);
        check(&[(&[("memory", "1Mi")], &[])], Class::Burstable);
    }

    #[test]
    fn scores() {
        let gib: u64 = 1 << 30;
        let mut spec = PodSpec::default();
        spec.containers.push(fixture::container_with_resources("c", &[("memory", "1Gi")], &[]));
        assert_eq!(oom_score_adj(&spec, &spec.containers[0], 4 * gib), 750);
        assert_eq!(oom_score_adj(&spec, &spec.containers[0], gib), 3);
        assert_eq!(oom_score_adj(&PodSpec::default(), &Container::default(), gib), 1000);
    }

    #[test]
    fn only_what_is_critical_to_the_node_is_taken_last() {
        let mut spec = PodSpec::default();
        spec.containers.push(fixture::container_with_resources("c", &[("memory", "1Gi")], &[]));
        for (priority, class, expected) in [
            (2_000_001_000, "system-node-critical", -997),
            (2_000_000_000, "system-cluster-critical", 750),
            (1_000, "system-node-critical", 750),
            (2_000_001_000, "mine", 750),
        ] {
            (spec.priority, spec.priority_class_name) = (Some(priority), Some(class.into()));
            assert_eq!(oom_score_adj(&spec, &spec.containers[0], 4 << 30), expected, "{class}");
        }
    }

    #[test]
    fn a_sidecar_is_taken_no_earlier_than_those_it_serves() {
        let asks = |name, memory| fixture::container_with_resources(name, &[("memory", memory)], &[]);
        let sidecar = |memory| Container { restart_policy: Some("Always".into()), ..asks("s", memory) };
        let mut spec = PodSpec { containers: vec![asks("a", "2Gi"), asks("b", "1Gi")], ..PodSpec::default() };
        for (memory, expected) in [("64Mi", 750), ("3Gi", 250)] {
            let sidecar = sidecar(memory);
            spec.init_containers = Some(vec![sidecar.clone()]);
            assert_eq!(oom_score_adj(&spec, &sidecar, 4 << 30), expected, "{memory}");
        }
        let plain = asks("s", "64Mi");
        spec.init_containers = Some(vec![plain.clone()]);
        assert_eq!(oom_score_adj(&spec, &plain, 4 << 30), 985, "an init container serves nobody");
    }

    #[test]
    fn init_containers_count_and_other_resources_do_not() {
        let whole: Amounts<'_> = &[("cpu", "1"), ("memory", "1Gi")];
        let gpu: Amounts<'_> = &[("example.com/gpu", "1"), ("ephemeral-storage", "1Gi")];
        let made = |requests, limits| fixture::container_with_resources("c", requests, limits);
        let of = |init: Vec<Container>, main: Vec<Container>| {
            class(&PodSpec { init_containers: Some(init), containers: main, ..PodSpec::default() })
        };
        assert_eq!(of(vec![made(whole, whole)], vec![made(whole, whole)]), Class::Guaranteed);
        assert_eq!(of(vec![made(&[], &[])], vec![made(whole, whole)]), Class::Burstable);
        assert_eq!(of(vec![made(whole, &[])], vec![made(&[], &[])]), Class::Burstable);
        assert_eq!(of(vec![], vec![made(gpu, gpu)]), Class::BestEffort);
    }
}
