//! RoleBinding and ClusterRoleBinding. Source: `pkg/apis/rbac/v1/defaults.go`, `pkg/apis/rbac/validation`.

use super::access::{child_mut, default_text, each_mut, list, text};
use super::{NameRule, Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Rules of RoleBindings and ClusterRoleBindings.
#[derive(Debug)]
pub struct Binding {
    /// Whether it grants within its namespace.
    pub namespaced: bool,
}

impl Rules for Binding {
    fn default(&self, object: &mut Value) {
        if let Some(role) = child_mut(object, "roleRef") {
            default_text(role, "apiGroup", GROUP);
        }
        for subject in each_mut(object, "subjects") {
            if matches!(text(subject, "kind"), "User" | "Group") {
                default_text(subject, "apiGroup", GROUP);
            }
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let kinds: &[&str] = if self.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
        check(object, kinds, self.namespaced)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        if new["roleRef"] != old["roleRef"] {
            errors.push(Error::invalid(&Path::new("roleRef"), &new["roleRef"], "cannot change roleRef"));
        }
        errors
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

fn check(object: &Value, kinds: &[&str], namespaced: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("roleRef");
    let role = &object["roleRef"];
    format::check_supported(&mut errors, &path, role, "apiGroup", &[GROUP]);
    format::check_supported(&mut errors, &path, role, "kind", kinds);
    match text(role, "name") {
        "" => errors.push(Error::required(&path.child("name"), "")),
        name => {
            for message in format::path_segment(name) {
                errors.push(Error::invalid(&path.child("name"), &name.into(), &message));
            }
        }
    }
    for (index, subject) in list(object, "subjects").iter().enumerate() {
        check_subject(&mut errors, &Path::new("subjects").index(index), subject, namespaced);
    }
    errors
}

fn check_subject(errors: &mut ErrorList, path: &Path, subject: &Value, namespaced: bool) {
    let name = text(subject, "name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    let group = text(subject, "apiGroup");
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                format::check_subdomain(errors, &path.child("name"), name);
            }
            if !group.is_empty() {
                errors.push(Error::not_supported(&path.child("apiGroup"), &group.into(), &[""]));
            }
            // A ServiceAccount lives in a namespace, which only a RoleBinding has one of its own for.
            if !namespaced && text(subject, "namespace").is_empty() {
                errors.push(Error::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.push(Error::not_supported(&path.child("apiGroup"), &group.into(), &[GROUP]));
            }
        }
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(Error::not_supported(&path.child("kind"), &other.into(), &kinds));
        }
    }
}
