//! Errors of probes and of lifecycle hooks.

use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{count, get, int, list, text};
use crate::rules::format;
use serde_json::Value;

/// Checks the hooks and probes of a container that runs beside others.
pub(super) fn check_container(errors: &mut ErrorList, path: &Path, container: &Value, grace_seconds: Option<i64>) {
    if let Some(lifecycle) = get(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(handler) = get(lifecycle, hook) {
                let path = path.child("lifecycle").child(hook);
                check_handler(errors, &path, handler, &["exec", "httpGet", "tcpSocket", "sleep"], grace_seconds);
            }
        }
        if get(lifecycle, "stopSignal").is_some() && text(lifecycle, "stopSignal").is_empty() {
            errors.push(Error::required(&path.child("lifecycle").child("stopSignal"), ""));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = get(container, name) {
            check_probe(errors, &path.child(name), probe, name);
        }
    }
}

fn check_probe(errors: &mut ErrorList, path: &Path, probe: &Value, name: &str) {
    check_handler(errors, path, probe, &["exec", "httpGet", "tcpSocket", "grpc"], None);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        format::check_non_negative(errors, path, probe, field);
    }
    let grace = int(probe, "terminationGracePeriodSeconds");
    let field = || path.child("terminationGracePeriodSeconds");
    if let Some(seconds) = grace.filter(|seconds| *seconds <= 0) {
        errors.push(Error::invalid(&field(), &seconds.into(), "must be greater than 0"));
    }
    if name == "readinessProbe" {
        if let Some(seconds) = grace {
            errors.push(Error::invalid(&field(), &seconds.into(), "must not be set for readinessProbes"));
        }
    } else if int(probe, "successThreshold") != Some(1) {
        let value = int(probe, "successThreshold").unwrap_or(0);
        errors.push(Error::invalid(&path.child("successThreshold"), &value.into(), "must be 1"));
    }
}

/// Exactly one of these ways to ask or tell a container.
fn check_handler(errors: &mut ErrorList, path: &Path, handler: &Value, kinds: &[&str], grace_seconds: Option<i64>) {
    let mut given = kinds.iter().filter(|kind| get(handler, kind).is_some());
    let Some(kind) = given.next() else {
        errors.push(Error::required(path, "must specify a handler type"));
        return;
    };
    let at = path.child(kind);
    let action = &handler[*kind];
    match *kind {
        "exec" if count(action, "command") == 0 => errors.push(Error::required(&at.child("command"), "")),
        "httpGet" => check_http(errors, &at, action),
        "tcpSocket" | "grpc" => format::check_port_or_name(errors, &at.child("port"), &action["port"]),
        "sleep" => {
            let seconds = int(action, "seconds").unwrap_or(0);
            if let Some(grace) = grace_seconds.filter(|grace| seconds < 0 || seconds > *grace) {
                let text = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                errors.push(Error::invalid(&at, &seconds.into(), &text));
            }
        }
        _ => {}
    }
    for other in given {
        errors.push(Error::forbidden(&path.child(other), "may not specify more than 1 handler type"));
    }
}

fn check_http(errors: &mut ErrorList, path: &Path, action: &Value) {
    format::check_present(errors, path, action, "path");
    format::check_port_or_name(errors, &path.child("port"), &action["port"]);
    format::check_supported(errors, path, action, "scheme", &["HTTP", "HTTPS"]);
    for header in list(action, "httpHeaders") {
        let name = text(header, "name");
        let valid = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        if !valid {
            let text = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
            errors.push(Error::invalid(&path.child("httpHeaders"), &name.into(), text));
        }
    }
}
