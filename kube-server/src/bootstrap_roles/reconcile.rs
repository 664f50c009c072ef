//! Default roles that a cluster already has, after an upgrade or an accident: what they lack is added, what people added
//! stays.
//!
//! Source: `k8s.io/component-helpers/auth/rbac/reconciliation`.

use super::AUTOUPDATE;
use crate::authorization::Rule;
use serde::Deserialize;
use serde_json::{Value, json};

/// The object as it should be, where it lacks something of `wanted`. One whose annotation says so is left alone.
pub(crate) fn reconcile(wanted: &Value, existing: &Value) -> Option<Value> {
    if existing["metadata"]["annotations"][AUTOUPDATE] == "false" {
        return None;
    }
    let mut object = existing.clone();
    for field in ["labels", "annotations"] {
        for (key, value) in wanted["metadata"][field].as_object().into_iter().flatten() {
            object["metadata"][field][key] = value.clone();
        }
    }
    if wanted["roleRef"].is_object() {
        object["roleRef"] = wanted["roleRef"].clone();
        // A binding may have no subjects, and is not given an empty list of them.
        if wanted["subjects"].is_array() {
            add_missing(&mut object["subjects"], &wanted["subjects"]);
        }
    } else if wanted["aggregationRule"].is_object() {
        // The rules follow from the selectors.
        let selectors = "clusterRoleSelectors";
        add_missing(&mut object["aggregationRule"][selectors], &wanted["aggregationRule"][selectors]);
    } else {
        let rules = |object: &Value| Vec::<Rule>::deserialize(&object["rules"]).unwrap_or_default();
        let missing = Rule::missing(&rules(existing), &rules(wanted));
        if !missing.is_empty() {
            let mut all = existing["rules"].as_array().cloned().unwrap_or_default();
            all.extend(missing.iter().map(|rule| json!(rule)));
            object["rules"] = Value::Array(all);
        }
    }
    (object != *existing).then_some(object)
}

fn add_missing(list: &mut Value, wanted: &Value) {
    for item in wanted.as_array().into_iter().flatten() {
        let has = list.as_array().is_some_and(|list| list.contains(item));
        match list.as_array_mut() {
            _ if has => {}
            Some(list) => list.push(item.clone()),
            None => *list = Value::Array(vec![item.clone()]),
        }
    }
}
