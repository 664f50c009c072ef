//! Errors of `os`, and of what only Windows or only Linux has.

use super::{all_containers, security_field};
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{at, get, is_true, text};
use crate::rules::format;
use serde_json::Value;

const WINDOWS: &str = "cannot be set for a windows pod";
const LINUX: &str = "windows options cannot be set for a linux pod";
const CREDENTIAL_KIB_MAX: usize = 64;
const DOMAIN_MAX: usize = 256;
const USER_MAX: usize = 104;

/// Checks that a pod asks for nothing that its operating system lacks.
pub(super) fn check(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let Some(os) = get(spec, "os") else { return };
    match text(os, "name") {
        "" => errors.push(Error::required(&path.child("os").child("name"), "cannot be empty")),
        "linux" => check_linux(errors, path, spec),
        "windows" => check_windows(errors, path, spec),
        other => errors.push(Error::not_supported(&path.child("os"), &other.into(), &["linux", "windows"])),
    }
}

fn check_linux(errors: &mut ErrorList, path: &Path, spec: &Value) {
    if security_field(spec, "windowsOptions").is_some() {
        errors.push(Error::forbidden(&path.child("securityContext").child("windowsOptions"), LINUX));
    }
    for (field, index, container) in all_containers(spec) {
        if security_field(container, "windowsOptions").is_some() {
            let path = path.child(field).index(index).child("securityContext").child("windowsOptions");
            errors.push(Error::forbidden(&path, LINUX));
        }
    }
}

fn check_windows(errors: &mut ErrorList, path: &Path, spec: &Value) {
    const OF_POD: [&str; 11] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    const OF_CONTAINER: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let context = path.child("securityContext");
    for field in OF_POD {
        if security_field(spec, field).is_some() {
            errors.push(Error::forbidden(&context.child(field), WINDOWS));
        }
    }
    for field in ["hostUsers", "shareProcessNamespace"] {
        if get(spec, field).is_some() {
            errors.push(Error::forbidden(&path.child(field), WINDOWS));
        }
    }
    for field in ["hostPID", "hostIPC"] {
        if is_true(spec, field) {
            errors.push(Error::forbidden(&path.child(field), WINDOWS));
        }
    }
    for (list, index, container) in all_containers(spec) {
        let path = path.child(list).index(index).child("securityContext");
        for field in OF_CONTAINER {
            if security_field(container, field).is_some() {
                errors.push(Error::forbidden(&path.child(field), WINDOWS));
            }
        }
    }
}

/// If one container of a pod is a HostProcess container, all are, and the pod is on the host's network.
pub(super) fn check_host_process(errors: &mut ErrorList, path: &Path, spec: &Value) {
    const FIELD: [&str; 3] = ["securityContext", "windowsOptions", "hostProcess"];
    let of = |owner: &Value| at(owner, &FIELD).and_then(Value::as_bool);
    let of_pod = of(spec);
    let (mut all, mut host) = (0, 0);
    for (list, index, container) in all_containers(spec) {
        all += 1;
        let own = of(container);
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let path = FIELD.iter().fold(path.child(list).index(index), |path, field| path.child(field));
            let text = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.push(Error::invalid(&path, &own.into(), &text));
        }
        host += usize::from(own.or(of_pod) == Some(true));
    }
    if host == 0 {
        return;
    }
    if host != all {
        let text = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.push(Error::invalid(path, &"".into(), text));
    }
    if !is_true(spec, "hostNetwork") {
        let text = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.push(Error::invalid(&path.child("hostNetwork"), &false.into(), text));
    }
}

/// Checks `windowsOptions`.
pub(super) fn check_options(errors: &mut ErrorList, path: &Path, options: &Value) {
    if let Some(name) = get(options, "gmsaCredentialSpecName").and_then(Value::as_str) {
        format::check_subdomain(errors, &path.child("gmsaCredentialSpecName"), name);
    }
    if let Some(spec) = get(options, "gmsaCredentialSpec").and_then(Value::as_str) {
        let path = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.push(Error::invalid(&path, &spec.into(), "gmsaCredentialSpec cannot be an empty string"));
        } else if spec.len() > CREDENTIAL_KIB_MAX * 1024 {
            let text = format!("gmsaCredentialSpec size must be under {CREDENTIAL_KIB_MAX} KiB");
            errors.push(Error::invalid(&path, &spec.into(), &text));
        }
    }
    if let Some(name) = get(options, "runAsUserName").and_then(Value::as_str) {
        for problem in user_name_problems(name) {
            errors.push(Error::invalid(&path.child("runAsUserName"), &name.into(), &problem));
        }
    }
}

fn user_name_problems(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["runAsUserName cannot be an empty string".to_owned()];
    }
    if name.chars().any(char::is_control) {
        return vec!["runAsUserName cannot contain control characters".to_owned()];
    }
    if name.matches('\\').count() > 1 {
        return vec!["runAsUserName cannot contain more than one backslash".to_owned()];
    }
    let mut problems = Vec::new();
    let (domain, user) = name.split_once('\\').map_or((None, name), |(domain, user)| (Some(domain), user));
    if domain.is_some_and(|domain| domain.len() >= DOMAIN_MAX) {
        problems.push(format!("runAsUserName's Domain length must be under {DOMAIN_MAX} characters"));
    }
    if domain.is_some_and(|domain| !is_domain(domain)) {
        problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format".to_owned());
    }
    if user.is_empty() {
        problems.push("runAsUserName's User cannot be empty".to_owned());
    } else if user.len() > USER_MAX {
        problems.push(format!("runAsUserName's User length must not be longer than {USER_MAX} characters"));
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        problems.push("runAsUserName's User cannot contain only periods or spaces".to_owned());
    }
    if user.chars().any(|c| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        problems.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]".to_owned());
    }
    problems
}

/// A NetBIOS name, or a DNS name in either case.
fn is_domain(domain: &str) -> bool {
    let net_bios = (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.chars().any(|c| "\\/:*?\"<>|".contains(c));
    net_bios || crate::meta::syntax::dns1123_subdomain(&domain.to_lowercase()).is_empty()
}
