//! What must hold of a configuration.

use super::schema::{Configuration, KeyText, Keys, ProviderConfiguration, ResourceConfiguration};
use super::{Invalid, Resource, STANDARD, split};
use base64::Engine as _;
use std::collections::BTreeSet;
use std::time::Duration;

const AES_KEY_BYTES: &[usize] = &[16, 24, 32];
const SECRETBOX_KEY_BYTES: &[usize] = &[32];

/// Checks a configuration; the error names everything that is wrong.
pub(super) fn check(configuration: &Configuration) -> Result<(), Invalid> {
    let mut errors = Vec::new();
    if configuration.api_version != "apiserver.config.k8s.io/v1" || configuration.kind != "EncryptionConfiguration" {
        errors.push(format!(
            "no kind \"{}\" is registered for version \"{}\": expected EncryptionConfiguration of \
             apiserver.config.k8s.io/v1",
            configuration.kind, configuration.api_version
        ));
        return Err(Invalid(errors));
    }
    let resources = configuration.resources.as_deref().unwrap_or_default();
    if resources.is_empty() {
        errors.push(required("resources", "at least one resources is required"));
    }
    for (i, resource) in resources.iter().enumerate() {
        check_resource(resource, &format!("resources[{i}]"), &mut errors);
    }
    check_kms_names(resources, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(Invalid(errors)) }
}

fn required(path: &str, detail: &str) -> String {
    format!("{path}: Required value: {detail}")
}

fn invalid(path: &str, value: &str, detail: &str) -> String {
    format!("{path}: Invalid value: {value}: {detail}")
}

fn check_resource(configuration: &ResourceConfiguration, root: &str, errors: &mut Vec<String>) {
    let path = format!("{root}.resources");
    let names = configuration.resources.as_deref().unwrap_or_default();
    if names.is_empty() {
        errors.push(required(&path, &format!("at least one {path} is required")));
    }
    check_overlap(names, &path, errors);
    for (i, name) in names.iter().enumerate() {
        if let Some(detail) = wrong_name(name) {
            errors.push(invalid(&format!("{path}[{i}]"), &format!("{name:?}"), detail));
        }
    }
    let path = format!("{root}.providers");
    let providers = configuration.providers.as_deref().unwrap_or_default();
    if providers.is_empty() {
        errors.push(required(&path, &format!("at least one {path} is required")));
    }
    for (i, provider) in providers.iter().enumerate() {
        check_provider(provider, &format!("{path}[{i}]"), errors);
    }
}

/// The name of a KMS provider stands in front of its values, so that no two may share it.
fn check_kms_names(resources: &[ResourceConfiguration], errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (i, resource) in resources.iter().enumerate() {
        for (j, provider) in resource.providers.iter().flatten().enumerate() {
            let Some(name) = provider.kms.as_ref().map(|kms| &kms.name).filter(|name| !name.is_empty()) else {
                continue;
            };
            if !seen.insert(name) {
                let detail = format!("duplicate KMS provider name {name}, names must be unique");
                errors.push(invalid(&format!("resources[{i}].providers[{j}].kms.name"), &format!("{name:?}"), &detail));
            }
        }
    }
}

fn check_overlap(names: &[String], path: &str, errors: &mut Vec<String>) {
    let split: Vec<_> = names.iter().map(|name| split(name)).collect();
    let pairs = || split.iter().enumerate().flat_map(|(i, one)| split[i + 1..].iter().map(move |other| (one, other)));
    let shown = format!("{names:?}");
    if pairs().any(|(one, other)| one == other) {
        errors.push(invalid(path, &shown, "the same resource cannot be specified multiple times"));
    }
    let covers = |one: &Resource<'_>, other: &Resource<'_>| match (one, other) {
        (Resource::Every, _) => true,
        (Resource::Group(group), Resource::One(of, _)) => group == of,
        _ => false,
    };
    if pairs().any(|(one, other)| one != other && (covers(one, other) || covers(other, one))) {
        let detail = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as \
                      they will be masked";
        errors.push(invalid(path, &shown, detail));
    }
}

fn wrong_name(name: &str) -> Option<&'static str> {
    let group = name.split_once('.').map(|(_, group)| group);
    if name.to_lowercase() != name {
        Some("resource name should not contain capital letters")
    } else if name == "*" {
        Some("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources")
    } else if matches!(name, "apiserveripinfo" | "serviceipallocations" | "servicenodeportallocations") {
        Some("resources which do not have REST API/s cannot be encrypted")
    } else if group == Some("extensions") {
        Some("'extensions' group has been removed and cannot be used for encryption")
    } else if group == Some("*") && name != "*.*" {
        Some("encrypting the same resource across groups is not supported")
    } else {
        None
    }
}

fn check_provider(provider: &ProviderConfiguration, path: &str, errors: &mut Vec<String>) {
    let ProviderConfiguration { aesgcm, aescbc, secretbox, identity, kms } = provider;
    let found = [aesgcm.is_some(), aescbc.is_some(), secretbox.is_some(), identity.is_some(), kms.is_some()];
    match found.iter().filter(|found| **found).count() {
        0 => {
            let detail = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, \
                          Identity";
            errors.push(invalid(path, "{}", detail));
        }
        1 => {}
        _ => {
            let detail =
                "more than one provider specified in a single element, should split into different list elements";
            errors.push(invalid(path, "{}", detail));
        }
    }
    for (name, keys, lengths) in [
        ("aesgcm", aesgcm, AES_KEY_BYTES),
        ("aescbc", aescbc, AES_KEY_BYTES),
        ("secretbox", secretbox, SECRETBOX_KEY_BYTES),
    ] {
        if let Some(keys) = keys {
            check_keys(keys, &format!("{path}.{name}.keys"), lengths, errors);
        }
    }
    if let Some(kms) = kms {
        check_kms(kms, &format!("{path}.kms"), errors);
    }
}

fn check_keys(keys: &Keys, path: &str, lengths: &[usize], errors: &mut Vec<String>) {
    let keys = keys.keys.as_deref().unwrap_or_default();
    if keys.is_empty() {
        errors.push(required(path, "at least one keys is required"));
    }
    for (i, key) in keys.iter().enumerate() {
        check_key(key, &format!("{path}[{i}]"), lengths, errors);
    }
}

fn check_key(key: &KeyText, path: &str, lengths: &[usize], errors: &mut Vec<String>) {
    if key.name.is_empty() {
        errors.push(required(&format!("{path}.name"), "name is a mandatory field for a key"));
    }
    let path = format!("{path}.secret");
    if key.secret.is_empty() {
        errors.push(required(&path, "secret is a mandatory field for a key"));
        return;
    }
    let Ok(secret) = STANDARD.decode(key.secret.as_bytes()).map(zeroize::Zeroizing::new) else {
        errors.push(invalid(&path, "\"REDACTED\"", "secrets must be base64 encoded"));
        return;
    };
    if !lengths.contains(&secret.len()) {
        let expected: Vec<String> = lengths.iter().map(ToString::to_string).collect();
        let (got, expected) = (secret.len(), expected.join(" "));
        let detail = format!("secret is not of the expected length, got {got}, expected one of [{expected}]");
        errors.push(invalid(&path, "\"REDACTED\"", &detail));
    }
}

fn check_kms(kms: &super::schema::Kms, path: &str, errors: &mut Vec<String>) {
    if kms.name.is_empty() {
        errors.push(required(&format!("{path}.name"), "name is a mandatory field for a provider"));
    }
    if kms.name.contains(':') {
        let detail = format!("invalid KMS provider name {}, must not contain ':'", kms.name);
        errors.push(invalid(&format!("{path}.name"), &format!("{:?}", kms.name), &detail));
    }
    let endpoint = format!("{path}.endpoint");
    if kms.endpoint.is_empty() {
        errors.push(invalid(&endpoint, "\"\"", "endpoint is a mandatory field for a kms"));
    } else if !kms.endpoint.starts_with("unix:") {
        let scheme = kms.endpoint.split("://").next().unwrap_or_default();
        let detail = format!("unsupported scheme {scheme:?} for KMS provider, only unix is supported");
        errors.push(invalid(&endpoint, &format!("{:?}", kms.endpoint), &detail));
    }
    if let Some(timeout) = &kms.timeout
        && duration(timeout).is_none_or(|timeout| timeout.is_zero())
    {
        let detail = "timeout should be a positive value, such as 3s";
        errors.push(invalid(&format!("{path}.timeout"), &format!("{timeout:?}"), detail));
    }
    if kms.api_version != "v2" {
        // Version 1, which is what no version means, asks the plugin for each value.
        let detail = "unsupported apiVersion for KMS provider, only v2 is supported here (v1 is deprecated)";
        errors.push(invalid(&format!("{path}.apiVersion"), &format!("{:?}", kms.api_version), detail));
    }
    if kms.cachesize.is_some() {
        errors.push(invalid(&format!("{path}.cachesize"), "", "cachesize is not supported in v2"));
    }
}

/// A duration as Go writes it: numbers with units, `1m30s`, `1.5s`, `300ms`. Source: `time.ParseDuration`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] =
        [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        seconds += number * factor;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}
