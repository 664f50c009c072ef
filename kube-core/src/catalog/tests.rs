use super::*;
use crate::test_data;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn kinds_are_found() {
    let deployments = find("apps", "v1", "deployments").expect("deployments");
    assert_eq!(
        (deployments.kind, deployments.singular, deployments.short_names),
        ("Deployment", "deployment", &["deploy"][..])
    );
    assert_eq!((deployments.api_version().as_str(), deployments.is_namespaced()), ("apps/v1", true));
    assert_eq!(deployments.categories, ["all"]);
    assert_eq!(
        deployments.subresource("scale").map(|s| (s.group, s.version, s.kind)),
        Some(("autoscaling", "v1", "Scale"))
    );
    assert_eq!(deployments.schema_type().name, "io.k8s.api.apps.v1.Deployment");
    assert_eq!(find_kind("", "v1", "Pod").map(|r| (r.plural, r.api_version())), Some(("pods", "v1".to_owned())));
    assert!(find("apps", "v1", "pods").is_none() && find_kind("apps", "v1beta1", "Deployment").is_none());
    assert!(!find("", "v1", "namespaces").expect("namespaces").has_verb("deletecollection"));
    assert_eq!(find("events.k8s.io", "v1", "events").map(|r| r.storage), Some(("", "v1")));
    assert_eq!(find("", "v1", "endpoints").map(|r| r.singular), Some("endpoints"));
}

#[test]
fn names_are_told_apart() {
    let mut seen = BTreeSet::new();
    for resource in builtin() {
        assert!(seen.insert((resource.group, resource.version, resource.plural)), "{} is there twice", resource.plural);
        assert_eq!(resource.schema_type().name, resource.schema);
        assert!(resource.subresources.is_sorted_by(|a, b| a.name < b.name), "{}", resource.plural);
        assert!(
            resource.verbs.is_sorted() && resource.subresources.iter().all(|s| s.verbs.is_sorted()),
            "{}",
            resource.plural
        );
        let (group, version) = resource.storage;
        assert!(find(group, version, resource.plural).is_some(), "{} is stored as what is served", resource.plural);
    }
    let listed: BTreeSet<(&str, &str)> =
        groups().iter().flat_map(|g| g.versions.iter().map(|v| (g.name, *v))).collect();
    let served: BTreeSet<(&str, &str)> = builtin().iter().map(|r| (r.group, r.version)).collect();
    assert_eq!(listed, served, "discovery lists the groups that are served");
}

/// Verbs and kinds by group, version, plural and subresource, namespaced or not.
type Served = BTreeMap<(String, String, String, String), (BTreeSet<String>, (String, String, String), bool)>;

#[test]
fn what_kubernetes_publishes_is_served_and_nothing_more() {
    let Some(path) = test_data::path("openapi/kubernetes-1.36-swagger.json") else { return };
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let published = published(&document);
    let mut served = Served::new();
    for resource in builtin() {
        let mut put = |subresource: &str, verbs: &[&str], kind: (&str, &str, &str)| {
            served.insert(
                (resource.group.into(), resource.version.into(), resource.plural.into(), subresource.into()),
                (
                    verbs.iter().map(|v| (*v).to_owned()).collect(),
                    (kind.0.into(), kind.1.into(), kind.2.into()),
                    resource.is_namespaced(),
                ),
            );
        };
        put("", resource.verbs, (resource.group, resource.version, resource.kind));
        for sub in resource.subresources {
            put(sub.name, sub.verbs, (sub.group, sub.version, sub.kind));
        }
    }
    for (key, found) in &published {
        assert_eq!(served.get(key), Some(found), "{key:?}");
    }
    for key in served.keys() {
        assert!(published.contains_key(key), "{key:?} is not published");
    }
}

fn published(document: &Value) -> Served {
    let mut found = Served::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let group = match parts.remove(0) {
            "api" => "",
            "apis" if parts.len() > 2 => parts.remove(0),
            _ => continue,
        };
        let Some((&version, parts)) = parts.split_first() else { continue };
        let stable = version.strip_prefix('v').is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit()));
        let served = stable || (group, version) == ("scheduling.k8s.io", "v1alpha2");
        if !served || parts.is_empty() || parts[0] == "watch" {
            continue;
        }
        let in_namespace = parts.starts_with(&["namespaces", "{namespace}"]);
        let rest = if in_namespace { &parts[2..] } else { parts };
        let (plural, subresource) = match rest {
            [plural] | [plural, "{name}"] => (*plural, ""),
            [plural, "{name}", subresource, ..] => (*plural, *subresource),
            _ => continue,
        };
        let key = (group.to_owned(), version.to_owned(), plural.to_owned(), subresource.to_owned());
        for (method, operation) in operations.as_object().unwrap() {
            let Some(action) = operation["x-kubernetes-action"].as_str() else { continue };
            let kind = &operation["x-kubernetes-group-version-kind"];
            let text = |field: &str| kind[field].as_str().unwrap().to_owned();
            let entry = found
                .entry(key.clone())
                .or_insert_with(|| (BTreeSet::new(), (text("group"), text("version"), text("kind")), false));
            entry.0.extend(verbs(action, method).into_iter().map(str::to_owned));
            entry.2 |= in_namespace;
        }
    }
    // Whatever is listed beside a name can be watched; a list that cannot be created is not.
    for (verbs, _, _) in found.values_mut() {
        if verbs.contains("list") && verbs.contains("create") {
            verbs.insert("watch".to_owned());
        }
    }
    found
}

fn verbs(action: &str, method: &str) -> Vec<&'static str> {
    match (action, method) {
        ("post", _) | ("connect", "post") => vec!["create"],
        ("put", _) | ("connect", "put") => vec!["update"],
        ("get", _) | ("connect", "get") => vec!["get"],
        ("list", _) => vec!["list"],
        ("patch", _) | ("connect", "patch") => vec!["patch"],
        ("delete", _) | ("connect", "delete") => vec!["delete"],
        ("deletecollection", _) => vec!["deletecollection"],
        _ => Vec::new(),
    }
}
