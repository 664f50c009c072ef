//! The kinds that are asked and not stored: who am I, may I, may they, whose token is this.
//!
//! Source: `pkg/registry/authentication`, `pkg/registry/authorization`.

mod access;
mod rules;
#[cfg(test)]
mod tests;
mod token;

use crate::identity::UserInfo;
use crate::request::Request;
use crate::server::Server;
use kubekit_core::catalog::Resource;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Answers a review: the object with its status filled in.
///
/// # Errors
/// 400 and 422 where the question is malformed.
pub(crate) async fn create(
    server: &Arc<Server>,
    request: &Request,
    resource: &'static Resource,
    mut object: Value,
) -> Result<Value, ApiError> {
    let status = match resource.kind {
        "SelfSubjectReview" => json!({ "userInfo": user_info(&request.user) }),
        "SelfSubjectAccessReview" => access::of_self(server, &request.user, &object)?,
        "SubjectAccessReview" => access::of_subject(server, resource, &object)?,
        "LocalSubjectAccessReview" => access::of_local_subject(server, resource, &request.info.namespace, &object)?,
        "SelfSubjectRulesReview" => rules::of_self(server, &request.user, &object)?,
        "TokenReview" => token::review(server, &object).await?,
        _ => return Err(ApiError::method_not_allowed()),
    };
    object["status"] = status;
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    Ok(object)
}

/// `authentication/v1 UserInfo`
fn user_info(user: &UserInfo) -> Value {
    let mut info = json!({ "username": user.name, "groups": user.groups });
    if !user.uid.is_empty() {
        info["uid"] = json!(user.uid);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}
