//! Which node: the scheduling framework of Kubernetes as a synchronous engine.
//!
//! The engine knows neither async nor Kubernetes' API types. Put nodes and pods into a [`Cluster`], choose a
//! [`Profile`], and ask a [`Scheduler`] where a [`Pod`] goes:
//!
//! ```
//! use kubekit_sched::{Cluster, Node, Pod, Profile, Resources, Scheduler};
//!
//! let mut cluster = Cluster::new();
//! cluster.add_node(Node::new("n1", Resources::new(4_000, 8 << 30, 110)));
//! let scheduler = Scheduler::new(Profile::default(), 42);
//! let pod = Pod::new("web").request(Resources::new(500, 1 << 30, 0));
//! let placement = scheduler.schedule(&cluster, &pod).expect("one node with room");
//! assert_eq!(&*placement.node, "n1");
//! cluster.add_pod(pod.on(placement.node)).expect("the node exists");
//! ```
//!
//! Machines of your own are nodes, and your tasks are pods; the names are all that the engine keeps of them:
//!
//! ```
//! use kubekit_sched::{Cluster, Node, Pod, Profile, Resources, Scheduler};
//!
//! struct Machine { name: &'static str, cores: i64, gib: i64 }
//! let machines = [Machine { name: "berlin-1", cores: 8, gib: 32 }, Machine { name: "berlin-2", cores: 4, gib: 64 }];
//! let mut cluster = Cluster::new();
//! for machine in &machines {
//!     cluster.add_node(Node::new(machine.name, Resources::new(machine.cores * 1000, machine.gib << 30, 50)));
//! }
//! let scheduler = Scheduler::new(Profile::default(), 0);
//! for (task, gib) in [("train", 60), ("serve", 8), ("index", 40)] {
//!     let pod = Pod::new(task).request(Resources::new(2000, gib << 30, 0));
//!     match scheduler.schedule(&cluster, &pod) {
//!         Ok(placement) => cluster.add_pod(pod.on(placement.node)).expect("the node exists"),
//!         Err(why) => assert_eq!(why.to_string().split(" preemption").next(), Some("0/2 nodes are available: 2 Insufficient memory.")),
//!     }
//! }
//! assert_eq!(cluster.node("berlin-2").map(|node| node.pods().len()), Some(1));
//! ```
//!
//! A plugin of one's own implements the traits of the points where it has a say:
//!
//! ```
//! use kubekit_sched::framework::{Profile, Score};
//! use kubekit_sched::{Cluster, Node, NodeInfo, Pod, Resources, Scheduler};
//!
//! /// Prefers the machines that cost least, by a label of theirs.
//! #[derive(Debug)]
//! struct Cheapest;
//!
//! impl Score for Cheapest {
//!     type State = ();
//!     fn name(&self) -> &'static str { "Cheapest" }
//!     fn pre_score(&self, _: &Cluster, _: &Pod, _: &[&NodeInfo]) -> Option<()> { Some(()) }
//!     fn score(&self, (): &(), _: &Pod, node: &NodeInfo) -> i64 {
//!         let cents = node.node().labels.get("cents-an-hour").and_then(|cents| cents.parse().ok()).unwrap_or(100);
//!         100 - i64::clamp(cents, 0, 100)
//!     }
//! }
//!
//! let mut cluster = Cluster::new();
//! for (name, cents) in [("old", "40"), ("new", "15"), ("borrowed", "90")] {
//!     cluster.add_node(Node::new(name, Resources::new(4_000, 8 << 30, 110)).label("cents-an-hour", cents));
//! }
//! let scheduler = Scheduler::new(Profile::default_builder().score(Cheapest, 10).build(), 0);
//! assert_eq!(&*scheduler.schedule(&cluster, &Pod::new("web"))?.node, "new");
//! # Ok::<(), Box<kubekit_sched::FitError>>(())
//! ```
//!
//! What if? A fork costs next to nothing; here it answers how many nodes of a kind a load needs:
//!
//! ```
//! use kubekit_sched::{Cluster, GpuRequest, Gpus, Node, Pod, Profile, Resources, Scheduler};
//! use kubekit_sched::plugins::gpu::{GpuDevices, GpuPacking, GpuShare, TightestFit};
//!
//! let packing = Profile::default_builder().filter(GpuShare).reserve(GpuDevices(TightestFit)).score(GpuPacking, 10);
//! let scheduler = Scheduler::new(packing.build(), 0);
//! let cluster = Cluster::new();
//! let load: Vec<Pod> = (0..20).map(|i| Pod::new(&format!("notebook-{i}")).gpu(GpuRequest::share(300))).collect();
//! let enough = |nodes: usize| {
//!     let mut fork = cluster.fork();
//!     for i in 0..nodes {
//!         fork.add_node(Node::new(&format!("gpu-{i}"), Resources::new(16_000, 64 << 30, 110)).gpus(Gpus::new(2, "T4")));
//!     }
//!     load.iter().all(|pod| match scheduler.schedule(&fork, pod) {
//!         Ok(placement) => {
//!             let pod = scheduler.assume(&fork, pod.clone(), &placement.node);
//!             fork.add_pod(pod).is_ok()
//!         }
//!         Err(_) => false,
//!     })
//! };
//! // Three notebooks share a device, so six a node.
//! assert_eq!((1..).find(|nodes| enough(*nodes)), Some(4));
//! assert!(cluster.is_empty());
//! ```
//!
//! With the feature `k8s`, [`Pod`] and [`Node`] are made from `k8s-openapi` objects; with `driver`, a driver connects
//! the engine to an API server. Start reading at [`Scheduler`]; the extension points are in [`framework`].

mod cluster;
#[cfg(feature = "config")]
pub mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod dra;
#[cfg(feature = "driver")]
pub mod driver;
mod engine;
#[cfg(any(feature = "config", feature = "driver"))]
pub mod extender;
pub mod framework;
pub mod inventory;
#[cfg(feature = "k8s")]
pub mod k8s;
#[cfg(feature = "lab")]
pub mod lab;
mod model;
mod oracle;
pub mod plugins;
pub mod queue;
mod scheduler;
pub mod storage;

pub use cluster::{Cluster, ClusterError, CommitError, NodeInfo, NodeRow};
pub use framework::{FitError, Profile, Refusal};
pub use inventory::Inventory;
pub use model::{
    DEVICE_MILLI, DEVICES_MAX, Effect, GpuRequest, Gpus, HostPort, Labels, NamespaceScope, Node, NodeSelector,
    NodeSelectorTerm, Operator, Pod, PodAffinityTerm, PodResourceClaim, PreferredNodeTerm, Protocol, Requirement,
    ResourceName, Resources, Selector, SpreadConstraint, Taint, Toleration, TolerationOperator, Weighted,
    WhenUnsatisfiable,
};
pub use oracle::{Explanation, NodeExplanation};
pub use scheduler::{Placement, Scheduler, Ties};
