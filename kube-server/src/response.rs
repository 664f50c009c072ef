//! Responses: statuses, bytes, headers.

use crate::body;
use crate::identity::UserInfo;
use crate::negotiate;
use crate::request::{Request, Response};
use crate::request_info::RequestInfo;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use kubekit_core::status::ApiError;
use serde_json::Value;

/// A response of these bytes.
pub(crate) fn bytes(code: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(body::full(bytes));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// The text that unknown paths are answered with.
pub(crate) fn page_not_found() -> Response {
    let mut response = bytes(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n");
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// An error as a JSON Status, for requests of which nothing more is known.
pub(crate) fn plain_error(error: &ApiError) -> Response {
    of_error(error, "application/json", error.to_status().to_string())
}

/// An error as a Status in the form that the client accepts.
pub(crate) fn error(request: &Request, error: &ApiError) -> Response {
    let format = negotiate::error_format(request);
    let status = error.to_status();
    let mut response = of_error(error, format.content_type(), format.encode(&status));
    add_warnings(request, &mut response);
    response
}

fn of_error(error: &ApiError, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let code = StatusCode::from_u16(error.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = bytes(code, content_type, body);
    if error.details.retry_after_seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(error.details.retry_after_seconds));
    }
    response
}

/// Moves the request's warnings into `Warning` headers: `299 - "text"`.
///
/// Clients bound what headers may hold, so warnings that are long together are cut, and those above the bound left out.
/// Source: `k8s.io/apiserver/pkg/endpoints/filters/warning.go`.
pub(crate) fn add_warnings(request: &Request, response: &mut Response) {
    const CHARS_MAX: usize = 4096;
    const CUT_TO_CHARS: usize = 256;
    let warnings = request.take_warnings();
    let long = warnings.iter().map(|warning| warning.chars().count()).sum::<usize>() > CHARS_MAX;
    let mut written = 0;
    for mut warning in warnings {
        if long {
            warning = warning.chars().take(CUT_TO_CHARS).collect();
            written += warning.chars().count();
            if written > CHARS_MAX {
                return;
            }
        }
        let quoted: String = warning
            .chars()
            .filter(|c| !c.is_control())
            .flat_map(|c| (c == '"' || c == '\\').then_some('\\').into_iter().chain([c]))
            .collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// A small object that was made for this request, in the form that its client accepts.
///
/// # Errors
/// 406 where the client accepts none of the forms.
pub(crate) fn value(request: &Request, code: StatusCode, value: &Value) -> Result<Response, ApiError> {
    let accepted = negotiate::accept(request)?;
    let mut response = bytes(code, accepted.format.content_type(), accepted.format.encode(value));
    add_warnings(request, &mut response);
    Ok(response)
}

/// 403 in the words of Kubernetes' authorization filter.
pub(crate) fn not_allowed(user: &UserInfo, info: &RequestInfo, reason: &str) -> ApiError {
    let mut text = if info.is_resource {
        let resource = match info.subresource.as_str() {
            "" => info.resource.clone(),
            sub => format!("{}/{sub}", info.resource),
        };
        let scope = match info.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        format!("User {:?} cannot {} resource {resource:?} in API group {:?} {scope}", user.name, info.verb, info.group)
    } else {
        format!("User {:?} cannot {} path {:?}", user.name, info.verb, info.path)
    };
    if !reason.is_empty() {
        text = format!("{text}: {reason}");
    }
    ApiError::forbidden(&info.group, &info.resource, &info.name, &text)
}
