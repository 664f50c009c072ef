//! Random clusters and pods: few names, labels and amounts, so that things meet.

use kubekit_sched::framework::ProfileBuilder;
use kubekit_sched::inventory::{DisruptionBudget, Inventory, Service};
use kubekit_sched::storage::{
    AccessModes, Attachment, Claim, CsiNode, Disk, DiskKind, PodVolume, Source, StorageClass, Volume,
};
use kubekit_sched::{
    Effect, HostPort, Labels, NamespaceScope, Node, NodeSelector, NodeSelectorTerm, Operator, Pod, PodAffinityTerm,
    PreferredNodeTerm, Profile, Protocol, Requirement, Resources, Selector, SpreadConstraint, Taint, Toleration,
    TolerationOperator, Weighted, WhenUnsatisfiable, plugins,
};
use std::collections::BTreeSet;

/// SplitMix64.
#[derive(Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("less than n")
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// What a run is made of; each feature is in some runs and not in others.
#[derive(Debug)]
pub(super) struct World {
    pub(super) nodes_max: usize,
    pods_max: usize,
    labels: bool,
    taints: bool,
    images: bool,
    ports: bool,
    priorities: bool,
    spread: bool,
    affinity: bool,
    odd: bool,
    pub(super) nominations: bool,
    pub(super) services: bool,
    pub(super) budgets: bool,
    pub(super) volumes: bool,
    /// Whether nodes are soon full.
    tight: bool,
}

const GIB: i64 = 1 << 30;
const KEYS: [&str; 3] = ["app", "tier", "track"];
const VALUES: [&str; 3] = ["a", "b", "c"];
const TOPOLOGY: [&str; 4] = ["zone", "rack", "kubernetes.io/hostname", "missing"];

impl World {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let (nodes_max, pods_max) = rng.pick(&[(4, 12), (20, 60), (90, 200), (200, 400)]);
        let tight = rng.one_in(3);
        Self {
            nodes_max,
            pods_max,
            labels: rng.one_in(2),
            taints: rng.one_in(2),
            images: rng.one_in(4),
            ports: rng.one_in(4),
            priorities: tight || rng.one_in(2),
            spread: rng.one_in(3),
            affinity: rng.one_in(3),
            odd: rng.one_in(4),
            nominations: rng.one_in(4),
            services: rng.one_in(4),
            budgets: rng.one_in(3),
            volumes: rng.one_in(3),
            tight,
        }
    }

    pub(super) fn node_name(&self, rng: &mut Rng) -> String {
        format!("n{}", rng.below(self.nodes_max))
    }

    pub(super) fn uid(&self, rng: &mut Rng) -> String {
        let name = format!("p{}", rng.below(self.pods_max));
        if rng.one_in(3) { format!("other/{name}") } else { name }
    }

    pub(super) fn namespace(&self, rng: &mut Rng) -> (String, Labels) {
        let name = rng.pick(&["default", "other"]);
        (name.to_owned(), Labels::new([("team", rng.pick(&VALUES))]))
    }

    pub(super) fn service(&self, rng: &mut Rng) -> Service {
        let labels = [(rng.pick(&KEYS), rng.pick(&VALUES))];
        let namespace = rng.pick(&["default", "other"]).into();
        Service { namespace, name: rng.pick(&["s", "t"]).into(), selector: Selector::labels(labels) }
    }

    pub(super) fn budget(&self, rng: &mut Rng) -> DisruptionBudget {
        DisruptionBudget {
            namespace: rng.pick(&["default", "other"]).into(),
            name: rng.pick(&["a", "b"]).into(),
            selector: Selector::labels([(rng.pick(&KEYS), rng.pick(&VALUES))]),
            disruptions_allowed: rng.pick(&[0, 0, 1]),
            disrupted_pods: BTreeSet::new(),
        }
    }

    pub(super) fn node(&self, rng: &mut Rng) -> Node {
        let mut amounts = Resources::new(rng.pick(&[2000, 4000, 4000, 8000]), rng.pick(&[8, 16]) * GIB, 8);
        if self.tight {
            amounts = Resources::new(rng.pick(&[500, 1500]), rng.pick(&[1, 2]) * GIB, 3);
        }
        if rng.one_in(4) {
            amounts = amounts.with_scalar("example.com/gpu", 2).with_ephemeral_storage(GIB);
        }
        if self.odd && rng.one_in(4) {
            amounts = rng
                .pick(&[
                    Resources::default(),
                    Resources::new(-1, -5, -1),
                    Resources::new(i64::MAX, i64::MAX, i64::MAX),
                    Resources::new(0, GIB, 3),
                ])
                .clone();
        }
        let mut node = Node::new(&self.node_name(rng), amounts);
        if self.labels || self.spread || self.affinity || self.services {
            if !rng.one_in(8) {
                node = node.label(rng.pick(&["zone", "topology.kubernetes.io/zone"]), rng.pick(&VALUES));
            }
            if rng.one_in(2) {
                node = node.label("rack", rng.pick(&["1", "2", "3", "4", "5"]));
            }
            if rng.one_in(3) {
                node = node.label("disk", rng.pick(&["ssd", "hdd"]));
            }
        }
        if self.taints && rng.one_in(3) {
            let effect = rng.pick(&[Effect::NoSchedule, Effect::PreferNoSchedule, Effect::NoExecute]);
            node = node.taint(Taint::new(rng.pick(&KEYS), rng.pick(&VALUES), effect));
        }
        if self.taints && rng.one_in(10) {
            node = node.cordoned();
        }
        if self.images && rng.one_in(2) {
            node = node.image(rng.pick(&["x", "y"]), rng.pick(&[50, 300, 900]) << 20);
        }
        node
    }

    pub(super) fn pod(&self, rng: &mut Rng) -> Pod {
        let mut pod = Pod::new(&format!("p{}", rng.below(self.pods_max)));
        if rng.one_in(3) {
            pod = pod.in_namespace("other");
        }
        if !rng.one_in(8) {
            pod = pod.request(Resources::new(rng.pick(&[0, 100, 500, 1500]), rng.pick(&[0, 1, 2]) * GIB, 0));
        }
        if rng.one_in(10) {
            let amounts = pod.requests.clone().with_scalar("example.com/gpu", 1).with_ephemeral_storage(1 << 20);
            pod = pod.request(amounts);
        }
        if self.odd && rng.one_in(6) {
            pod = pod.request(rng.pick(&[Resources::new(-100, 0, 0), Resources::new(i64::MAX, i64::MAX, 0)]).clone());
        }
        if self.priorities {
            pod = pod.priority(rng.pick(&[0, 0, 5, i32::MAX, i32::MIN]));
        }
        if rng.one_in(2) {
            pod = pod.label(rng.pick(&KEYS), rng.pick(&VALUES));
        }
        if rng.one_in(30) {
            pod = pod.on(self.node_name(rng));
        }
        self.node_terms(rng, &mut pod);
        if self.ports && rng.one_in(3) {
            let ip = rng.pick(&["0.0.0.0", "10.0.0.1", "10.0.0.2"]).to_owned();
            pod.host_ports.push(HostPort { protocol: Protocol::Tcp, ip, port: rng.pick(&[80, 443]) });
        }
        if self.images && rng.one_in(2) {
            pod.images.push(rng.pick(&["x", "y", "z"]).to_owned());
        }
        if self.spread && rng.one_in(2) {
            pod.spread = (0..1 + rng.below(2)).map(|_| constraint(rng)).collect();
        }
        if self.affinity {
            pod_terms(rng, &mut pod);
        }
        if self.volumes && rng.one_in(2) {
            pod.volumes = (0..1 + rng.below(2)).map(|_| pod_volume(rng)).collect();
        }
        pod
    }

    /// A claim with its volume, or what a driver says of a node, or a volume that is attached to one; or one of them goes.
    pub(super) fn change_storage(&self, rng: &mut Rng, inventory: &mut Inventory) {
        inventory.storage_classes.set(StorageClass::waiting("fast", "csi"));
        let node = self.node_name(rng);
        match rng.below(8) {
            0 => inventory.csi_nodes.set(CsiNode {
                name: node.as_str().into(),
                drivers: vec![("csi".into(), rng.pick(&[None, Some(1), Some(2), Some(4), Some(4)]))],
            }),
            1 => {
                let volume = format!("pv-{}", rng.below(CLAIMS)).into();
                let name = format!("va-{}", rng.below(CLAIMS)).into();
                inventory.attachments.set(Attachment { name, attacher: "csi".into(), node: node.into(), volume });
            }
            2 => {
                let gone = inventory.attachments.iter().next().cloned();
                gone.map(|gone| inventory.attachments.remove(&gone.node, &gone.name));
            }
            3 => drop(inventory.csi_nodes.remove("", &node)),
            4 => drop(inventory.claims.remove("default", &format!("c{}", rng.below(CLAIMS)))),
            _ => claim(rng, inventory),
        }
    }

    fn node_terms(&self, rng: &mut Rng, pod: &mut Pod) {
        if self.taints && rng.one_in(2) {
            let key = (!rng.one_in(4)).then(|| rng.pick(&KEYS).to_owned());
            let value = rng.one_in(2).then(|| rng.pick(&VALUES).to_owned());
            let effect = rng.one_in(2).then(|| rng.pick(&[Effect::NoSchedule, Effect::PreferNoSchedule]));
            pod.tolerations.push(Toleration {
                key,
                operator: value.map_or(TolerationOperator::Exists, TolerationOperator::Equal),
                effect,
            });
        }
        if !self.labels {
            return;
        }
        if rng.one_in(4) {
            pod.node_selector = Labels::new([("disk", rng.pick(&["ssd", "hdd"]))]);
        }
        if rng.one_in(6) {
            pod.node_affinity = Some(NodeSelector((0..1 + rng.below(2)).map(|_| self.node_term(rng)).collect()));
        }
        for _ in 0..rng.below(3) {
            pod.preferred_nodes.push(PreferredNodeTerm { weight: rng.pick(&[1, 10, 100]), term: self.node_term(rng) });
        }
    }

    fn node_term(&self, rng: &mut Rng) -> NodeSelectorTerm {
        let operator = rng.pick(&[Operator::In, Operator::NotIn, Operator::Exists, Operator::DoesNotExist]);
        let values: Vec<&str> =
            if matches!(operator, Operator::In | Operator::NotIn) { vec!["a", "b"] } else { vec![] };
        let mut term = NodeSelectorTerm { labels: vec![Requirement::new("zone", operator, values)], names: Vec::new() };
        match rng.below(12) {
            0 => term.names.push(Requirement::new("metadata.name", Operator::In, [self.node_name(rng)])),
            1 => term.labels.push(Requirement::new("kubernetes.io/hostname", Operator::NotIn, [self.node_name(rng)])),
            2 => term.labels.push(Requirement::new("rack", Operator::Gt, ["2"])),
            _ => {}
        }
        term
    }
}

/// So many claims have names of their own in a namespace.
const CLAIMS: usize = 24;

fn pod_volume(rng: &mut Rng) -> PodVolume {
    if rng.one_in(12) {
        return PodVolume::Disk(Disk { kind: DiskKind::Gce, id: "d".into(), monitors: Vec::new(), read_only: false });
    }
    PodVolume::Claim { name: format!("c{}", rng.below(CLAIMS)).into(), ephemeral: false }
}

/// A claim; most are bound, to a volume that most nodes reach.
fn claim(rng: &mut Rng, inventory: &mut Inventory) {
    let number = rng.below(CLAIMS);
    let (name, volume) = (format!("c{number}"), format!("pv-{number}"));
    let mut made = Claim::new(rng.pick(&["default", "other"]), &name, "fast", 1);
    if rng.one_in(10) {
        made.access_modes = AccessModes::ONCE_POD;
    }
    if !rng.one_in(8) {
        made = made.bound_to(&volume);
        let csi = Source::Csi { driver: "csi".into(), handle: volume.as_str().into() };
        let zone = || NodeSelectorTerm { labels: vec![Requirement::new("zone", Operator::In, ["a"])], names: vec![] };
        inventory.volumes.set(Volume {
            source: if rng.one_in(4) { Source::Other } else { csi },
            node_affinity: rng.one_in(10).then(|| NodeSelector(vec![zone()])),
            ..Volume::new(&volume, "fast", 1)
        });
    }
    inventory.claims.set(made);
}

fn selector(rng: &mut Rng) -> Selector {
    match rng.below(8) {
        0 => Selector::Nothing,
        1 => Selector::All(Vec::new()),
        2 => Selector::All(vec![Requirement::new::<&str>(rng.pick(&KEYS), Operator::DoesNotExist, [])]),
        _ => Selector::labels([(rng.pick(&KEYS), rng.pick(&VALUES))]),
    }
}

fn constraint(rng: &mut Rng) -> SpreadConstraint {
    let when = rng.pick(&[WhenUnsatisfiable::DoNotSchedule, WhenUnsatisfiable::ScheduleAnyway]);
    let key = if rng.one_in(12) { "missing" } else { rng.pick(&TOPOLOGY[..3]) };
    let mut constraint = SpreadConstraint::new(1 + i64::from(rng.one_in(3)), key, when, selector(rng));
    constraint.min_domains = rng.pick(&[1, 1, 1, 3, 9]);
    constraint.honor_affinity = !rng.one_in(3);
    constraint.honor_taints = rng.one_in(3);
    constraint
}

fn pod_terms(rng: &mut Rng, pod: &mut Pod) {
    let term = |rng: &mut Rng, pod: &Pod| PodAffinityTerm {
        selector: selector(rng),
        namespaces: match rng.below(6) {
            0 => NamespaceScope { names: vec!["other".to_owned(), "default".to_owned()], selector: Selector::Nothing },
            1 => NamespaceScope { names: Vec::new(), selector: Selector::labels([("team", rng.pick(&VALUES))]) },
            _ => NamespaceScope::only(&pod.namespace),
        },
        topology_key: rng.pick(&TOPOLOGY).to_owned(),
    };
    if rng.one_in(6) {
        let term = term(rng, pod);
        pod.affinity.push(term);
    }
    if rng.one_in(6) {
        let term = term(rng, pod);
        pod.anti_affinity.push(term);
    }
    if rng.one_in(4) {
        let weight = rng.pick(&[1, 50, 100, -1, -100]);
        pod.preferred_pods.push(Weighted { weight, term: term(rng, pod) });
    }
}

/// The default plugins, or some of them with some weights.
pub(super) fn profile(rng: &mut Rng) -> Profile {
    if rng.one_in(2) {
        return Profile::default();
    }
    let mut profile: ProfileBuilder = Profile::default_builder();
    for name in [
        "NodeUnschedulable",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "PodTopologySpread",
        "InterPodAffinity",
        "NodeResourcesBalancedAllocation",
        "ImageLocality",
        "DefaultPreemption",
    ] {
        if rng.one_in(4) {
            profile = profile.disable(name);
        }
    }
    if rng.one_in(3) {
        let fit = plugins::NodeResourcesFit::with_strategy(plugins::ScoringStrategy::MostAllocated);
        profile = profile.score(fit, rng.pick(&[1, 7, 100, 1000]));
    }
    profile.build()
}
