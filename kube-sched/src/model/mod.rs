//! The compact pod and node: what scheduling can see of them, and nothing else.

mod affinity;
mod device;
mod labels;
mod node;
mod pod;
mod resources;
mod selector;
mod spread;
mod taint;

pub use affinity::{NamespaceScope, NodeSelector, NodeSelectorTerm, PodAffinityTerm, PreferredNodeTerm, Weighted};
pub use device::{DEVICE_MILLI, DEVICES_MAX, GpuRequest, Gpus};
pub use labels::Labels;
pub use node::Node;
#[cfg(feature = "k8s")]
pub(crate) use pod::{ASSUMED_CPU_MILLI, ASSUMED_MEMORY_BYTES};
pub use pod::{HostPort, Pod, PodResourceClaim, Protocol};
pub use resources::{ResourceName, Resources};
pub use selector::{Operator, Requirement, Selector};
pub use spread::{SpreadConstraint, WhenUnsatisfiable};
#[cfg(feature = "k8s")]
pub(crate) use taint::decimal;
pub use taint::{Effect, Taint, Toleration, TolerationOperator};
