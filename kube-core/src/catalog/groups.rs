//! The order of API groups and versions in discovery.

/// An API group and its versions, the preferred one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// `apps`; empty for the core group.
    pub name: &'static str,
    /// The preferred version first.
    pub versions: &'static [&'static str],
}

/// Every built-in group, the core group first, the others by the priorities of Kubernetes' API services.
pub fn groups() -> &'static [Group] {
    GROUPS
}

const V1: &[&str] = &["v1"];

static GROUPS: &[Group] = &[
    Group { name: "", versions: V1 },
    Group { name: "apiregistration.k8s.io", versions: V1 },
    Group { name: "apps", versions: V1 },
    Group { name: "events.k8s.io", versions: V1 },
    Group { name: "authentication.k8s.io", versions: V1 },
    Group { name: "authorization.k8s.io", versions: V1 },
    Group { name: "autoscaling", versions: &["v2", "v1"] },
    Group { name: "batch", versions: V1 },
    Group { name: "certificates.k8s.io", versions: V1 },
    Group { name: "networking.k8s.io", versions: V1 },
    Group { name: "policy", versions: V1 },
    Group { name: "rbac.authorization.k8s.io", versions: V1 },
    Group { name: "storage.k8s.io", versions: V1 },
    Group { name: "admissionregistration.k8s.io", versions: V1 },
    Group { name: "apiextensions.k8s.io", versions: V1 },
    Group { name: "scheduling.k8s.io", versions: &["v1", "v1alpha2"] },
    Group { name: "coordination.k8s.io", versions: V1 },
    Group { name: "node.k8s.io", versions: V1 },
    Group { name: "discovery.k8s.io", versions: V1 },
    Group { name: "resource.k8s.io", versions: V1 },
    Group { name: "flowcontrol.apiserver.k8s.io", versions: V1 },
];
