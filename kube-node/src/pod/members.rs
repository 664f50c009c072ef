//! The containers of a pod's spec by the part they play, and the rules of restarting them.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// Which part a container plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that is restarted always: it starts in its turn and accompanies the pod (KEP-753).
    Sidecar,
    /// What the pod is for.
    Main,
}

/// A container of the spec.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its part.
    pub role: Role,
    /// Its spec.
    pub spec: &'a Container,
}

/// The init containers and sidecars, in order.
pub fn initial(spec: &PodSpec) -> impl DoubleEndedIterator<Item = Member<'_>> {
    spec.init_containers.iter().flatten().map(|container| {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        Member { role: if sidecar { Role::Sidecar } else { Role::Init }, spec: container }
    })
}

/// The main containers, in order.
pub fn main(spec: &PodSpec) -> impl Iterator<Item = Member<'_>> {
    spec.containers.iter().map(|container| Member { role: Role::Main, spec: container })
}

/// All containers, in the order in which they start.
pub fn all(spec: &PodSpec) -> impl Iterator<Item = Member<'_>> {
    initial(spec).chain(main(spec))
}

/// The container of a name.
#[must_use]
pub fn find<'a>(spec: &'a PodSpec, name: &str) -> Option<Member<'a>> {
    all(spec).find(|member| member.spec.name == name)
}

/// The pod's spec; an absent one is empty.
pub(crate) fn spec_of(pod: &Pod) -> &PodSpec {
    static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
    pod.spec.as_ref().unwrap_or(&EMPTY)
}

/// Whether a container that ended with `exit_code` is to be started again: its own rules and policy (KEP-5307) before
/// the pod's policy. An init container that succeeded is never started again.
#[must_use]
pub fn restarts(member: &Member<'_>, spec: &PodSpec, exit_code: i32) -> bool {
    match member.role {
        Role::Sidecar => return true,
        Role::Init if exit_code == 0 => return false,
        Role::Init | Role::Main => {}
    }
    let rules = member.spec.restart_policy_rules.iter().flatten();
    for rule in rules {
        let Some(codes) = &rule.exit_codes else { continue };
        let listed = codes.values.iter().flatten().any(|code| *code == exit_code);
        let applies = match codes.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        };
        if applies {
            return true;
        }
    }
    let policy = member.spec.restart_policy.as_deref().or(spec.restart_policy.as_deref()).unwrap_or("Always");
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    }
}

/// Whether a pod is the user's of the node's network.
#[must_use]
pub fn host_network(spec: &PodSpec) -> bool {
    spec.host_network == Some(true)
}

/// The pod as messages name it: `name_namespace(uid)`.
#[must_use]
pub fn display(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid))
}

/// How long the pod's containers have for their end.
#[must_use]
pub fn grace(pod: &Pod) -> Duration {
    let seconds = pod
        .metadata
        .deletion_grace_period_seconds
        .or_else(|| spec_of(pod).termination_grace_period_seconds)
        .unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// A digest of the part of a container's spec that cannot change while it runs: its name and image (as the kubelet's).
#[must_use]
pub fn hash(container: &Container) -> String {
    let text = format!("{}\u{0}{}", container.name, container.image.as_deref().unwrap_or_default());
    // FNV-1a: stable over versions of the compiler, because it is compared after a restart of the agent.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:x}")
}
