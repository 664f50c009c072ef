//! Role and ClusterRole. Source: `pkg/apis/rbac/validation`.

use super::access::{count, get, list};
use super::{NameRule, Rules, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Rules of Roles.
#[derive(Debug)]
pub struct Role;

impl Rules for Role {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check_rules(&mut errors, object, true);
        errors
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

/// Rules of ClusterRoles.
#[derive(Debug)]
pub struct ClusterRole;

impl Rules for ClusterRole {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check_rules(&mut errors, object, false);
        let Some(aggregation) = get(object, "aggregationRule") else { return errors };
        let path = Path::new("aggregationRule").child("clusterRoleSelectors");
        if count(aggregation, "clusterRoleSelectors") == 0 {
            errors.push(Error::required(
                &path,
                "at least one clusterRoleSelector required if aggregationRule is non-nil",
            ));
        }
        for (index, one) in list(aggregation, "clusterRoleSelectors").iter().enumerate() {
            selector::check(&mut errors, &path.index(index), one);
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

fn check_rules(errors: &mut ErrorList, object: &Value, namespaced: bool) {
    let path = Path::new("rules");
    for (index, rule) in list(object, "rules").iter().enumerate() {
        let path = path.index(index);
        if count(rule, "verbs") == 0 {
            errors.push(Error::required(&path.child("verbs"), "verbs must contain at least one value"));
        }
        if count(rule, "nonResourceURLs") > 0 {
            let urls = path.child("nonResourceURLs");
            if namespaced {
                let text = "namespaced rules cannot apply to non-resource URLs";
                errors.push(Error::invalid(&urls, &rule["nonResourceURLs"], text));
            }
            if count(rule, "apiGroups") + count(rule, "resources") + count(rule, "resourceNames") > 0 {
                let text = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(Error::invalid(&urls, &rule["nonResourceURLs"], text));
            }
            continue;
        }
        if count(rule, "apiGroups") == 0 {
            errors.push(Error::required(&path.child("apiGroups"), "resource rules must supply at least one api group"));
        }
        if count(rule, "resources") == 0 {
            errors.push(Error::required(&path.child("resources"), "resource rules must supply at least one resource"));
        }
    }
}
