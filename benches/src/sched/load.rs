//! Nodes of five sizes in three zones, and pods of so many classes.

use anyhow::Result;
use kubekit_sched::{
    Cluster, NamespaceScope, Node, Pod, PodAffinityTerm, Resources, Selector, SpreadConstraint, Weighted,
    WhenUnsatisfiable,
};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

/// What pods say of other pods.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// Required affinity to pods of their class, by zone.
    Affinity,
    /// Required anti-affinity to pods of their class, by host.
    AntiAffinity,
    /// Preferred affinity to pods of their class, by host.
    PreferredAffinity,
    /// A hard constraint by zone.
    Spread,
    /// A soft constraint by zone.
    PreferredSpread,
}

pub(super) fn node_name(i: usize) -> String {
    format!("node-{i:07}")
}

pub(super) fn pod_name(i: usize) -> String {
    format!("pod-{i:07}")
}

/// So many nodes of 32 to 36 cores and 128 GiB.
pub(super) fn cluster(nodes: usize) -> Cluster {
    let mut cluster = Cluster::new();
    for i in 0..nodes {
        let cores = [32, 33, 34, 35, 36][i % 5];
        let node = Node::new(&node_name(i), Resources::new(cores * 1_000, 128 << 30, 110));
        cluster.add_node(node.label(ZONE, ["a", "b", "c"][i % 3]));
    }
    cluster
}

/// The `i`-th pod: classes differ in what they request.
pub(super) fn pod(kind: Kind, i: usize, classes: usize) -> Pod {
    let class = i % classes;
    let (cpu, memory) = (i64::try_from(class % 16).unwrap_or(0), i64::try_from(class).unwrap_or(0));
    let app = format!("app-{class}");
    let requests = Resources::new(100 + 10 * cpu, (64 + memory) << 20, 0);
    let mut pod = Pod::new(&pod_name(i)).label("app", &app).request(requests);
    let selector = Selector::labels([("app", app.as_str())]);
    let term = |key: &str| PodAffinityTerm {
        selector: selector.clone(),
        namespaces: NamespaceScope::only("default"),
        topology_key: key.to_owned(),
    };
    let spread = |when| SpreadConstraint::new(5, ZONE, when, selector.clone());
    match kind {
        Kind::Plain => {}
        Kind::Affinity => pod.affinity.push(term(ZONE)),
        Kind::AntiAffinity => pod.anti_affinity.push(term(HOST)),
        Kind::PreferredAffinity => pod.preferred_pods.push(Weighted { weight: 1, term: term(HOST) }),
        Kind::Spread => pod.spread.push(spread(WhenUnsatisfiable::DoNotSchedule)),
        Kind::PreferredSpread => pod.spread.push(spread(WhenUnsatisfiable::ScheduleAnyway)),
    }
    pod
}

/// A pod of which four fill a node.
pub(super) fn large(name: &str) -> Pod {
    Pod::new(name).request(Resources::new(8_000, 16 << 30, 0))
}

/// The name of the `n`-th pod that fills the `i`-th node.
pub(super) fn filler(i: usize, n: usize) -> String {
    format!("filler-{i:07}-{n}")
}

/// Puts so many large pods onto every node.
pub(super) fn fill(cluster: &mut Cluster, pods: usize) -> Result<()> {
    for i in 0..cluster.len() {
        for n in 0..pods {
            cluster.add_pod(large(&filler(i, n)).on(node_name(i)))?;
        }
    }
    Ok(())
}
