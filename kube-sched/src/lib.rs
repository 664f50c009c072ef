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
