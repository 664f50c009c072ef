//! Makers, and the tests of each authorizer.

mod escalation;
mod node;
mod node_restriction;
mod rbac;
mod rule;

use crate::identity::UserInfo;
use crate::keys;
use crate::request_info::RequestInfo;
use kubekit_store::{Memory, Precondition, Store, Value};
use serde_json::json;
use std::sync::Arc;

pub(super) fn store() -> Arc<dyn Store> {
    Arc::new(Memory::new(crate::extractor(), crate::store_config()))
}

/// Writes an object where its kind lives.
pub(super) async fn put(store: &Arc<dyn Store>, group: &str, plural: &str, object: serde_json::Value) {
    let field = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    let key = keys::object_key(group, plural, &field("namespace"), &field("name"));
    let value = Value { bytes: object.to_string().into(), splice: 1 };
    store.put(&key, Precondition::None, value).await.unwrap();
}

pub(super) async fn delete(store: &Arc<dyn Store>, group: &str, plural: &str, namespace: &str, name: &str) {
    store.delete(&keys::object_key(group, plural, namespace, name), Precondition::None).await.unwrap();
}

pub(super) async fn put_rbac(store: &Arc<dyn Store>, plural: &str, object: serde_json::Value) {
    put(store, "rbac.authorization.k8s.io", plural, object).await;
}

/// `rule("get,list", "apps", "deployments,pods/log")`
pub(super) fn rule(verbs: &str, groups: &str, resources: &str) -> serde_json::Value {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    json!({ "verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources) })
}

pub(super) fn user(name: &str) -> UserInfo {
    UserInfo::new(name, [] as [&str; 0])
}

/// `GET /api/v1/pods`
pub(super) fn info(request: &str) -> RequestInfo {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    RequestInfo::parse(&method.parse().unwrap(), path, query)
}
