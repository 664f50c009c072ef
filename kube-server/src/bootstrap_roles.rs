//! The roles and bindings that every cluster starts with.
//!
//! The tables below this module name rules as people do (`get list watch` on `pods services` of `core`). They are encoded
//! once a process; a server that starts on an empty store only adds uid and time, so that a control plane in a unit test
//! can afford all of them.
//!
//! Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` of Kubernetes 1.36.

mod bindings;
mod cluster_roles;
mod controller_roles;
mod namespace_roles;
mod reconcile;
#[cfg(test)]
mod tests;

use crate::keys;
use crate::registry::attributes;
use bindings::Subject;
use kubekit_core::catalog::find_kind;
use kubekit_store::Attributes;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

pub(crate) use reconcile::reconcile;

const GROUP: &str = "rbac.authorization.k8s.io";

/// One rule: space-separated words; `core` is the core group.
#[derive(Clone, Copy, Debug)]
struct Rule {
    verbs: &'static str,
    groups: &'static str,
    resources: &'static str,
    names: &'static str,
    paths: &'static str,
}

const fn rule(verbs: &'static str, groups: &'static str, resources: &'static str) -> Rule {
    Rule { verbs, groups, resources, names: "", paths: "" }
}

const fn named(verbs: &'static str, groups: &'static str, resources: &'static str, names: &'static str) -> Rule {
    Rule { verbs, groups, resources, names, paths: "" }
}

const fn paths(verbs: &'static str, paths: &'static str) -> Rule {
    Rule { verbs, groups: "", resources: "", names: "", paths }
}

const READ: &str = "get list watch";
const WRITE: &str = "create delete deletecollection patch update";
const EVENTS: Rule = rule("create patch update", "core events.k8s.io", "events");

/// A rule set that others take up by its `aggregate-to-…` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregates {
    /// Into none.
    No,
    /// Into `admin`, `edit` or `view`.
    To(&'static str),
}

/// An encoded object, all but its uid and its time.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    /// Its key in the store.
    pub(crate) key: String,
    /// What selectors see of it.
    pub(crate) attributes: Attributes,
    /// What comes before the stamp in its metadata.
    head: String,
    /// What follows the stamp in its metadata, and the rest.
    rest: String,
}

impl Bootstrap {
    /// The object with a uid and a creation time (RFC 3339).
    pub(crate) fn stamped(&self, uid: &str, created: &str) -> String {
        format!(r#"{}"uid":"{uid}","creationTimestamp":"{created}",{}"#, self.head, self.rest)
    }

    /// Where [`Bootstrap::stamped`] bytes take up a resourceVersion: at the start of the metadata.
    pub(crate) fn splice(&self) -> u32 {
        u32::try_from(self.head.len()).expect("heads are short")
    }

    fn new(plural: &str, kind: &str, namespace: &str, name: &str, labels: Value, fields: &Map<String, Value>) -> Self {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(name));
        if !namespace.is_empty() {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        metadata.insert("annotations".to_owned(), json!({ AUTOUPDATE: "true" }));
        metadata.insert("labels".to_owned(), labels);
        let metadata = Value::Object(metadata);
        let resource = find_kind(GROUP, "v1", kind).expect("RBAC is in the catalog");
        let attributes = attributes::of(resource, &json!({ "metadata": metadata }));
        let metadata = metadata.to_string();
        let fields = serde_json::to_string(fields).expect("a map of JSON values encodes");
        let head = format!(r#"{{"apiVersion":"{GROUP}/v1","kind":"{kind}","metadata":{{"#);
        // Both begin with a brace: the stamp opens the one, the metadata's end continues with the other.
        let rest = format!("{},{}", &metadata[1..], &fields[1..]);
        Self { key: keys::object_key(GROUP, plural, namespace, name), attributes, head, rest }
    }
}

/// Reconciliation at start may restore what this annotation marks.
pub(crate) const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// Every object that a cluster starts with, roles before the bindings that name them.
pub(crate) fn objects() -> &'static [Bootstrap] {
    static OBJECTS: LazyLock<Vec<Bootstrap>> = LazyLock::new(|| {
        let mut objects = Vec::with_capacity(256);
        for (name, aggregates, rules) in cluster_roles::ROLES {
            objects.push(role("", name, *aggregates, None, rules));
        }
        for (name, aggregates) in
            [("admin", Aggregates::No), ("edit", Aggregates::To("admin")), ("view", Aggregates::To("edit"))]
        {
            objects.push(role("", name, aggregates, Some(name), &cluster_roles::aggregated(name)));
        }
        for (name, rules) in controller_roles::ROLES {
            objects.push(role("", &format!("system:controller:{name}"), Aggregates::No, None, rules));
        }
        for (namespace, name, rules) in namespace_roles::ROLES {
            objects.push(role(namespace, name, Aggregates::No, None, rules));
        }
        for (name, subjects) in bindings::CLUSTER {
            objects.push(binding("", name, ("ClusterRole", name), subjects));
        }
        for (name, _) in controller_roles::ROLES {
            let name = format!("system:controller:{name}");
            let account = name.rsplit(':').next().unwrap_or_default();
            objects.push(binding("", &name, ("ClusterRole", &name), &[Subject::ServiceAccount(account)]));
        }
        for (namespace, name, role, subjects) in bindings::NAMESPACED {
            objects.push(binding(namespace, name, ("Role", role), subjects));
        }
        objects
    });
    &OBJECTS
}

/// The rules of `system:node`, which the node authorizer narrows down to each node's own.
pub(crate) fn node_rules() -> Vec<crate::authorization::Rule> {
    let rules = cluster_roles::ROLES.iter().find(|(name, _, _)| *name == "system:node").map(|(_, _, rules)| *rules);
    rules
        .unwrap_or_default()
        .iter()
        .map(|rule| serde_json::from_value(rule.to_json()).expect("the table holds rules"))
        .collect()
}

fn role(
    namespace: &str,
    name: &str,
    aggregates: Aggregates,
    aggregation_of: Option<&str>,
    rules: &[Rule],
) -> Bootstrap {
    let (plural, kind) = if namespace.is_empty() { ("clusterroles", "ClusterRole") } else { ("roles", "Role") };
    let mut labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
    if let Aggregates::To(other) = aggregates {
        labels[aggregation_label(other)] = json!("true");
    }
    let mut fields = Map::new();
    if let Some(label) = aggregation_of {
        let selector = json!({ "matchLabels": { aggregation_label(label): "true" } });
        fields.insert("aggregationRule".to_owned(), json!({ "clusterRoleSelectors": [selector] }));
    }
    fields.insert("rules".to_owned(), rules.iter().copied().map(Rule::to_json).collect());
    Bootstrap::new(plural, kind, namespace, name, labels, &fields)
}

fn aggregation_label(role: &str) -> String {
    format!("{GROUP}/aggregate-to-{role}")
}

fn binding(namespace: &str, name: &str, (role_kind, role): (&str, &str), subjects: &[Subject<'_>]) -> Bootstrap {
    let (plural, kind) = if namespace.is_empty() {
        ("clusterrolebindings", "ClusterRoleBinding")
    } else {
        ("rolebindings", "RoleBinding")
    };
    let labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
    let mut fields = Map::new();
    fields.insert("roleRef".to_owned(), json!({ "apiGroup": GROUP, "kind": role_kind, "name": role }));
    if !subjects.is_empty() {
        fields.insert("subjects".to_owned(), subjects.iter().copied().map(Subject::to_json).collect());
    }
    Bootstrap::new(plural, kind, namespace, name, labels, &fields)
}

impl Rule {
    fn to_json(self) -> Value {
        let mut map = Map::new();
        for (field, text) in [
            ("apiGroups", self.groups),
            ("resources", self.resources),
            ("resourceNames", self.names),
            ("nonResourceURLs", self.paths),
            ("verbs", self.verbs),
        ] {
            let core = |word| if field == "apiGroups" && word == "core" { "" } else { word };
            if !text.is_empty() {
                map.insert(field.to_owned(), text.split(' ').map(core).collect());
            }
        }
        Value::Object(map)
    }
}
