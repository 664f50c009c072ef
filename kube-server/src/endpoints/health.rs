//! `/healthz`, `/livez`, `/readyz`: whether the server lives and serves, check by check.
//!
//! Source: `k8s.io/apiserver/pkg/server/healthz`.

use crate::request::{Request, Response};
use crate::response;
use crate::server::Server;
use http::{HeaderValue, StatusCode};
use kubekit_core::status::ApiError;
use std::fmt::Write;
use std::time::Duration;

/// A store that does not answer for this long is not healthy.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The checks of each endpoint, under Kubernetes' names: `etcd` is whatever store there is.
const CHECKS: &[&str] = &["ping", "log", "etcd", "poststarthook/rbac/bootstrap-roles"];

/// Answers `/livez`, `/livez?verbose`, `/livez/ping`, …
///
/// # Errors
/// None: a failed check is an answer.
pub(super) async fn answer(server: &Server, request: &Request, path: &str) -> Result<Response, ApiError> {
    let trimmed = path.trim_start_matches('/');
    let (endpoint, single) = trimmed.split_once('/').unwrap_or((trimmed, ""));
    if !single.is_empty() && !CHECKS.contains(&single) {
        return Ok(response::page_not_found());
    }
    let excluded: Vec<&str> = request.query.all("exclude").collect();
    let checks = CHECKS.iter().filter(|name| single.is_empty() || **name == single);
    let (mut text, mut healthy) = (String::new(), true);
    for name in checks {
        let line = if excluded.contains(name) {
            format!("[+]{name} excluded: ok")
        } else {
            match check(server, name).await {
                Ok(()) => format!("[+]{name} ok"),
                Err(reason) => {
                    healthy = false;
                    tracing::warn!(endpoint, check = name, %reason, "a health check failed");
                    format!("[-]{name} failed: {reason}")
                }
            }
        };
        let _ = writeln!(text, "{line}");
    }
    let mut unknown: Vec<String> =
        excluded.iter().filter(|name| !CHECKS.contains(name)).map(|name| format!("{name:?}")).collect();
    if !unknown.is_empty() {
        unknown.sort();
        unknown.dedup();
        let _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {}", unknown.join(","));
    }
    let outcome = if healthy { "passed" } else { "failed" };
    let _ = writeln!(text, "{endpoint} check {outcome}");
    let verbose = request.query.get("verbose").is_some();
    let (code, text) = match healthy {
        false => (StatusCode::INTERNAL_SERVER_ERROR, text),
        true if verbose && single.is_empty() => (StatusCode::OK, text),
        true => (StatusCode::OK, "ok".to_owned()),
    };
    let mut answer = response::bytes(code, "text/plain; charset=utf-8", text);
    answer.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    Ok(answer)
}

/// Carries out one check; the error says what is wrong.
async fn check(server: &Server, check: &str) -> Result<(), String> {
    match check {
        "etcd" => match tokio::time::timeout(STORE_TIMEOUT, server.store().health()).await {
            Ok(health) => health.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store has not answered within {STORE_TIMEOUT:?}")),
        },
        // The server exists only after its roles do, and answers only when it can.
        _ => Ok(()),
    }
}
