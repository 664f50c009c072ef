//! Acting as another user: the `Impersonate-*` headers.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/filters/impersonation`.

use crate::identity::UserInfo;
use crate::query;
use crate::request_info::RequestInfo;
use crate::server::Server;
use http::HeaderMap;
use kubekit_core::status::ApiError;
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const ANONYMOUS: &str = "system:anonymous";
/// How every header begins that says something of impersonation.
const PREFIX: &str = "impersonate-";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// The user that the request is made as.
///
/// # Errors
/// 403 where `user` may not impersonate whom the headers name.
pub(crate) fn impersonate(
    server: &Server,
    parts: &http::request::Parts,
    user: Arc<UserInfo>,
) -> Result<Arc<UserInfo>, ApiError> {
    let Some(wanted) = wanted(&parts.headers)? else { return Ok(user) };
    for permission in permissions(&wanted) {
        server.authorize(&user, &permission)?;
    }
    Ok(Arc::new(with_implied_groups(wanted)))
}

/// Whom the headers name; `None` where there are none.
fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, ApiError> {
    if !headers.keys().any(|name| name.as_str().starts_with(PREFIX)) {
        return Ok(None);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA_PREFIX) {
            extra.entry(query::decode_path(key).to_ascii_lowercase()).or_default().push(text(value));
        }
    }
    let groups: Vec<String> = headers.get_all("impersonate-group").iter().map(text).collect();
    let user = UserInfo { name: first("impersonate-user"), uid: first("impersonate-uid"), groups, extra };
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user == UserInfo::default() {
        return Ok(None);
    }
    Err(ApiError::internal("requested impersonation without impersonating a user"))
}

/// What one must be allowed to do to act as `wanted`.
fn permissions(wanted: &UserInfo) -> Vec<RequestInfo> {
    let impersonate = |group: &str, resource: &str, namespace: &str, name: &str| RequestInfo {
        is_resource: true,
        version: "v1".to_owned(),
        ..RequestInfo::resource("impersonate", group, resource, namespace, name)
    };
    let mut permissions = vec![match service_account(&wanted.name) {
        Some((namespace, name)) => impersonate("", "serviceaccounts", namespace, name),
        None => impersonate("", "users", "", &wanted.name),
    }];
    permissions.extend(wanted.groups.iter().map(|group| impersonate("", "groups", "", group)));
    for (key, values) in &wanted.extra {
        permissions.extend(values.iter().map(|value| RequestInfo {
            subresource: key.clone(),
            ..impersonate(AUTHENTICATION, "userextras", "", value)
        }));
    }
    if !wanted.uid.is_empty() {
        permissions.push(impersonate(AUTHENTICATION, "uids", "", &wanted.uid));
    }
    permissions
}

fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// The groups that the user would have had by authentication.
fn with_implied_groups(mut user: UserInfo) -> UserInfo {
    if let Some((namespace, _)) = service_account(&user.name)
        && user.groups.is_empty()
    {
        user.groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let implied = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if !user.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
        user.groups.push(implied.to_owned());
    }
    user
}
