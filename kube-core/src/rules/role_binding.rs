//! RoleBinding and ClusterRoleBinding. Source: `pkg/apis/rbac/v1/defaults.go`, `pkg/apis/rbac/validation`.

use super::access::{child_mut, default_text, each_mut, list, text};
use super::{NameRule, Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Rules of RoleBindings.
#[derive(Debug)]
pub struct RoleBinding;

impl Rules for RoleBinding {
    fn default(&self, object: &mut Value) {
        default(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        check(object, &["Role", "ClusterRole"], true)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        check_update(self.validate(new), new, old)
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

/// Rules of ClusterRoleBindings.
#[derive(Debug)]
pub struct ClusterRoleBinding;

impl Rules for ClusterRoleBinding {
    fn default(&self, object: &mut Value) {
        default(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        check(object, &["ClusterRole"], false)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        check_update(self.validate(new), new, old)
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

fn default(object: &mut Value) {
    if let Some(role) = child_mut(object, "roleRef") {
        default_text(role, "apiGroup", GROUP);
    }
    for subject in each_mut(object, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            default_text(subject, "apiGroup", GROUP);
        }
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

fn check_update(mut errors: ErrorList, new: &Value, old: &Value) -> ErrorList {
    if new["roleRef"] != old["roleRef"] {
        errors.push(Error::invalid(&Path::new("roleRef"), &new["roleRef"], "cannot change roleRef"));
    }
    errors
}
