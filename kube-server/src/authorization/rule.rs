//! One rule of a role: what it allows, and which other rules it covers.
//!
//! Source: `pkg/apis/rbac/v1/evaluation_helpers.go`, `k8s.io/component-helpers/auth/rbac/validation`.

use crate::request_info::RequestInfo;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A `PolicyRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    #[serde(deserialize_with = "null_is_empty")]
    pub(crate) verbs: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_groups: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub(crate) non_resource_urls: Vec<String>,
}

pub(super) fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == "*" || item == value)
}

impl Rule {
    /// Whether the rule allows what `info` says.
    pub(crate) fn allows(&self, info: &RequestInfo) -> bool {
        if !has(&self.verbs, &info.verb) {
            return false;
        }
        if !info.is_resource {
            return self.non_resource_urls.iter().any(|pattern| path_matches(pattern, &info.path));
        }
        has(&self.api_groups, &info.group)
            && self.resources.iter().any(|r| resource_matches(r, &info.resource, &info.subresource))
            && (self.resource_names.is_empty() || self.resource_names.contains(&info.name))
    }

    /// The rule as rules of one verb, one group, one resource and at most one name, or one verb and one path.
    fn atoms(&self) -> Vec<Self> {
        let mut atoms = Vec::new();
        let one = |text: &String| vec![text.clone()];
        for verb in &self.verbs {
            for group in &self.api_groups {
                for resource in &self.resources {
                    let atom =
                        Self { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Self::default() };
                    if self.resource_names.is_empty() {
                        atoms.push(atom.clone());
                    }
                    atoms.extend(
                        self.resource_names.iter().map(|name| Self { resource_names: one(name), ..atom.clone() }),
                    );
                }
            }
            atoms.extend(self.non_resource_urls.iter().map(|url| Self {
                verbs: one(verb),
                non_resource_urls: one(url),
                ..Self::default()
            }));
        }
        atoms
    }

    fn covers_atom(&self, atom: &Self) -> bool {
        let resource_covered = |wanted: &String| {
            self.resources.iter().any(|held| match wanted.split_once('/') {
                Some((resource, subresource)) => resource_matches(held, resource, subresource),
                None => held == "*" || held == wanted,
            })
        };
        let path_covered = |wanted: &String| {
            self.non_resource_urls.iter().any(|held| match held.strip_suffix('*') {
                Some(prefix) => wanted.starts_with(prefix),
                None => held == wanted,
            })
        };
        atom.verbs.iter().all(|verb| has(&self.verbs, verb))
            && atom.api_groups.iter().all(|group| has(&self.api_groups, group))
            && atom.resources.iter().all(resource_covered)
            && atom.non_resource_urls.iter().all(path_covered)
            && (self.resource_names.is_empty()
                || !atom.resource_names.is_empty()
                    && atom.resource_names.iter().all(|name| self.resource_names.contains(name)))
    }

    /// What `wanted` allows and `held` does not, with the verbs of one resource in one rule.
    pub(crate) fn missing(held: &[Self], wanted: &[Self]) -> Vec<Self> {
        let mut missing: Vec<Self> = Vec::new();
        for atom in wanted.iter().flat_map(Self::atoms) {
            if held.iter().any(|rule| rule.covers_atom(&atom)) {
                continue;
            }
            let same = missing.iter_mut().find(|known| {
                atom.non_resource_urls.is_empty()
                    && (&known.api_groups, &known.resources, &known.resource_names)
                        == (&atom.api_groups, &atom.resources, &atom.resource_names)
            });
            match same {
                Some(known) if known.verbs.contains(&atom.verbs[0]) => {}
                Some(known) => known.verbs.extend(atom.verbs),
                None => missing.push(atom),
            }
        }
        missing
    }
}

/// As Kubernetes writes a rule in an error: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| format!("{name}:{}", quoted_list(list)))
        .collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// A list as Go's `%q` writes it: `["a" "b"]`.
pub(super) fn quoted_list(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(" "))
}

fn resource_matches(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match (pattern.split_once('/'), subresource) {
        (None, "") => pattern == resource,
        (Some((parent, sub)), subresource) => sub == subresource && (parent == "*" || parent == resource),
        (None, _) => false,
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == "*" || pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}
