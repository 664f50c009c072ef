//! Errors of security contexts.

use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{boolean, get, is_true, list, text, texts};
use crate::rules::format;
use serde_json::Value;
use std::collections::BTreeSet;

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const SYSCTL_BYTES_MAX: usize = 253;
/// The longest path that Linux takes.
const PATH_BYTES_MAX: usize = 4095;

/// Checks the security context of a pod.
pub(super) fn check_pod(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let Some(context) = get(spec, "securityContext") else { return };
    if context.as_object().is_some_and(serde_json::Map::is_empty) {
        return;
    }
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        format::check_id(errors, path, context, field);
    }
    for (index, group) in list(context, "supplementalGroups").iter().enumerate() {
        if group.as_i64().is_none_or(|group| !(0..=i64::from(i32::MAX)).contains(&group)) {
            let path = path.child("supplementalGroups").index(index);
            errors.push(Error::invalid(&path, group, "must be between 0 and 2147483647, inclusive"));
        }
    }
    if is_true(spec, "shareProcessNamespace") && is_true(spec, "hostPID") {
        let text = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(Error::invalid(&path.child("shareProcessNamespace"), &true.into(), text));
    }
    check_sysctls(errors, &path.child("sysctls"), context, spec);
    format::check_optional(errors, path, context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"]);
    check_profiles(errors, path, context);
    format::check_optional(errors, path, context, "supplementalGroupsPolicy", &["Merge", "Strict"]);
    format::check_optional(errors, path, context, "seLinuxChangePolicy", &["MountOption", "Recursive"]);
}

/// Checks the security context of a container.
pub(super) fn check_container(errors: &mut ErrorList, path: &Path, context: &Value, host_users: bool) {
    format::check_id(errors, path, context, "runAsUser");
    format::check_id(errors, path, context, "runAsGroup");
    if get(context, "procMount").is_some() {
        format::check_supported(errors, path, context, "procMount", &["Default", "Unmasked"]);
        if host_users && text(context, "procMount") == "Unmasked" {
            let text = "`hostUsers` must be false to use `Unmasked`";
            errors.push(Error::invalid(&path.child("procMount"), &context["procMount"], text));
        }
    }
    check_profiles(errors, path, context);
    if boolean(context, "allowPrivilegeEscalation") == Some(false) {
        if is_true(context, "privileged") {
            let text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(Error::invalid(path, context, text));
        }
        if get(context, "capabilities").is_some_and(|c| texts(c, "add").any(|c| c == "CAP_SYS_ADMIN")) {
            let text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(Error::invalid(path, context, text));
        }
    }
}

/// With user namespaces of its own, a pod shares no other namespace with the host. Source: KEP-127.
pub(super) fn check_host_users(errors: &mut ErrorList, path: &Path, spec: &Value) {
    if super::uses_host_users(spec) {
        return;
    }
    // Kubernetes spells the last two so.
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if is_true(spec, field) {
            errors.push(Error::forbidden(&path.child(shown), "when `pod.Spec.HostUsers` is false"));
        }
    }
}

fn check_profiles(errors: &mut ErrorList, path: &Path, context: &Value) {
    if let Some(profile) = get(context, "seccompProfile") {
        check_seccomp(errors, &path.child("seccompProfile"), profile);
    }
    if let Some(profile) = get(context, "appArmorProfile") {
        check_app_armor(errors, &path.child("appArmorProfile"), profile);
    }
    if let Some(options) = get(context, "windowsOptions") {
        super::operating_system::check_options(errors, &path.child("windowsOptions"), options);
    }
}

fn check_seccomp(errors: &mut ErrorList, path: &Path, profile: &Value) {
    let kind = text(profile, "type");
    if kind.is_empty() {
        errors.push(Error::required(&path.child("type"), "type is required when seccompProfile is set"));
    } else {
        format::check_supported(errors, path, profile, "type", &PROFILES);
    }
    let file = path.child("localhostProfile");
    match (kind == "Localhost", get(profile, "localhostProfile").and_then(Value::as_str)) {
        (true, None) => errors.push(Error::required(&file, "must be set when seccomp type is Localhost")),
        (true, Some(name)) => format::check_descending(errors, &file, name),
        (false, Some(_)) => {
            errors.push(Error::invalid(&file, profile, "can only be set when seccomp type is Localhost"));
        }
        (false, None) => {}
    }
}

fn check_app_armor(errors: &mut ErrorList, path: &Path, profile: &Value) {
    const NEEDED: &str = "must be set when AppArmor type is Localhost";
    let file = path.child("localhostProfile");
    let name = get(profile, "localhostProfile").and_then(Value::as_str);
    match (text(profile, "type"), name) {
        ("", _) => errors.push(Error::required(&path.child("type"), "type is required when appArmorProfile is set")),
        ("Localhost", None) => errors.push(Error::required(&file, NEEDED)),
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.push(Error::invalid(&file, &name.into(), "must not be padded with whitespace"));
            } else if name.is_empty() {
                errors.push(Error::required(&file, NEEDED));
            }
            if name.len() > PATH_BYTES_MAX {
                errors.push(Error::too_long(&file, PATH_BYTES_MAX));
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.push(Error::invalid(&file, &name.into(), "can only be set when AppArmor type is Localhost"));
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        (other, _) => errors.push(Error::not_supported(&path.child("type"), &other.into(), &PROFILES)),
    }
}

fn check_sysctls(errors: &mut ErrorList, path: &Path, context: &Value, spec: &Value) {
    let mut names = BTreeSet::new();
    for (index, sysctl) in list(context, "sysctls").iter().enumerate() {
        let path = path.index(index).child("name");
        let name = text(sysctl, "name");
        if name.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if !is_sysctl(name) {
            let text = format!(
                "must have at most {SYSCTL_BYTES_MAX} characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.push(Error::invalid(&path, &name.into(), &text));
        } else if !names.insert(name) {
            errors.push(Error::duplicate(&path, &name.into()));
        }
        let shared = match namespace(name) {
            Some("net") if is_true(spec, "hostNetwork") => "hostNetwork",
            Some("ipc") if is_true(spec, "hostIPC") => "hostIPC",
            _ => continue,
        };
        let text = format!("may not be specified when '{shared}' is true");
        errors.push(Error::invalid(&path, &name.into(), &text));
    }
}

fn is_sysctl(name: &str) -> bool {
    name.len() <= SYSCTL_BYTES_MAX
        && name.split(['.', '/']).all(|segment| {
            let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            edge(segment.bytes().next())
                && edge(segment.bytes().last())
                && segment.bytes().all(|c| edge(Some(c)) || matches!(c, b'-' | b'_'))
        })
}

/// The kernel namespace that a sysctl belongs to.
fn namespace(name: &str) -> Option<&'static str> {
    let name = name.replace('/', ".");
    match name.as_str() {
        "kernel.sem" => Some("ipc"),
        name if name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name.starts_with("fs.mqueue.") => {
            Some("ipc")
        }
        name if name.starts_with("net.") => Some("net"),
        _ => None,
    }
}
