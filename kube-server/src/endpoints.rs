//! Paths that name no resource: health, version, the issuer of tokens, OpenAPI, backups.

mod backup;
mod health;
mod reencrypt;
#[cfg(test)]
mod tests;
pub(crate) mod version;

use crate::negotiate::Format;
use crate::request::{Request, Response};
use crate::server::Server;
use crate::tokens::{JWKS_CONTENT_TYPE, JWKS_PATH, OPENID_CONFIGURATION_PATH};
use crate::{discovery, openapi, response};
use http::StatusCode;
use kubekit_core::status::ApiError;
use std::sync::Arc;

/// Paths whose work grows with what is stored: no time is too long for them.
pub(crate) fn is_long_running(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/backup" | "/reencrypt")
}

/// Answers a path outside `/api` and `/apis`; `None` where nothing is there.
pub(crate) async fn serve(server: &Arc<Server>, request: &Request) -> Option<Result<Response, ApiError>> {
    let path = match request.info.path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    if path == "/reencrypt" {
        return Some(reencrypt::answer(server, request).await);
    }
    let first = path.split('/').nth(1).unwrap_or_default();
    if !matches!(
        first,
        "" | "version" | "metrics" | "healthz" | "livez" | "readyz" | "openid" | ".well-known" | "openapi" | "backup"
    ) {
        return None;
    }
    if !matches!(request.parts.method, http::Method::GET | http::Method::HEAD) {
        return Some(Err(ApiError::method_not_allowed()));
    }
    match first {
        "" => Some(Ok(index())),
        "version" if path == "/version" => Some(Ok(version::answer())),
        "metrics" if path == "/metrics" => Some(metrics(server).await),
        "healthz" | "livez" | "readyz" => Some(health::answer(server, request, path).await),
        "openid" | ".well-known" => issuer(server, path).map(Ok),
        "openapi" => openapi::serve(request, path),
        "backup" if path == "/backup" => Some(backup::answer(server).await),
        _ => None,
    }
}

/// The paths that are served, as `/` lists them.
fn index() -> Response {
    let fixed = [
        OPENID_CONFIGURATION_PATH,
        JWKS_PATH,
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
    ];
    let mut paths: Vec<String> = fixed.into_iter().map(str::to_owned).chain(discovery::paths()).collect();
    paths.push("/version".to_owned());
    paths.sort_unstable();
    indented(&serde_json::json!({ "paths": paths }))
}

async fn metrics(server: &Server) -> Result<Response, ApiError> {
    let text = server.metrics.text(server).await?;
    Ok(response::bytes(StatusCode::OK, crate::metrics::CONTENT_TYPE, text))
}

/// A document that people read too, and that comes as JSON whatever the client accepts.
fn indented(document: &serde_json::Value) -> Response {
    let text = crate::codec::encode(Format::Json { pretty: true }, document);
    response::bytes(StatusCode::OK, "application/json", text)
}

/// The discovery documents of the issuer of service account tokens.
fn issuer(server: &Server, path: &str) -> Option<Response> {
    let issuer = &server.service_accounts.as_ref()?.issuer;
    let (content_type, document) = match path {
        OPENID_CONFIGURATION_PATH => ("application/json", issuer.openid_configuration()),
        JWKS_PATH => (JWKS_CONTENT_TYPE, issuer.key_set()),
        _ => return None,
    };
    let mut answer = response::bytes(StatusCode::OK, content_type, document.to_string());
    let cached = http::HeaderValue::from_static("public, max-age=3600");
    answer.headers_mut().insert(http::header::CACHE_CONTROL, cached);
    Some(answer)
}
