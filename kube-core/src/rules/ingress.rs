//! Ingress and IngressClass. Source: `pkg/apis/networking/v1/defaults.go`, `pkg/apis/networking/validation`.

use super::access::{at, child_mut, default_text, get, int, list, set, text, texts};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use crate::meta::syntax;
use serde_json::{Value, json};

/// The annotation from before there was `ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Rules of Ingresses.
#[derive(Debug)]
pub struct Ingress;

impl Rules for Ingress {
    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({"loadBalancer": {}}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = check(object);
        if let Some(class) = at(object, &["metadata", "annotations", CLASS])
            && get(&object["spec"], "ingressClassName").is_some()
        {
            // Kubernetes leaves `metadata` out of the path.
            let path = Path::new("annotations").child(CLASS);
            errors.push(Error::invalid(&path, class, "can not be set when the class field is also set"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, _old: &Value) -> ErrorList {
        check(new)
    }

    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        let annotated = at(object, &["metadata", "annotations", CLASS]).is_some();
        let instead = "is deprecated, please use 'spec.ingressClassName' instead";
        annotated.then(|| format!("annotation {CLASS:?} {instead}")).into_iter().collect()
    }

    fn has_status(&self) -> bool {
        true
    }
}

/// What holds for a new Ingress and for an updated one.
fn check(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    let spec = &object["spec"];
    for (index, tls) in list(spec, "tls").iter().enumerate() {
        let path = path.child("tls").index(index);
        for (index, host) in texts(tls, "hosts").enumerate() {
            check_host(&mut errors, &path.child("hosts").index(index), host);
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            format::check_subdomain(&mut errors, &path.child("secretName"), secret);
        }
    }
    match get(spec, "defaultBackend") {
        Some(backend) => check_backend(&mut errors, &path.child("defaultBackend"), backend),
        None if list(spec, "rules").is_empty() => errors.push(Error::invalid(
            &path,
            &list(spec, "rules").into(),
            "either `defaultBackend` or `rules` must be specified",
        )),
        None => {}
    }
    for (index, rule) in list(spec, "rules").iter().enumerate() {
        check_rule(&mut errors, &path.child("rules").index(index), rule);
    }
    let class = text(spec, "ingressClassName");
    if get(spec, "ingressClassName").is_some() {
        format::check_subdomain(&mut errors, &path.child("ingressClassName"), class);
    }
    errors
}

/// Rules of IngressClasses.
#[derive(Debug)]
pub struct IngressClass;

impl Rules for IngressClass {
    fn default(&self, object: &mut Value) {
        if let Some(parameters) = child_mut(object, "spec").and_then(|spec| child_mut(spec, "parameters")) {
            default_text(parameters, "scope", "Cluster");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let controller = text(&object["spec"], "controller");
        if controller.len() > 250 {
            errors.push(Error::too_long(&path.child("controller"), 250));
        }
        format::check_domain_prefixed_path(&mut errors, &path.child("controller"), controller);
        if let Some(parameters) = get(&object["spec"], "parameters") {
            check_parameters(&mut errors, &path.child("parameters"), parameters);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        format::check_immutable(&mut errors, &Path::new("spec"), &new["spec"], &old["spec"], "controller");
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }
}

fn check_host(errors: &mut ErrorList, path: &Path, host: &str) {
    if host.contains('*') {
        format::invalid(errors, path, host, syntax::wildcard_dns1123_subdomain(host));
    } else {
        format::check_subdomain(errors, path, host);
    }
}

fn check_rule(errors: &mut ErrorList, path: &Path, rule: &Value) {
    let host = text(rule, "host");
    if !host.is_empty() {
        if format::parse_ip(host).is_some() {
            errors.push(Error::invalid(&path.child("host"), &host.into(), "must be a DNS name, not an IP address"));
        }
        check_host(errors, &path.child("host"), host);
    }
    let Some(http) = get(rule, "http") else { return };
    let paths = path.child("http").child("paths");
    if list(http, "paths").is_empty() {
        errors.push(Error::required(&paths, ""));
    }
    for (index, entry) in list(http, "paths").iter().enumerate() {
        check_path(errors, &paths.index(index), entry);
    }
}

fn check_path(errors: &mut ErrorList, path: &Path, entry: &Value) {
    let value = text(entry, "path");
    match text(entry, "pathType") {
        "" => {
            errors.push(Error::required(&path.child("pathType"), "pathType must be specified"));
            return;
        }
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                errors.push(Error::invalid(&path.child("path"), &value.into(), "must be an absolute path"));
            }
            for bad in ["//", "/./", "/../", "%2f", "%2F"] {
                if value.contains(bad) {
                    let text = format!("must not contain '{bad}'");
                    errors.push(Error::invalid(&path.child("path"), &value.into(), &text));
                }
            }
            for bad in ["/..", "/."] {
                if value.ends_with(bad) {
                    let text = format!("cannot end with '{bad}'");
                    errors.push(Error::invalid(&path.child("path"), &value.into(), &text));
                }
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                errors.push(Error::invalid(&path.child("path"), &value.into(), "must be an absolute path"));
            }
        }
        other => {
            let types = ["Exact", "Prefix", "ImplementationSpecific"];
            errors.push(Error::not_supported(&path.child("pathType"), &other.into(), &types));
        }
    }
    check_backend(errors, &path.child("backend"), &entry["backend"]);
}

fn check_backend(errors: &mut ErrorList, path: &Path, backend: &Value) {
    match (get(backend, "service"), get(backend, "resource")) {
        (Some(_), Some(_)) => {
            errors.push(Error::invalid(path, &"".into(), "cannot set both resource and service backends"));
        }
        (None, None) => errors.push(Error::invalid(path, &"".into(), "resource or service backend is required")),
        (None, Some(resource)) => check_reference(errors, &path.child("resource"), resource),
        (Some(service), None) => {
            let field = path.child("service");
            match text(service, "name") {
                "" => errors.push(Error::required(&field.child("name"), "")),
                name => format::invalid(errors, &field.child("name"), name, syntax::dns1035_label(name)),
            }
            let port = &service["port"];
            match (text(port, "name"), int(port, "number").unwrap_or(0)) {
                ("", 0) => errors.push(Error::required(path, "port name or number is required")),
                ("", number) => format::check_port(errors, &field.child("port").child("number"), number),
                (name, 0) => {
                    let field = field.child("port").child("name");
                    format::invalid(errors, &field, name, syntax::port_name(name));
                }
                _ => errors.push(Error::invalid(path, &"".into(), "cannot set both port name & port number")),
            }
        }
    }
}

/// An object of some kind: a backend, or the parameters of a class.
fn check_reference(errors: &mut ErrorList, path: &Path, reference: &Value) {
    if get(reference, "apiGroup").is_some() {
        format::check_subdomain(errors, &path.child("apiGroup"), text(reference, "apiGroup"));
    }
    for (field, missing) in [("kind", "kind is required"), ("name", "name is required")] {
        match text(reference, field) {
            "" => errors.push(Error::required(&path.child(field), missing)),
            value => format::invalid(errors, &path.child(field), value, syntax::path_segment_name(value)),
        }
    }
}

fn check_parameters(errors: &mut ErrorList, path: &Path, parameters: &Value) {
    check_reference(errors, path, parameters);
    let namespace = path.child("namespace");
    match (text(parameters, "scope"), get(parameters, "namespace").and_then(Value::as_str)) {
        ("Namespace", None) => {
            errors.push(Error::required(&namespace, "`parameters.scope` is set to 'Namespace'"));
        }
        ("Namespace", Some(name)) => format::check_label(errors, &namespace, name),
        ("Cluster", Some(_)) => errors.push(Error::forbidden(&namespace, "`parameters.scope` is set to 'Cluster'")),
        ("Cluster", None) => {}
        (other, _) => {
            errors.push(Error::not_supported(&path.child("scope"), &other.into(), &["Cluster", "Namespace"]));
        }
    }
}
