//! Role-based access control: an index of roles and bindings, and the decision over it.
//!
//! Source: `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation`.

use super::mirror::{Index, Mirror};
use super::rule::null_is_empty;
use super::{Authorizer, Decision, Rule};
use crate::identity::UserInfo;
use crate::request_info::RequestInfo;
use kubekit_store::{Result, Store};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The keys of all four kinds.
const PREFIX: &str = "/rbac.authorization.k8s.io/";

/// Allows what the roles and bindings in the store allow.
#[derive(Debug)]
pub struct Rbac {
    mirror: Mirror<Roles>,
}

impl Rbac {
    /// Evaluates the roles and bindings in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { mirror: Mirror::new(store, PREFIX) }
    }

    /// Waits until every role and binding that is stored now is known.
    ///
    /// # Errors
    /// When the store cannot be watched.
    pub async fn start(&self) -> Result<()> {
        self.mirror.start().await
    }

    /// Every rule that applies to `user` in `namespace` (and in all, where it is empty), and what could not be resolved.
    pub(crate) fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        self.mirror.read().visit(user, namespace, |found| {
            match found {
                Ok((_, granted)) => rules.extend_from_slice(granted),
                Err(error) => errors.push(error),
            }
            false
        });
        (rules, errors)
    }

    /// The aggregating ClusterRoles and the rules that they should hold.
    pub(crate) fn aggregated(&self) -> Vec<(String, Vec<Rule>)> {
        let index = self.mirror.read();
        let aggregating = index.cluster_roles.iter().filter(|(_, role)| role.aggregates.is_some());
        aggregating.map(|(name, role)| (name.clone(), role.aggregated.clone())).collect()
    }

    /// The rules of the role that a binding in `namespace` refers to.
    pub(super) fn rules_of(&self, role: &RoleRef, namespace: &str) -> std::result::Result<Vec<Rule>, String> {
        self.mirror.read().rules_of(role, namespace).map(<[Rule]>::to_vec)
    }
}

impl Authorizer for Rbac {
    fn authorize(&self, user: &UserInfo, info: &RequestInfo) -> Decision {
        self.mirror.read().authorize(user, info)
    }
}

/// Which role a binding grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct RoleRef {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) name: String,
}

/// Roles and bindings, arranged by whom they concern.
#[derive(Debug, Default)]
pub(super) struct Roles {
    cluster_roles: HashMap<String, ClusterRole>,
    /// By namespace and name.
    roles: HashMap<(String, String), Vec<Rule>>,
    /// By namespace (empty: in the whole cluster).
    bindings: HashMap<String, Bindings>,
    /// Where a binding stands in `bindings`, by its key.
    placed: HashMap<String, (String, String, Vec<Subject>)>,
    /// Whether a ClusterRole changed since rules were last aggregated.
    unsettled: bool,
}

#[derive(Debug, Default)]
struct ClusterRole {
    labels: BTreeMap<String, String>,
    own: Vec<Rule>,
    aggregates: Option<Vec<LabelSelector>>,
    /// The rules of those that it aggregates; kept while it aggregates.
    aggregated: Vec<Rule>,
}

impl ClusterRole {
    fn rules(&self) -> &[Rule] {
        if self.aggregates.is_some() { &self.aggregated } else { &self.own }
    }
}

/// What bindings grant, by subject and then by the binding's name.
#[derive(Debug, Default)]
struct Bindings {
    users: HashMap<String, Grants>,
    groups: HashMap<String, Grants>,
}

type Grants = BTreeMap<String, Grant>;

impl Bindings {
    fn of<'s>(&mut self, subject: &'s Subject) -> (&mut HashMap<String, Grants>, &'s str) {
        match subject {
            Subject::User(name) => (&mut self.users, name),
            Subject::Group(name) => (&mut self.groups, name),
        }
    }

    fn put(&mut self, subject: &Subject, binding: String, grant: Grant) {
        let (grants, name) = self.of(subject);
        grants.entry(name.to_owned()).or_default().insert(binding, grant);
    }

    fn remove(&mut self, subject: &Subject, binding: &str) {
        let (grants, name) = self.of(subject);
        if let Some(of_subject) = grants.get_mut(name) {
            of_subject.remove(binding);
            if of_subject.is_empty() {
                grants.remove(name);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// What concerns a user: first what names it, then what names its groups, in their order.
    fn concerning<'a>(&'a self, user: &UserInfo) -> impl Iterator<Item = &'a Grant> {
        let named = self.users.get(&user.name);
        named.into_iter().chain(user.groups.iter().filter_map(|group| self.groups.get(group))).flat_map(Grants::values)
    }
}

/// What a binding grants to one of its subjects.
#[derive(Clone, Debug)]
struct Grant {
    role: RoleRef,
    /// What an authorizer says that allows by this: made once, as every request is told.
    reason: String,
}

impl Grant {
    /// `subject` is as a reason names it: `User "a"`, `ServiceAccount "a/b"`.
    fn new(role: RoleRef, namespace: &str, binding: &str, subject: &str) -> Self {
        let (kind, binding) = match namespace {
            "" => ("ClusterRoleBinding", binding.to_owned()),
            namespace => ("RoleBinding", format!("{binding}/{namespace}")),
        };
        let reason = format!("RBAC: allowed by {kind} {binding:?} of {} {:?} to {subject}", role.kind, role.name);
        Self { role, reason }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    Group(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, deserialize_with = "null_is_empty")]
    rules: Vec<Rule>,
    aggregation_rule: Option<AggregationRule>,
    #[serde(default)]
    role_ref: RoleRef,
    #[serde(default, deserialize_with = "null_is_empty")]
    subjects: Vec<StoredSubject>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregationRule {
    #[serde(default, deserialize_with = "null_is_empty")]
    cluster_role_selectors: Vec<LabelSelector>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LabelSelector {
    #[serde(default, deserialize_with = "null_is_empty")]
    match_labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    values: Vec<String>,
}

impl LabelSelector {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|e| {
                let value = labels.get(&e.key);
                match e.operator.as_str() {
                    "In" => value.is_some_and(|v| e.values.contains(v)),
                    "NotIn" => value.is_none_or(|v| !e.values.contains(v)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

#[derive(Deserialize)]
struct StoredSubject {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

impl StoredSubject {
    /// Whom it names, and how a reason says so.
    fn resolve(&self, binding_namespace: &str) -> Option<(Subject, String)> {
        let Self { kind, name, namespace } = self;
        match kind.as_str() {
            "User" => Some((Subject::User(name.clone()), format!("User {name:?}"))),
            "Group" => Some((Subject::Group(name.clone()), format!("Group {name:?}"))),
            "ServiceAccount" => {
                let namespace = if namespace.is_empty() { binding_namespace } else { namespace };
                let user = format!("system:serviceaccount:{namespace}:{name}");
                let text = format!("ServiceAccount {:?}", format!("{name}/{namespace}"));
                (!namespace.is_empty()).then_some((Subject::User(user), text))
            }
            _ => None,
        }
    }
}

impl Index for Roles {
    fn put(&mut self, key: &str, object: &[u8]) {
        let Ok(stored) = serde_json::from_slice::<Stored>(object) else {
            // Nothing is granted by what cannot be read.
            tracing::error!(key, "role or binding cannot be read");
            return self.remove(key);
        };
        let Metadata { name, namespace, labels } = stored.metadata;
        match plural(key) {
            "clusterroles" => {
                let aggregates = stored.aggregation_rule.map(|rule| rule.cluster_role_selectors);
                let role = ClusterRole { labels, own: stored.rules, aggregates, aggregated: Vec::new() };
                self.cluster_roles.insert(name, role);
                self.unsettled = true;
            }
            "roles" => {
                self.roles.insert((namespace, name), stored.rules);
            }
            "clusterrolebindings" | "rolebindings" => {
                self.unbind(key);
                let mut subjects = Vec::new();
                for (subject, text) in stored.subjects.iter().filter_map(|s| s.resolve(&namespace)) {
                    let grant = Grant::new(stored.role_ref.clone(), &namespace, &name, &text);
                    self.bindings.entry(namespace.clone()).or_default().put(&subject, name.clone(), grant);
                    subjects.push(subject);
                }
                self.placed.insert(key.to_owned(), (namespace, name, subjects));
            }
            _ => {}
        }
    }

    fn remove(&mut self, key: &str) {
        let mut parts = key.strip_prefix(PREFIX).unwrap_or_default().split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("clusterroles"), Some(name), None) => {
                self.cluster_roles.remove(name);
                self.unsettled = true;
            }
            (Some("roles"), Some(namespace), Some(name)) => {
                self.roles.remove(&(namespace.to_owned(), name.to_owned()));
            }
            _ => self.unbind(key),
        }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.unsettled) {
            self.aggregate();
        }
    }
}

fn plural(key: &str) -> &str {
    key.strip_prefix(PREFIX).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

impl Roles {
    fn unbind(&mut self, key: &str) {
        let Some((namespace, name, subjects)) = self.placed.remove(key) else { return };
        let Some(here) = self.bindings.get_mut(&namespace) else { return };
        for subject in subjects {
            here.remove(&subject, &name);
        }
        if here.is_empty() {
            self.bindings.remove(&namespace);
        }
    }

    /// Fills in the rules of aggregating roles, until roles that aggregate such roles have settled.
    fn aggregate(&mut self) {
        let aggregating: Vec<String> =
            self.cluster_roles.iter().filter(|(_, r)| r.aggregates.is_some()).map(|(n, _)| n.clone()).collect();
        // A chain of aggregations is at most as long as there are aggregating roles.
        for _ in 0..=aggregating.len() {
            let mut changed = false;
            for name in &aggregating {
                let rules = self.rules_to_aggregate(name);
                if let Some(role) = self.cluster_roles.get_mut(name)
                    && role.aggregated != rules
                {
                    role.aggregated = rules;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn rules_to_aggregate(&self, name: &str) -> Vec<Rule> {
        let Some(selectors) = self.cluster_roles.get(name).and_then(|role| role.aggregates.as_ref()) else {
            return Vec::new();
        };
        let mut selected: Vec<(&String, &ClusterRole)> = self
            .cluster_roles
            .iter()
            .filter(|(other, role)| *other != name && selectors.iter().any(|s| s.matches(&role.labels)))
            .collect();
        selected.sort_by_key(|(name, _)| *name);
        let mut rules: Vec<Rule> = Vec::new();
        for rule in selected.iter().flat_map(|(_, role)| role.rules()) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        rules
    }

    fn rules_of(&self, role: &RoleRef, namespace: &str) -> std::result::Result<&[Rule], String> {
        let missing = |resource: &str| format!("{resource}.rbac.authorization.k8s.io {:?} not found", role.name);
        match role.kind.as_str() {
            "ClusterRole" => {
                self.cluster_roles.get(&role.name).map(ClusterRole::rules).ok_or_else(|| missing("clusterrole"))
            }
            "Role" => {
                let key = (namespace.to_owned(), role.name.clone());
                self.roles.get(&key).map(Vec::as_slice).ok_or_else(|| missing("role"))
            }
            other => Err(format!("unsupported role reference kind: {other:?}")),
        }
    }

    /// Shows every grant that concerns `user` in the cluster, then in `namespace`, until `see` says that it has seen enough.
    fn visit<'a>(
        &'a self,
        user: &UserInfo,
        namespace: &str,
        mut see: impl FnMut(std::result::Result<(&'a Grant, &'a [Rule]), String>) -> bool,
    ) {
        let scopes: &[&str] = if namespace.is_empty() { &[""] } else { &["", namespace] };
        for scope in scopes {
            let Some((scope, here)) = self.bindings.get_key_value(*scope) else { continue };
            for grant in here.concerning(user) {
                if see(self.rules_of(&grant.role, scope).map(|rules| (grant, rules))) {
                    return;
                }
            }
        }
    }

    fn authorize(&self, user: &UserInfo, info: &RequestInfo) -> Decision {
        let mut allowed = None;
        let mut errors = Vec::new();
        let namespace = if info.is_resource { info.namespace.as_str() } else { "" };
        self.visit(user, namespace, |found| match found {
            Ok((grant, rules)) if rules.iter().any(|rule| rule.allows(info)) => {
                allowed = Some(grant.reason.clone());
                true
            }
            Ok(_) => false,
            Err(error) => {
                errors.push(error);
                false
            }
        });
        match (allowed, errors.as_slice()) {
            (Some(reason), _) => Decision::Allow(reason),
            (None, []) => Decision::NoOpinion(String::new()),
            (None, [one]) => Decision::NoOpinion(format!("RBAC: {one}")),
            (None, many) => Decision::NoOpinion(format!("RBAC: [{}]", many.join(", "))),
        }
    }
}
