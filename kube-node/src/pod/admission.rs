//! Whether a pod has room on the node. The scheduler has seen to that, unless somebody has bound the pod past it, or two
//! schedulers did not know of each other. Pure. Source: `pkg/kubelet/lifecycle/predicate.go`.

use k8s_openapi::api::core::v1::{Container, PodSpec, PodStatus};

use super::memory::Verdict;
use super::phase::Phase;
use super::qos::amount;
use crate::agent::machine::Capacity;

/// What a pod takes of the node. In the units of [`Capacity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Requests {
    cpu_millis: i64,
    memory_bytes: i64,
    ephemeral_bytes: i64,
}

impl Requests {
    fn of(container: &Container) -> Self {
        let list = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        Self {
            cpu_millis: amount(list, "cpu").map_or(0, |quantity| quantity.milli_value()),
            memory_bytes: amount(list, "memory").map_or(0, |quantity| quantity.value()),
            ephemeral_bytes: amount(list, "ephemeral-storage").map_or(0, |quantity| quantity.value()),
        }
    }

    fn join(self, other: Self, join: fn(i64, i64) -> i64) -> Self {
        Self {
            cpu_millis: join(self.cpu_millis, other.cpu_millis),
            memory_bytes: join(self.memory_bytes, other.memory_bytes),
            ephemeral_bytes: join(self.ephemeral_bytes, other.ephemeral_bytes),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.join(other, i64::saturating_add)
    }

    /// The most that is needed at one time: init containers run one after the other, beside the sidecars that were started
    /// before them (KEP-753). What the pod says as a whole comes first (KEP-2837), and its overhead on top (KEP-688).
    fn of_pod(spec: &PodSpec) -> Self {
        let mut running = spec.containers.iter().map(Self::of).fold(Self::default(), Self::plus);
        let (mut sidecars, mut starting) = (Self::default(), Self::default());
        for container in spec.init_containers.iter().flatten() {
            let needs = Self::of(container);
            starting = starting.join(sidecars.plus(needs), i64::max);
            if container.restart_policy.as_deref() == Some("Always") {
                running = running.plus(needs);
                sidecars = sidecars.plus(needs);
            }
        }
        running = running.join(starting, i64::max);
        let whole = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        if let Some(cpu) = amount(whole, "cpu") {
            running.cpu_millis = cpu.milli_value();
        }
        if let Some(memory) = amount(whole, "memory") {
            running.memory_bytes = memory.value();
        }
        let overhead = spec.overhead.as_ref();
        running.plus(Self {
            cpu_millis: amount(overhead, "cpu").map_or(0, |quantity| quantity.milli_value()),
            memory_bytes: amount(overhead, "memory").map_or(0, |quantity| quantity.value()),
            ephemeral_bytes: amount(overhead, "ephemeral-storage").map_or(0, |quantity| quantity.value()),
        })
    }
}

/// Why a pod cannot run beside the `others`, if so.
#[must_use]
pub fn refuse(pod: &PodSpec, others: &[&PodSpec], capacity: &Capacity) -> Option<Verdict> {
    let asked = Requests::of_pod(pod);
    let used = others.iter().map(|other| Requests::of_pod(other)).fold(Requests::default(), Requests::plus);
    let pods = i64::try_from(others.len()).unwrap_or(i64::MAX);
    let rows = [
        ("pods", 1, pods, i64::from(capacity.pods)),
        ("cpu", asked.cpu_millis, used.cpu_millis, capacity.cpu_millis),
        ("memory", asked.memory_bytes, used.memory_bytes, capacity.memory_bytes),
        ("ephemeral-storage", asked.ephemeral_bytes, used.ephemeral_bytes, capacity.ephemeral_bytes),
    ];
    for (resource, asked, used, capacity) in rows {
        if asked > 0 && asked > capacity.saturating_sub(used) {
            let message = format!(
                "Node didn't have enough resource: {resource}, requested: {asked}, used: {used}, capacity: {capacity}"
            );
            return Some(Verdict { reason: format!("OutOf{resource}"), message });
        }
    }
    let taken: Vec<HostPort<'_>> = others.iter().flat_map(|other| host_ports(other)).collect();
    host_ports(pod).any(|port| taken.iter().any(|other| port.meets(other))).then(|| Verdict {
        reason: "NodePorts".to_owned(),
        message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports".to_owned(),
    })
}

/// A port of the node that a pod has for itself.
struct HostPort<'a> {
    ip: &'a str,
    protocol: &'a str,
    port: i32,
}

impl HostPort<'_> {
    fn meets(&self, other: &Self) -> bool {
        let anywhere = |ip: &str| matches!(ip, "" | "0.0.0.0");
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || anywhere(self.ip) || anywhere(other.ip))
    }
}

fn host_ports(spec: &PodSpec) -> impl Iterator<Item = HostPort<'_>> {
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = sidecars.chain(&spec.containers).flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|port| {
        Some(HostPort {
            ip: port.host_ip.as_deref().unwrap_or_default(),
            protocol: port.protocol.as_deref().unwrap_or("TCP"),
            port: port.host_port.filter(|port| *port > 0)?,
        })
    })
}

/// What a pod is told that was refused.
#[must_use]
pub fn rejection(verdict: &Verdict) -> Verdict {
    Verdict { reason: verdict.reason.clone(), message: format!("Pod was rejected: {}", verdict.message) }
}

/// Whether a pod with this status was refused before: it has failed without having been taken up.
#[must_use]
pub fn was_refused(status: &PodStatus) -> Option<Verdict> {
    let failed = status.phase.as_deref() == Some(Phase::Failed.as_str());
    (failed && status.start_time.is_none() && status.container_statuses.is_none()).then(|| Verdict {
        reason: status.reason.clone().unwrap_or_default(),
        message: status.message.clone().unwrap_or_default(),
    })
}

/// The status of a pod that was refused: none of its containers has one.
#[must_use]
pub fn status(old: PodStatus, generation: Option<i64>, verdict: &Verdict) -> PodStatus {
    PodStatus {
        observed_generation: generation,
        phase: Some(Phase::Failed.as_str().to_owned()),
        reason: Some(verdict.reason.clone()),
        message: Some(verdict.message.clone()),
        ..old
    }
}

#[cfg(test)]
mod tests {
    //! Nodes of two cores and a GiB, and what they take.

    use super::*;
    use crate::pod::fixture::{container, container_with_resources, pod, sidecar};
    use k8s_openapi::api::core::v1::ContainerPort;

    fn spec(init: Vec<Container>, main: Vec<Container>) -> PodSpec {
        pod("Always", init, main).spec.expect("a spec")
    }

    fn asks(cpu: &str, memory: &str) -> Container {
        container_with_resources("c", &[("cpu", cpu), ("memory", memory)], &[])
    }

    #[track_caller]
    fn check(pod: &PodSpec, others: &[&PodSpec], expected: &str) {
        let capacity = Capacity { cpu_millis: 2_000, memory_bytes: 1 << 30, ephemeral_bytes: 1 << 30, pods: 3 };
        let refused = refuse(pod, others, &capacity);
        let told = refused.map_or_else(String::new, |verdict| format!("{}: {}", verdict.reason, verdict.message));
        assert_eq!(told, expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_in_the_kubelets_words() {
        let (small, large) = (spec(vec![], vec![asks("500m", "256Mi")]), spec(vec![], vec![asks("1600m", "128Mi")]));
        let empty = spec(vec![], vec![container("c")]);
        check(&small, &[&small, &small], "");
        check(
            &small,
            &[&large],
            "OutOfcpu: Node didn't have enough resource: cpu, requested: 500, used: 1600, capacity: 2000",
        );
        check(&empty, &[&large, &large], "");
        check(
            &empty,
            &[&empty, &empty, &empty],
            "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
        );
        let memory = spec(vec![], vec![asks("1m", "900Mi")]);
        check(
            &memory,
            &[&small],
            "OutOfmemory: Node didn't have enough resource: memory, requested: 943718400, used: 268435456, capacity: 1073741824",
        );
        let disk = spec(vec![], vec![container_with_resources("c", &[("ephemeral-storage", "2Gi")], &[])]);
        check(
            &disk,
            &[],
            "OutOfephemeral-storage: Node didn't have enough resource: ephemeral-storage, requested: 2147483648, used: 0, capacity: 1073741824",
        );
    }

    #[test]
    fn a_pod_takes_the_most_that_it_needs_at_one_time() {
        let of = |init, main| Requests::of_pod(&spec(init, main)).cpu_millis;
        let always = |cpu| Container { restart_policy: Some("Always".into()), ..asks(cpu, "1Mi") };
        assert_eq!(of(vec![], vec![asks("1", "1Mi"), asks("500m", "1Mi")]), 1_500);
        assert_eq!(of(vec![asks("2", "1Mi"), asks("1", "1Mi")], vec![asks("1", "1Mi")]), 2_000);
        assert_eq!(of(vec![always("1"), asks("2", "1Mi")], vec![asks("1", "1Mi")]), 3_000);
        assert_eq!(of(vec![asks("2", "1Mi"), always("1")], vec![asks("500m", "1Mi")]), 2_000);
        assert_eq!(of(vec![sidecar("s")], vec![asks("1", "1Mi")]), 1_000);
        let mut whole = spec(vec![], vec![asks("1", "1Mi")]);
        whole.resources = asks("3", "1Mi").resources;
        whole.overhead = Some([("cpu".to_owned(), serde_json::from_str("\"250m\"").expect("a quantity"))].into());
        assert_eq!(Requests::of_pod(&whole).cpu_millis, 3_250);
    }

    #[test]
    fn a_port_of_the_node_is_given_once() {
        let with = |port: i32, ip: &str, protocol: &str| {
            let port = ContainerPort {
                container_port: 80,
                host_port: Some(port),
                host_ip: Some(ip.to_owned()).filter(|ip| !ip.is_empty()),
                protocol: Some(protocol.to_owned()),
                ..ContainerPort::default()
            };
            spec(vec![], vec![Container { ports: Some(vec![port]), ..container("c") }])
        };
        let refused =
            "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
        check(&with(80, "", "TCP"), &[&with(80, "10.0.0.1", "TCP")], refused);
        check(&with(80, "10.0.0.1", "TCP"), &[&with(80, "10.0.0.1", "TCP")], refused);
        check(&with(80, "10.0.0.2", "TCP"), &[&with(80, "10.0.0.1", "TCP")], "");
        check(&with(80, "", "UDP"), &[&with(80, "", "TCP")], "");
        check(&with(0, "", "TCP"), &[&with(0, "", "TCP")], "");
    }
}
