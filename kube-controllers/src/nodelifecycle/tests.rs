//! Rows for taints and evictions, and nodes that are watched over on a clock of our own.

mod disruption;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kubekit_runtime::Object as _;

use super::decide::{Config, Effect, Monitor};
use super::eviction::{Fate, Seen, fate};
use super::health::{Readiness, readiness};
use super::taints::{self, NOT_READY, UNREACHABLE};
use super::zones::{self, ZoneState};
use crate::objects::{at, labels, node, pod};

fn with_condition(mut node: Node, kind: &str, status: &str) -> Node {
    let condition = NodeCondition { type_: kind.into(), status: status.into(), ..NodeCondition::default() };
    node.status.get_or_insert_default().conditions.get_or_insert_default().push(condition);
    node
}

fn tainted(mut node: Node, taints: &[(&str, &str)]) -> Node {
    let taint = |(key, effect): &(&str, &str)| Taint {
        key: (*key).into(),
        effect: (*effect).into(),
        time_added: Some(Time(at(50))),
        ..Taint::default()
    };
    node.spec.get_or_insert_default().taints = Some(taints.iter().map(taint).collect());
    node
}

fn keys(taints: &[Taint]) -> Vec<String> {
    taints.iter().map(|t| format!("{}:{}", t.key.trim_start_matches("node.kubernetes.io/"), t.effect)).collect()
}

/// The taints after the `NoSchedule` ones were brought in line.
#[track_caller]
fn check_no_schedule(node: Node, expected: &[&str]) {
    let after = taints::no_schedule(&node, at(100)).unwrap_or_else(|| taints::of(&node).to_vec());
    assert_eq!(keys(&after), expected);
    let settled = tainted(node, &[]);
    let settled = Node {
        spec: settled.spec.map(|s| k8s_openapi::api::core::v1::NodeSpec { taints: Some(after), ..s }),
        ..settled
    };
    assert_eq!(taints::no_schedule(&settled, at(200)), None, "what is right is left alone");
}

#[test]
fn conditions_call_for_taints() {
    check_no_schedule(node("a", "True", 1), &[]);
    check_no_schedule(node("a", "False", 1), &["not-ready:NoSchedule"]);
    check_no_schedule(node("a", "Unknown", 1), &["unreachable:NoSchedule"]);
    check_no_schedule(Node::default(), &[]);
    check_no_schedule(with_condition(node("a", "True", 1), "MemoryPressure", "True"), &["memory-pressure:NoSchedule"]);
    check_no_schedule(with_condition(node("a", "True", 1), "DiskPressure", "True"), &["disk-pressure:NoSchedule"]);
    check_no_schedule(with_condition(node("a", "True", 1), "PIDPressure", "True"), &["pid-pressure:NoSchedule"]);
    check_no_schedule(with_condition(node("a", "True", 1), "PIDPressure", "Unknown"), &[]);
    let unavailable = with_condition(node("a", "True", 1), "NetworkUnavailable", "True");
    check_no_schedule(unavailable, &["network-unavailable:NoSchedule"]);
    let mut cordoned = node("a", "True", 1);
    cordoned.spec.get_or_insert_default().unschedulable = Some(true);
    check_no_schedule(cordoned, &["unschedulable:NoSchedule"]);
    let recovered = tainted(
        node("a", "True", 1),
        &[(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute"), ("example.com/gpu", "NoSchedule")],
    );
    check_no_schedule(recovered, &["not-ready:NoExecute", "example.com/gpu:NoSchedule"]);
}

fn toleration(key: &str, operator: &str, effect: &str, seconds: Option<i64>) -> Toleration {
    Toleration {
        key: Some(key.into()),
        operator: Some(operator.into()),
        effect: Some(effect.into()),
        toleration_seconds: seconds,
        value: None,
    }
}

/// What becomes at second 100 of a pod bound at second 20, on a node tainted as unreachable at second 50.
#[track_caller]
fn check_fate(tolerations: &[Toleration], expected: Fate) {
    let mut pod = pod("a");
    pod.metadata.creation_timestamp = Some(Time(at(20)));
    pod.spec.get_or_insert_default().tolerations = Some(tolerations.to_vec());
    let node = tainted(node("n1", "Unknown", 1), &[(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]);
    assert_eq!(fate(&pod, taints::of(&node), &Seen::default(), at(100)), expected);
}

#[test]
fn pods_stay_as_long_as_they_tolerate() {
    let left = |seconds| Fate::GoesAfter(Duration::from_secs(seconds));
    check_fate(&[], Fate::Goes);
    check_fate(&[toleration(UNREACHABLE, "Exists", "NoExecute", None)], Fate::Stays);
    check_fate(&[toleration("", "Exists", "", None)], Fate::Stays);
    check_fate(&[toleration(UNREACHABLE, "Exists", "NoExecute", Some(300))], left(250));
    check_fate(&[toleration(UNREACHABLE, "Exists", "NoExecute", Some(50))], Fate::Goes);
    check_fate(&[toleration(UNREACHABLE, "Exists", "NoExecute", Some(0))], Fate::Goes);
    check_fate(&[toleration(NOT_READY, "Exists", "NoExecute", None)], Fate::Goes);
    check_fate(&[toleration(UNREACHABLE, "Exists", "NoSchedule", None)], Fate::Goes);
    check_fate(&[toleration(UNREACHABLE, "Equal", "NoExecute", None)], Fate::Stays);
    let other = Toleration { value: Some("x".into()), ..toleration(UNREACHABLE, "Equal", "NoExecute", None) };
    check_fate(&[other], Fate::Goes);
}

#[test]
fn the_shortest_toleration_counts_and_a_late_pod_gets_its_full_time() {
    let node = tainted(node("n1", "Unknown", 1), &[(UNREACHABLE, "NoExecute"), ("example.com/x", "NoExecute")]);
    let mut late: Pod = pod("a");
    late.metadata.creation_timestamp = Some(Time(at(90)));
    let tolerations =
        vec![toleration(UNREACHABLE, "Exists", "", Some(300)), toleration("example.com/x", "Exists", "", Some(60))];
    late.spec.get_or_insert_default().tolerations = Some(tolerations);
    assert_eq!(fate(&late, taints::of(&node), &Seen::default(), at(100)), Fate::GoesAfter(Duration::from_secs(50)));
}

/// `kubectl taint` writes no time.
#[test]
fn a_taint_without_a_time_does_not_begin_anew_at_every_look() {
    let mut node = tainted(node("n1", "True", 1), &[("example.com/x", "NoExecute")]);
    node.spec.get_or_insert_default().taints.as_mut().unwrap()[0].time_added = None;
    let mut pod: Pod = pod("a");
    pod.metadata.creation_timestamp = Some(Time(at(90)));
    pod.spec.get_or_insert_default().tolerations = Some(vec![toleration("example.com/x", "Exists", "", Some(60))]);
    let mut seen = Seen::default();
    let mut at_look = |node: &Node, second| {
        seen = seen.under(taints::of(node), at(second));
        fate(&pod, taints::of(node), &seen, at(second))
    };
    assert_eq!(at_look(&node, 100), Fate::GoesAfter(Duration::from_secs(60)));
    assert_eq!(at_look(&node, 130), Fate::GoesAfter(Duration::from_secs(30)));
    // A second one begins when it comes, and the first goes on.
    let mut another = node.clone();
    let mut second = taints::of(&node)[0].clone();
    second.value = Some("later".into());
    another.spec.get_or_insert_default().taints.as_mut().unwrap().insert(0, second);
    assert_eq!(at_look(&another, 140), Fate::GoesAfter(Duration::from_secs(20)));
    another.spec.get_or_insert_default().taints.as_mut().unwrap().pop();
    assert_eq!(at_look(&another, 150), Fate::GoesAfter(Duration::from_secs(50)));
    assert_eq!(at_look(&another, 200), Fate::Goes);
}

#[track_caller]
fn check_state(ready: usize, not_ready: usize, expected: ZoneState) {
    assert_eq!(zones::state(ready, not_ready, 0.55), expected);
}

#[test]
fn zones_are_disrupted_when_much_of_them_fails() {
    check_state(0, 0, ZoneState::Normal);
    check_state(3, 0, ZoneState::Normal);
    check_state(1, 2, ZoneState::Normal);
    check_state(0, 1, ZoneState::FullDisruption);
    check_state(1, 3, ZoneState::PartialDisruption);
    check_state(50, 50, ZoneState::Normal);
    check_state(44, 56, ZoneState::PartialDisruption);
    let config = Config::default();
    let rates = [(ZoneState::Normal, 5), (ZoneState::PartialDisruption, 5), (ZoneState::PartialDisruption, 51)];
    let rates: Vec<f64> = rates.iter().map(|(state, nodes)| zones::rate(*state, *nodes, &config)).collect();
    assert_eq!(format!("{rates:?}"), "[0.1, 0.0, 0.01]");
}

/// Nodes that agents keep alive or do not, and a monitor that looks at them every five seconds.
struct World {
    monitor: Monitor,
    nodes: BTreeMap<String, Node>,
    leases: BTreeMap<String, i64>,
    seconds: u64,
    events: Vec<String>,
}

impl World {
    fn new(names: &[&str]) -> Self {
        let nodes = names.iter().map(|name| ((*name).to_owned(), node(name, "True", 0))).collect();
        let leases = names.iter().map(|name| ((*name).to_owned(), 0)).collect();
        let (monitor, events) = (Monitor::new(Config::default()), Vec::new());
        Self { monitor, nodes, leases, seconds: 0, events }
    }

    /// So many seconds pass; the agents of these nodes renew their leases.
    fn run(&mut self, seconds: u64, alive: &[&str]) {
        for _ in 0..seconds / 5 {
            self.seconds += 5;
            let now = at(i64::try_from(self.seconds).unwrap());
            for name in alive {
                self.leases.insert((*name).to_owned(), i64::try_from(self.seconds).unwrap());
            }
            let nodes: Vec<Arc<Node>> = self.nodes.values().cloned().map(Arc::new).collect();
            let leases = self.leases.clone();
            let lease = |name: &str| {
                let renewed = *leases.get(name)?;
                let spec = LeaseSpec { renew_time: Some(MicroTime(at(renewed))), ..LeaseSpec::default() };
                Some(Arc::new(Lease { spec: Some(spec), ..Lease::default() }))
            };
            let effects = self.monitor.look(&nodes, lease, Duration::from_secs(self.seconds), now);
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let mut event = |what: &str, node: &Node| self.events.push(format!("{what} {}", node.name()));
        match effect {
            Effect::Registered(node) => event("registered", &node),
            Effect::Removed(node) => event("removed", &node),
            Effect::NotReady(node) => event("not ready", &node),
            Effect::MarkPodsNotReady(node) => event("pods not ready", &node),
            Effect::Silence(node, conditions) => {
                let node = self.nodes.get_mut(node.name()).unwrap();
                node.status.get_or_insert_default().conditions = Some(conditions);
            }
            Effect::Taint(node, taints) => {
                self.nodes.get_mut(node.name()).unwrap().spec.get_or_insert_default().taints = Some(taints);
            }
        }
    }

    fn tainted(&self) -> Vec<&str> {
        let tainted = self.nodes.values().filter(|node| taints::has(node, UNREACHABLE, "NoExecute"));
        tainted.map(|node| node.name()).collect()
    }

    /// The agent of a node posts that it is ready.
    fn post(&mut self, name: &str) {
        let seconds = i64::try_from(self.seconds).unwrap();
        let taints = self.nodes[name].spec.clone();
        self.nodes.insert(name.into(), Node { spec: taints, ..node(name, "True", seconds) });
    }
}

#[test]
fn a_silent_node_is_marked_tainted_and_freed_when_it_comes_back() {
    let mut world = World::new(&["a", "b", "c"]);
    world.run(30, &["a", "b", "c"]);
    assert_eq!(world.events, ["registered a", "registered b", "registered c"]);
    world.events.clear();
    world.run(50, &["a", "b"]);
    assert_eq!(readiness(&world.nodes["c"]), Readiness::Ready, "within its grace period");
    world.run(5, &["a", "b"]);
    assert_eq!(world.events, ["not ready c", "pods not ready c"]);
    let node = &world.nodes["c"];
    let conditions = node.status.as_ref().unwrap().conditions.as_ref().unwrap();
    let ready = &conditions[0];
    assert_eq!((ready.status.as_str(), ready.reason.as_deref()), ("Unknown", Some("NodeStatusUnknown")));
    assert_eq!(ready.message.as_deref(), Some("Kubelet stopped posting node status."));
    let memory = conditions.iter().find(|c| c.type_ == "MemoryPressure").unwrap();
    assert_eq!(memory.reason.as_deref(), Some("NodeStatusNeverUpdated"));
    world.run(5, &["a", "b"]);
    assert_eq!(world.tainted(), ["c"]);
    world.post("c");
    world.run(5, &["a", "b", "c"]);
    assert!(world.tainted().is_empty());
    world.run(60, &["a", "b", "c"]);
    assert_eq!(readiness(&world.nodes["c"]), Readiness::Ready);
}

#[test]
fn a_status_is_a_sign_of_life_as_good_as_a_lease() {
    let mut world = World::new(&["a", "b"]);
    for _ in 0..10 {
        world.run(40, &["a"]);
        world.post("b");
    }
    assert_eq!(readiness(&world.nodes["b"]), Readiness::Ready);
}

#[test]
fn a_node_that_never_said_anything_gets_the_longer_grace() {
    let mut world = World::new(&["a", "new"]);
    world.nodes.get_mut("new").unwrap().status = None;
    world.leases.remove("new");
    world.run(60, &["a"]);
    assert!(world.nodes["new"].status.is_none());
    world.run(10, &["a"]);
    let conditions = world.nodes["new"].status.as_ref().unwrap().conditions.as_ref().unwrap();
    assert!(conditions.iter().all(|c| c.reason.as_deref() == Some("NodeStatusNeverUpdated")));
}

#[test]
fn nodes_are_given_up_one_after_the_other() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut world = World::new(&names);
    world.run(30, &names);
    let alive = ["a", "b", "c", "d"];
    world.run(60, &alive);
    assert_eq!(world.tainted().len(), 1, "one in ten seconds");
    world.run(10, &alive);
    assert_eq!(world.tainted().len(), 2);
}

#[test]
fn when_all_nodes_fall_silent_none_is_given_up() {
    let names = ["a", "b", "c"];
    let mut world = World::new(&names);
    world.run(30, &names);
    world.run(300, &[]);
    assert!(world.nodes.values().all(|node| readiness(node) == Readiness::Unknown));
    assert!(world.tainted().is_empty());
    // The first that comes back shows that the fault was ours: the others get their time again.
    world.post("a");
    world.run(40, &["a"]);
    world.post("b");
    world.post("c");
    world.run(10, &names);
    assert!(world.tainted().is_empty());
}

#[test]
fn a_node_that_is_removed_is_forgotten() {
    let mut world = World::new(&["a", "b"]);
    world.run(5, &["a", "b"]);
    world.nodes.remove("b");
    world.run(5, &["a"]);
    assert_eq!(world.events.last().map(String::as_str), Some("removed b"));
}

#[test]
fn zones_are_named_by_region_and_zone() {
    let mut node = node("a", "True", 1);
    assert_eq!(zones::key(&node), "");
    node.metadata.labels =
        Some(labels(&[("topology.kubernetes.io/zone", "z"), ("topology.kubernetes.io/region", "r")]));
    assert_eq!(zones::key(&node), "r:\0:z");
}
