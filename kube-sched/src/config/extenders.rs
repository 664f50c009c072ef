//! Extenders, as a file has them.

use super::Mistakes;
use super::file::ExtenderEntry;
use crate::extender::{Extender, Tls};
use kubekit_core::meta::syntax;
use std::collections::BTreeSet;
use std::time::Duration;

/// Reads all extenders; the second list has the resources that the scheduler itself does not count.
/// Source: `validateExtenders` of kube-scheduler.
pub(super) fn read(entries: &[ExtenderEntry], mistakes: &mut Mistakes) -> (Vec<Extender>, Vec<String>) {
    let mut managed = BTreeSet::new();
    let mut ignored = Vec::new();
    let mut extenders = Vec::with_capacity(entries.len());
    for (i, entry) in entries.iter().enumerate() {
        let path = format!("extenders[{i}]");
        let weight = entry.weight.unwrap_or(0);
        if !entry.prioritize_verb.is_empty() && weight <= 0 {
            mistakes.invalid(format!("{path}.weight"), weight, "must have a positive weight applied to it");
        }
        if !(entry.url_prefix.starts_with("http://") || entry.url_prefix.starts_with("https://")) {
            let value = format!("{:?}", entry.url_prefix);
            mistakes.invalid(format!("{path}.urlPrefix"), value, "must be a URL that begins with http:// or https://");
        }
        for (j, resource) in entry.managed_resources.iter().flatten().enumerate() {
            let (path, name) = (format!("{path}.managedResources[{j}].name"), &resource.name);
            let value = format!("{name:?}");
            for problem in syntax::qualified_name(name) {
                mistakes.invalid(&*path, &value, &problem);
            }
            let native = !name.contains('/') || name.contains("kubernetes.io/") || name.starts_with("requests.");
            if native {
                mistakes.invalid(&*path, &value, "is an invalid extended resource name");
            }
            if !managed.insert(name.clone()) {
                mistakes.invalid(&*path, &value, "duplicate extender managed resource name");
            }
            if resource.ignored_by_scheduler {
                ignored.push(name.clone());
            }
        }
        extenders.push(extender(entry, weight, &path, mistakes));
    }
    let binders = entries.iter().filter(|entry| !entry.bind_verb.is_empty()).count();
    if binders > 1 {
        let value = format!("found {binders} extenders implementing bind");
        mistakes.invalid("extenders", value, "only one extender can implement bind");
    }
    (extenders, ignored)
}

fn extender(entry: &ExtenderEntry, weight: i64, path: &str, mistakes: &mut Mistakes) -> Extender {
    let mut extender = Extender::new(&*entry.url_prefix);
    extender.filter_verb.clone_from(&entry.filter_verb);
    extender.prioritize_verb.clone_from(&entry.prioritize_verb);
    extender.preempt_verb.clone_from(&entry.preempt_verb);
    extender.bind_verb.clone_from(&entry.bind_verb);
    extender.weight = weight;
    extender.enable_https = entry.enable_https;
    extender.node_cache_capable = entry.node_cache_capable;
    extender.ignorable = entry.ignorable;
    extender.managed_resources = entry.managed_resources.iter().flatten().map(|one| one.name.clone()).collect();
    if let Some(text) = &entry.http_timeout {
        match duration(text) {
            // Go's zero is the default.
            Some(Duration::ZERO) => {}
            Some(timeout) => extender.http_timeout = timeout,
            None => {
                mistakes.invalid(format!("{path}.httpTimeout"), format!("{text:?}"), "must be a duration such as 5s")
            }
        }
    }
    if let Some(tls) = &entry.tls_config {
        let own = Tls {
            insecure: tls.insecure,
            server_name: tls.server_name.clone(),
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
            ca_file: tls.ca_file.clone(),
            cert_data: tls.cert_data.clone(),
            key_data: tls.key_data.clone(),
            ca_data: tls.ca_data.clone(),
        };
        let certificate = own.cert_file.is_empty() && own.cert_data.is_empty();
        let key = own.key_file.is_empty() && own.key_data.is_empty();
        if certificate != key {
            mistakes.invalid(format!("{path}.tlsConfig"), "{...}", "a certificate and its key go together");
        }
        extender.tls = own;
    }
    extender
}

/// A duration as Go writes it: `1m30s`, `1.5s`, `100ms`; none below zero.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests;
