//! What is wrong with a pod's security contexts, its operating system, and the annotations that fields have replaced.

use super::pod::{check_container, check_spec};
use super::*;

#[test]
fn seccomp_profiles() {
    let profile = |profile: Value| json!({"securityContext": {"seccompProfile": profile}});
    let at = "securityContext.seccompProfile";
    check_spec(profile(json!({"type": "RuntimeDefault"})), &[]);
    check_spec(profile(json!({"type": "Localhost", "localhostProfile": "a/b.json"})), &[]);
    check_spec(
        profile(json!({"localhostProfile": null})),
        &[&format!("{at}.type: Required value: type is required when seccompProfile is set")],
    );
    check_spec(
        profile(json!({"type": "Local"})),
        &[&format!(
            "{at}.type: Unsupported value: \"Local\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\""
        )],
    );
    check_spec(
        profile(json!({"type": "Localhost"})),
        &[&format!("{at}.localhostProfile: Required value: must be set when seccomp type is Localhost")],
    );
    check_spec(
        profile(json!({"type": "Localhost", "localhostProfile": "../b.json"})),
        &[&format!("{at}.localhostProfile: Invalid value: \"../b.json\": must not contain '..'")],
    );
    check_container(
        profile(json!({"type": "Unconfined", "localhostProfile": "b"})),
        &[&format!(
            "{at}.localhostProfile: Invalid value: {{\"localhostProfile\":\"b\",\"type\":\"Unconfined\"}}: can only be set when seccomp type is Localhost"
        )],
    );
}

#[test]
fn app_armor_profiles() {
    let profile = |profile: Value| json!({"securityContext": {"appArmorProfile": profile}});
    let at = "securityContext.appArmorProfile";
    check_container(profile(json!({"type": "Localhost", "localhostProfile": "k8s-nginx"})), &[]);
    check_container(
        profile(json!({"localhostProfile": null})),
        &[&format!("{at}.type: Required value: type is required when appArmorProfile is set")],
    );
    for (given, expected) in [
        (json!({"type": "Localhost"}), "Required value: must be set when AppArmor type is Localhost"),
        (
            json!({"type": "Localhost", "localhostProfile": ""}),
            "Required value: must be set when AppArmor type is Localhost",
        ),
        (
            json!({"type": "Localhost", "localhostProfile": " a"}),
            "Invalid value: \" a\": must not be padded with whitespace",
        ),
        (
            json!({"type": "RuntimeDefault", "localhostProfile": "a"}),
            "Invalid value: \"a\": can only be set when AppArmor type is Localhost",
        ),
    ] {
        check_container(profile(given), &[&format!("{at}.localhostProfile: {expected}")]);
    }
}

#[test]
fn privileges() {
    let context = |context: Value| json!({"securityContext": context});
    check_container(context(json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["NET_ADMIN"]}})), &[]);
    check_container(
        context(json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["CAP_SYS_ADMIN"]}})),
        &[
            "securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"capabilities\":{\"add\":[\"CAP_SYS_ADMIN\"]}}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        ],
    );
    check_container(
        context(json!({"procMount": "Unmasked"})),
        &["securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`"],
    );
    let mut own_users = container(context(json!({"procMount": "Unmasked"})));
    own_users["spec"]["hostUsers"] = json!(false);
    check(own_users, &[]);
}

#[test]
fn annotations_and_fields_agree() {
    let annotated = |annotation: &str, profile: Value| {
        let mut pod = container(json!({"securityContext": {"appArmorProfile": profile}}));
        pod["metadata"]["annotations"] = json!({"container.apparmor.security.beta.kubernetes.io/c": annotation});
        pod
    };
    let at = "spec.containers[0].securityContext.appArmorProfile";
    check(annotated("runtime/default", json!({"type": "RuntimeDefault"})), &[]);
    check(
        annotated("unconfined", json!({"type": "RuntimeDefault"})),
        &[&format!("{at}.type: Forbidden: apparmor type in annotation and field must match")],
    );
    check(
        annotated("localhost/a", json!({"type": "Localhost", "localhostProfile": "b"})),
        &[&format!("{at}.localhostProfile: Forbidden: apparmor profile in annotation and field must match")],
    );
    check(
        annotated("strict", Value::Null),
        &[
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid value: \"strict\": invalid AppArmor profile name: \"strict\"",
        ],
    );
    let mut seccomp = pod(json!({}));
    seccomp["metadata"]["annotations"] = json!({"seccomp.security.alpha.kubernetes.io/pod": "strict"});
    check(
        seccomp,
        &[
            "metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"strict\": must be a valid seccomp profile",
        ],
    );
}

#[test]
fn annotations_that_stay() {
    let annotated = |annotations: Value| {
        let mut pod = pod(json!({"nodeName": "n"}));
        pod["metadata"]["annotations"] = annotations;
        pod
    };
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/c";
    check_update(
        annotated(json!({MIRROR: "x", ARMOR: "unconfined"})),
        json!({"metadata": {"annotations": {MIRROR: null, ARMOR: "runtime/default"}}}),
        &[
            &format!("metadata.annotations[{ARMOR}]: Forbidden: may not remove or update AppArmor annotations"),
            &format!("metadata.annotations[{MIRROR}]: Forbidden: may not remove or update mirror pod annotation"),
        ],
    );
    check_update(
        annotated(json!({})),
        json!({"metadata": {"annotations": {MIRROR: "x"}}}),
        &[&format!("metadata.annotations[{MIRROR}]: Forbidden: may not add mirror pod annotation")],
    );
}

#[test]
fn operating_systems() {
    check_spec(json!({"os": {"name": "linux"}}), &[]);
    check_spec(json!({"os": {"name": ""}}), &["os.name: Required value: cannot be empty"]);
    check_spec(
        json!({"os": {"name": "linux"}, "securityContext": {"windowsOptions": {"runAsUserName": "a"}}}),
        &["securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
    );
    check_spec(
        json!({"os": {"name": "windows"}, "hostPID": true, "securityContext": {"fsGroup": 1, "runAsUser": 2}}),
        &[
            "securityContext.fsGroup: Forbidden: cannot be set for a windows pod",
            "securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
            "hostPID: Forbidden: cannot be set for a windows pod",
        ],
    );
    check_spec(
        json!({"os": {"name": "windows"}, "containers": [{"name": "c", "image": "i", "securityContext": {"privileged": true}}]}),
        &["containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod"],
    );
}

/// Errors of a container that runs as this user of Windows, without the field's path.
#[track_caller]
fn check_user(name: &str, expected: Option<&str>) {
    let text = expected.map(|text| {
        format!("securityContext.windowsOptions.runAsUserName: Invalid value: {}: {text}", Value::from(name))
    });
    check_container(
        json!({"securityContext": {"windowsOptions": {"runAsUserName": name}}}),
        &text.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn users_of_windows() {
    check_user("ContainerUser", None);
    check_user("DOMAIN\\user", None);
    check_user("", Some("runAsUserName cannot be an empty string"));
    check_user("a\tb", Some("runAsUserName cannot contain control characters"));
    check_user("DOMAIN\\", Some("runAsUserName's User cannot be empty"));
    check_user("...", Some("runAsUserName's User cannot contain only periods or spaces"));
    check_user("a*b", Some("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"));
    check_user(&"a".repeat(105), Some("runAsUserName's User length must not be longer than 104 characters"));
}

#[test]
fn host_processes_of_windows() {
    let windows = |pod: Value, container: Value| {
        json!({"hostNetwork": true, "securityContext": {"windowsOptions": pod},
               "containers": [{"name": "c", "image": "i", "securityContext": {"windowsOptions": container}}]})
    };
    check_spec(windows(json!({"hostProcess": true}), json!({})), &[]);
    let mut apart = windows(json!({"hostProcess": true}), json!({}));
    apart["hostNetwork"] = json!(false);
    check_spec(
        apart,
        &["hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"],
    );
    check_spec(
        windows(json!({"hostProcess": true}), json!({"hostProcess": false})),
        &[
            "containers[0].securityContext.windowsOptions.hostProcess: Invalid value: false: pod hostProcess value must be identical if both are specified, was true",
        ],
    );
}
