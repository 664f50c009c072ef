//! What may I do in a namespace?

use crate::identity::UserInfo;
use crate::server::Server;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};

pub(super) fn of_self(server: &Server, user: &UserInfo, object: &Value) -> Result<Value, ApiError> {
    let namespace = object["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let (rules, errors) = server.rbac.rules_for(user, namespace);
    let (mut resource_rules, mut path_rules) = (Vec::new(), Vec::new());
    for rule in &rules {
        if !rule.resources.is_empty() {
            let mut map = Map::new();
            for (field, list) in [
                ("verbs", &rule.verbs),
                ("apiGroups", &rule.api_groups),
                ("resources", &rule.resources),
                ("resourceNames", &rule.resource_names),
            ] {
                if !list.is_empty() {
                    map.insert(field.to_owned(), json!(list));
                }
            }
            resource_rules.push(Value::Object(map));
        }
        if !rule.non_resource_urls.is_empty() {
            path_rules.push(json!({ "verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls }));
        }
    }
    // Rules of authorizers other than RBAC cannot be listed: a node's depend on its pods.
    let incomplete = !errors.is_empty() || user.groups.iter().any(|group| group == "system:nodes");
    let mut status =
        json!({ "resourceRules": resource_rules, "nonResourceRules": path_rules, "incomplete": incomplete });
    if !errors.is_empty() {
        status["evaluationError"] = json!(errors.join(", "));
    }
    Ok(status)
}
