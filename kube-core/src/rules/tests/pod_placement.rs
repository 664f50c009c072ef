//! What is wrong with how a pod is secured and scheduled; its deletion.

use super::pod::{QUALIFIED, check_container, check_spec};
use super::*;

#[test]
fn security() {
    check_spec(
        json!({"securityContext": {"runAsUser": -1, "supplementalGroups": [-2]}}),
        &[
            "securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            "securityContext.supplementalGroups[0]: Invalid value: -2: must be between 0 and 2147483647, inclusive",
        ],
    );
    check_spec(
        json!({"securityContext": {"sysctls": [{"name": "A"}, {"name": "net.x", "value": "1"}]}, "hostNetwork": true}),
        &[
            "securityContext.sysctls[0].name: Invalid value: \"A\": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            "securityContext.sysctls[1].name: Invalid value: \"net.x\": may not be specified when 'hostNetwork' is true",
        ],
    );
    check_spec(
        json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}),
        &[
            "securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
        ],
    );
    check_spec(
        json!({"securityContext": {"appArmorProfile": {"type": "x"}}}),
        &[
            "securityContext.appArmorProfile.type: Unsupported value: \"x\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
        ],
    );
    check_spec(
        json!({"shareProcessNamespace": true, "hostPID": true, "securityContext": {"fsGroup": 1}}),
        &[
            "securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
        ],
    );
    check_spec(
        json!({"hostUsers": false, "hostNetwork": true}),
        &["hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false"],
    );
    check_container(
        json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}}),
        &[
            "securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        ],
    );
    check_container(
        json!({"securityContext": {"procMount": "Unmasked"}}),
        &["securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`"],
    );
    check_container(
        json!({"securityContext": {"windowsOptions": {"runAsUserName": "a\\b\\c"}}}),
        &[
            "securityContext.windowsOptions.runAsUserName: Invalid value: \"a\\\\b\\\\c\": runAsUserName cannot contain more than one backslash",
        ],
    );
}

#[test]
fn affinity() {
    let node = |term: Value| {
        json!({"affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}}})
    };
    let path = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    check_spec(node(json!({"key": "a", "operator": "In", "values": ["b"]})), &[]);
    check_spec(
        node(json!({"key": "a", "operator": "In"})),
        &[&format!(
            "{path}[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        )],
    );
    check_spec(
        node(json!({"key": "a", "operator": "Is"})),
        &[&format!("{path}[0].matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator")],
    );
    check_spec(
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}}),
        &[&format!("{path}: Required value: must have at least one node selector term")],
    );
    check_spec(
        json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 101, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}]}}}),
        &[
            "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
        ],
    );
    let pods = |term: Value| {
        json!({"affinity": {"podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    let path = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    check_spec(
        pods(json!({"topologyKey": "k", "matchLabelKeys": ["a"]})),
        &[&format!("{path}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set")],
    );
    check_spec(
        pods(json!({"topologyKey": ""})),
        &[
            &format!("{path}.topologyKey: Required value: can not be empty"),
            &format!("{path}.topologyKey: Invalid value: \"\": name part must be non-empty"),
            &format!("{path}.topologyKey: Invalid value: \"\": {QUALIFIED}"),
        ],
    );
}

#[test]
fn tolerations_and_spread() {
    let toleration = |toleration: Value| json!({"tolerations": [toleration]});
    check_spec(toleration(json!({"operator": "Exists"})), &[]);
    check_spec(
        toleration(json!({"operator": "Equal"})),
        &[
            "tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        ],
    );
    check_spec(
        toleration(json!({"key": "a", "operator": "Exists", "value": "x", "tolerationSeconds": 1})),
        &[
            "tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            "tolerations[0].operator: Invalid value: \"x\": value must be empty when `operator` is 'Exists'",
        ],
    );
    check_spec(
        toleration(json!({"key": "a", "operator": "In", "effect": "x"})),
        &[
            "tolerations[0].operator: Unsupported value: \"In\": supported values: \"Equal\", \"Exists\"",
            "tolerations[0].effect: Unsupported value: \"x\": supported values: \"NoExecute\", \"NoSchedule\", \"PreferNoSchedule\"",
        ],
    );
    let spread = |fields: Value| {
        let mut constraint = json!({"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"});
        merge(&mut constraint, fields);
        json!({"topologySpreadConstraints": [constraint]})
    };
    check_spec(spread(json!({"labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["c"]})), &[]);
    check_spec(
        spread(json!({"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "x"})),
        &[
            "topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            "topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"x\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
        ],
    );
    check_spec(
        spread(json!({"whenUnsatisfiable": "ScheduleAnyway", "minDomains": 1})),
        &[
            "topologySpreadConstraints[0].minDomains: Invalid value: 1: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
        ],
    );
    check_spec(
        spread(json!({"labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["a"]})),
        &[
            "topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and labelSelector",
        ],
    );
}

#[test]
fn annotations() {
    let annotated = |annotations: Value| {
        let mut pod = pod(json!({}));
        pod["metadata"]["annotations"] = annotations;
        pod
    };
    check(
        annotated(json!({"kubernetes.io/config.mirror": "x"})),
        &[
            "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set",
        ],
    );
    check(
        annotated(json!({"controller.kubernetes.io/pod-deletion-cost": "+1"})),
        &[
            "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"+1\": must be a 32bit integer",
        ],
    );
    check(annotated(json!({"controller.kubernetes.io/pod-deletion-cost": "-1"})), &[]);
    check(
        annotated(json!({"container.apparmor.security.beta.kubernetes.io/x": "runtime/default"})),
        &[
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: \"x\": container not found",
        ],
    );
}

#[test]
fn a_deletion_waits_for_pods_that_a_node_has() {
    let rules = of("", "Pod");
    let mut pod = created(pod(json!({"nodeName": "n"})));
    assert_eq!(rules.deletion_grace_seconds(&pod, None), Some(30));
    assert_eq!(rules.deletion_grace_seconds(&pod, Some(0)), Some(0));
    assert_eq!(rules.deletion_grace_seconds(&pod, Some(-5)), Some(1));
    pod["status"]["phase"] = json!("Succeeded");
    assert_eq!(rules.deletion_grace_seconds(&pod, Some(60)), Some(0));
    pod["status"]["phase"] = json!("Running");
    pod["spec"]["nodeName"] = json!("");
    assert_eq!(rules.deletion_grace_seconds(&pod, None), Some(0));
}

#[test]
fn match_label_keys_become_part_of_the_selector() {
    let mut input = pod(json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "z", "labelSelector": {"matchLabels": {"app": "a"}}, "matchLabelKeys": ["hash"]}]}}}));
    input["metadata"]["labels"] = json!({"app": "a", "hash": "x"});
    check_created(
        input.clone(),
        "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchExpressions",
        json!([{"key": "hash", "operator": "In", "values": ["x"]}]),
    );
    check(input, &[]);
}
