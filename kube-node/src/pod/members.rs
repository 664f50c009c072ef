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

#[cfg(test)]
mod tests {
    //! Ends in, restarts out.

    use super::*;
    use crate::pod::fixture::{container, pod};

    /// Whether a container (by its own settings, as an init container or not) is started again after each of these codes.
    #[track_caller]
    fn check(own: &str, init: bool, policy: &str, expected: [(i32, bool); 3]) {
        let own: Container = serde_json::from_str(&format!(r#"{{"name":"a"{own}}}"#)).expect("a container");
        let pod = if init { pod(policy, vec![own], vec![]) } else { pod(policy, vec![], vec![own]) };
        let member = find(spec_of(&pod), "a").expect("the container");
        let seen = expected.map(|(code, _)| (code, restarts(&member, spec_of(&pod), code)));
        assert_eq!(seen, expected);
    }

    #[test]
    fn policies() {
        let all = |again: bool| [(0, again), (1, again), (42, again)];
        let failures = [(0, false), (1, true), (42, true)];
        check("", false, "Always", all(true));
        check("", false, "OnFailure", failures);
        check("", false, "Never", all(false));
        // An init container that has succeeded is done, whatever the policy.
        check("", true, "Always", failures);
        check("", true, "OnFailure", failures);
        check("", true, "Never", all(false));
        let sidecar = r#","restartPolicy":"Always""#;
        check(sidecar, true, "Never", all(true));
        check(sidecar, true, "OnFailure", all(true));
    }

    #[test]
    fn a_container_may_have_a_policy_of_its_own() {
        let all = |again: bool| [(0, again), (1, again), (42, again)];
        check(r#","restartPolicy":"Never""#, false, "Always", all(false));
        check(r#","restartPolicy":"Always""#, false, "Never", all(true));
        check(r#","restartPolicy":"OnFailure""#, true, "Never", [(0, false), (1, true), (42, true)]);
        check(r#","restartPolicy":"Never""#, true, "Always", all(false));
    }

    #[test]
    fn rules_come_before_policies() {
        let rule = |operator: &str, codes: &str| {
            format!(
                r#","restartPolicy":"Never","restartPolicyRules":[{{"action":"Restart","exitCodes":{{"operator":"{operator}","values":[{codes}]}}}}]"#
            )
        };
        check(&rule("In", "7, 42"), false, "Always", [(0, false), (1, false), (42, true)]);
        check(&rule("NotIn", "0, 42"), false, "Always", [(0, false), (1, true), (42, false)]);
        check(&rule("In", "0, 42"), true, "Always", [(0, false), (1, false), (42, true)]);
        check(&rule("Beyond", "42"), false, "Always", [(0, false), (1, false), (42, false)]);
    }

    #[test]
    fn a_digest_tells_images_and_names_apart() {
        let hash_of = |name: &str, image: &str| hash(&Container { image: Some(image.into()), ..container(name) });
        let own = hash_of("a", "busybox:1");
        assert_eq!(own, hash_of("a", "busybox:1"));
        for other in [hash_of("a", "busybox:2"), hash_of("b", "busybox:1"), hash_of("ab", "usybox:1")] {
            assert_ne!(own, other);
        }
        let changed = Container { command: Some(vec!["x".into()]), ..container("a") };
        assert_eq!(hash(&changed), hash(&container("a")), "nothing else of a running container can change");
    }

    #[test]
    fn grace_is_the_deletions_then_the_specs() {
        let mut pod = pod("Always", vec![], vec![]);
        assert_eq!(grace(&pod), Duration::from_secs(30));
        pod.metadata.deletion_grace_period_seconds = Some(5);
        assert_eq!(grace(&pod), Duration::from_secs(5));
        pod.metadata.deletion_grace_period_seconds = Some(-1);
        assert_eq!(grace(&pod), Duration::ZERO);
        assert_eq!(grace(&Pod::default()), Duration::from_secs(30));
    }
}
