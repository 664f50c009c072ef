//! The rules of kinds without a module of their own: whether they have a status and a generation.

use super::{NameRule, Rules};

/// The rules of a kind that has none of its own, such as a custom resource: its changes are counted where it has a status.
#[derive(Clone, Copy, Debug)]
pub struct Generic {
    /// Whether the kind has a status subresource.
    pub status: bool,
}

impl Rules for Generic {
    fn has_status(&self) -> bool {
        self.status
    }
}

/// What is particular about a built-in kind without a module of its own.
#[derive(Clone, Copy, Debug)]
struct Plain {
    status: bool,
    generation: bool,
    name: NameRule,
}

impl Rules for Plain {
    fn has_status(&self) -> bool {
        self.status
    }

    fn has_generation(&self) -> bool {
        self.generation
    }

    fn name_rule(&self) -> NameRule {
        self.name
    }
}

static PLAIN: Plain = Plain { status: false, generation: false, name: NameRule::Subdomain };
static GENERATION: Plain = Plain { generation: true, ..PLAIN };
static STATUS: Plain = Plain { status: true, ..PLAIN };
/// Cluster trust bundles are named `signer:domain:name`, which is checked as a path segment.
static PATH: Plain = Plain { name: NameRule::PathSegment, ..PLAIN };

/// The generic rules that fit a built-in kind.
pub(super) fn of(group: &str, kind: &str) -> &'static dyn Rules {
    match (group, kind) {
        ("resource.k8s.io", "DeviceClass" | "ResourceSlice") => &GENERATION,
        ("apiregistration.k8s.io", "APIService")
        | ("certificates.k8s.io", "PodCertificateRequest")
        | ("resource.k8s.io", "ResourceClaim" | "DeviceTaintRule")
        | ("storage.k8s.io", "VolumeAttachment")
        | ("storagemigration.k8s.io", "StorageVersionMigration") => &STATUS,
        ("certificates.k8s.io", "ClusterTrustBundle") => &PATH,
        _ => &PLAIN,
    }
}
