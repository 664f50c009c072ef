//! Nobody grants more than they have.
//!
//! Source: `pkg/registry/rbac/escalation_check.go` and the `policybased` storages beside it.

use super::rbac::RoleRef;
use super::rule::quoted_list;
use super::{Authorizer, Decision, Rbac, Rule};
use crate::admission::{Admission, AdmissionRequest, Operation};
use crate::request_info::RequestInfo;
use kubekit_core::status::ApiError;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses roles and bindings that would grant what their author does not have, unless the author may `escalate` the role
/// or `bind` it.
#[derive(Debug)]
pub struct Escalation {
    rbac: Arc<Rbac>,
}

impl Escalation {
    /// Judges by what `rbac` knows.
    pub fn new(rbac: Arc<Rbac>) -> Self {
        Self { rbac }
    }

    fn may(&self, request: &AdmissionRequest<'_>, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let info = RequestInfo::resource(verb, GROUP, resource, namespace, name);
        matches!(self.rbac.authorize(request.user, &info), Decision::Allow(_))
    }

    fn check_role(&self, request: &AdmissionRequest<'_>, role: &Value, name: &str) -> Result<(), ApiError> {
        let plural = request.resource.plural;
        if self.may(request, "escalate", plural, request.namespace, name) {
            return Ok(());
        }
        let old = request.old.and_then(|old| old.get("aggregationRule")).filter(|rule| !rule.is_null());
        let new = role.get("aggregationRule").filter(|rule| !rule.is_null());
        if new.is_some() && new != old {
            let everything = Rule {
                verbs: vec!["*".into()],
                api_groups: vec!["*".into()],
                resources: vec!["*".into()],
                ..Rule::default()
            };
            let (held, _) = self.rbac.rules_for(request.user, "");
            if !Rule::missing(&held, &[everything]).is_empty() {
                let detail = "must have cluster-admin privileges to use an aggregationRule";
                return Err(ApiError::forbidden(GROUP, plural, name, detail));
            }
        }
        let rules = Vec::<Rule>::deserialize(role.get("rules").unwrap_or(&Value::Null)).unwrap_or_default();
        self.check_rules(request, &rules, name)
    }

    fn check_binding(&self, request: &AdmissionRequest<'_>, binding: &Value, name: &str) -> Result<(), ApiError> {
        let role = RoleRef::deserialize(&binding["roleRef"]).unwrap_or_default();
        let (plural, namespace) =
            if role.kind == "ClusterRole" { ("clusterroles", request.namespace) } else { ("roles", request.namespace) };
        if self.may(request, "bind", plural, namespace, &role.name) {
            return Ok(());
        }
        let rules = self.rbac.rules_of(&role, request.namespace).map_err(|_| {
            let singular = if role.kind == "ClusterRole" { "clusterrole" } else { "role" };
            ApiError::not_found(GROUP, singular, &role.name)
        })?;
        self.check_rules(request, &rules, name)
    }

    fn check_rules(&self, request: &AdmissionRequest<'_>, rules: &[Rule], name: &str) -> Result<(), ApiError> {
        let (held, errors) = self.rbac.rules_for(request.user, request.namespace);
        let missing: BTreeSet<String> = Rule::missing(&held, rules).iter().map(ToString::to_string).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = missing.into_iter().collect();
        let mut detail = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            request.user.name,
            quoted_list(&request.user.groups),
            lines.join("\n"),
        );
        if !errors.is_empty() {
            detail = format!("{detail}; resolution errors: [{}]", errors.join(", "));
        }
        Err(ApiError::forbidden(GROUP, request.resource.plural, name, &detail))
    }
}

impl Admission for Escalation {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
        if request.resource.group != GROUP
            || !matches!(request.operation, Operation::Create | Operation::Update)
            || request.user.groups.iter().any(|group| group == "system:masters")
        {
            return Ok(());
        }
        let Some(object) = request.object.as_deref() else { return Ok(()) };
        if request.old.is_some_and(|old| only_bookkeeping_differs(object, old)) {
            return Ok(());
        }
        // A create with generateName has no name yet; the error then shows none.
        let name = object["metadata"]["name"].as_str().unwrap_or(request.name);
        match request.resource.kind {
            "Role" | "ClusterRole" => self.check_role(request, object, name),
            "RoleBinding" | "ClusterRoleBinding" => self.check_binding(request, object, name),
            _ => Ok(()),
        }
    }
}

/// Whether an update changes only what garbage collection must be able to change on a role that it could not grant.
fn only_bookkeeping_differs(new: &Value, old: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"] {
                metadata.remove(field);
            }
        }
        object
    };
    without(new) == without(old)
}
