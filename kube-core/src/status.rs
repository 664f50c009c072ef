//! API errors: the `Status` object that every failed request is answered with.
//!
//! Source: `k8s.io/apimachinery/pkg/api/errors`. Clients match on `code`, `reason` and the texts.

use crate::field;
use serde_json::{Value, json};

/// Why a request failed; each reason has one HTTP code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 406
    NotAcceptable,
    /// 409
    AlreadyExists,
    /// 409
    Conflict,
    /// 410
    Gone,
    /// 410
    Expired,
    /// 413
    RequestEntityTooLarge,
    /// 415
    UnsupportedMediaType,
    /// 422
    Invalid,
    /// 429
    TooManyRequests,
    /// 500
    InternalError,
    /// 503
    ServiceUnavailable,
    /// 504
    Timeout,
    /// 504, where the server could not finish in time
    ServerTimeout,
    /// 507
    InsufficientStorage,
}

impl Reason {
    /// The HTTP code.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Gone | Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::ServerTimeout => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
            Self::InsufficientStorage => 507,
        }
    }

    /// Every reason.
    const ALL: [Self; 19] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Gone,
        Self::Expired,
        Self::RequestEntityTooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::TooManyRequests,
        Self::InternalError,
        Self::ServiceUnavailable,
        Self::Timeout,
        Self::ServerTimeout,
        Self::InsufficientStorage,
    ];

    /// The reason with this text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The reason that an HTTP code stands for where a Status names none.
    pub fn of_code(code: u16) -> Self {
        match code {
            409 => Self::Conflict,
            410 => Self::Gone,
            400..=499 => Self::ALL.into_iter().find(|reason| reason.code() == code).unwrap_or(Self::BadRequest),
            503 => Self::ServiceUnavailable,
            504 => Self::Timeout,
            507 => Self::InsufficientStorage,
            _ => Self::InternalError,
        }
    }

    /// The text of `reason` in the Status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Expired => "Expired",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
            Self::ServerTimeout => "ServerTimeout",
            Self::InsufficientStorage => "InsufficientStorage",
        }
    }
}

/// One cause in the details of a Status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable, as `FieldValueInvalid`.
    pub reason: String,
    /// Human-readable.
    pub message: String,
    /// The field path; may be empty.
    pub field: String,
}

/// A failed request, as its client will see it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Why.
    pub reason: Reason,
    /// The text that a person reads.
    pub message: String,
    /// What the request was about. Boxed, so that results that carry this error stay small.
    pub details: Box<Details>,
}

/// What a failed request was about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// API group.
    pub group: String,
    /// Kind, or the plural resource: Kubernetes puts either here, depending on the error.
    pub kind: String,
    /// Uid of the object, where an error is about a precondition.
    pub uid: String,
    /// Causes, one per field.
    pub causes: Vec<Cause>,
    /// After how many seconds to try again; 0 is absent.
    pub retry_after_seconds: u32,
}

impl ApiError {
    /// An error with no details.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: Box::default() }
    }

    /// 422: the object breaks these rules. `group` and `kind` are the object's.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[field::Error]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let text = match errors {
            [] => String::new(),
            [one] => one.to_string(),
            many => format!("[{}]", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        Self {
            reason: Reason::Invalid,
            message: format!("{qualified} {name:?} is invalid: {text}"),
            details: Box::new(Details {
                name: name.to_owned(),
                group: group.to_owned(),
                kind: kind.to_owned(),
                causes: errors
                    .iter()
                    .map(|e| Cause {
                        reason: e.kind.reason().to_owned(),
                        message: e.message.clone(),
                        field: e.path.to_string(),
                    })
                    .collect(),
                ..Details::default()
            }),
        }
    }

    /// 404: `resource` is the plural.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::about(Reason::NotFound, group, resource, name, "not found")
    }

    /// 409 on a create.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::about(Reason::AlreadyExists, group, resource, name, "already exists")
    }

    /// 409: a precondition failed; `detail` says which.
    pub fn conflict(group: &str, resource: &str, name: &str, detail: &str) -> Self {
        let mut error = Self::about(Reason::Conflict, group, resource, name, "");
        error.message =
            format!("Operation cannot be fulfilled on {} {name:?}: {detail}", qualified_resource(group, resource));
        error
    }

    /// 403: `detail` says what is missing.
    pub fn forbidden(group: &str, resource: &str, name: &str, detail: &str) -> Self {
        let mut error = Self::about(Reason::Forbidden, group, resource, name, "");
        error.message = match (resource, name) {
            ("", _) => format!("forbidden: {detail}"),
            (_, "") => format!("{} is forbidden: {detail}", qualified_resource(group, resource)),
            _ => format!("{} {name:?} is forbidden: {detail}", qualified_resource(group, resource)),
        };
        error
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// 500.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(Reason::InternalError, format!("Internal error occurred: {message}"))
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(Reason::Unauthorized, "Unauthorized")
    }

    /// 404 of a path that leads nowhere.
    pub fn no_such_path() -> Self {
        Self::new(Reason::NotFound, "the server could not find the requested resource")
    }

    /// 405 of a path that takes other methods.
    pub fn method_not_allowed() -> Self {
        Self::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
    }

    /// 406: what may be asked for instead.
    pub fn not_acceptable(offered: &[&str]) -> Self {
        let text = format!("only the following media types are accepted: {}", offered.join(", "));
        Self::new(Reason::NotAcceptable, text)
    }

    /// 409 of a precondition on `metadata.resourceVersion`.
    pub fn stale(group: &str, resource: &str, name: &str) -> Self {
        let detail = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, detail)
    }

    /// 410: the revision asked for is gone.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Reason::Expired, message)
    }

    /// 413.
    pub fn too_large(message: impl std::fmt::Display) -> Self {
        Self::new(Reason::RequestEntityTooLarge, format!("Request entity too large: {message}"))
    }

    /// 415: what may be sent instead.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let text = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(Reason::UnsupportedMediaType, text)
    }

    /// 429: try again after so many seconds.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(Reason::TooManyRequests, message);
        error.details.retry_after_seconds = retry_after_seconds;
        error
    }

    /// 503.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(Reason::ServiceUnavailable, message)
    }

    /// 504: the request took too long.
    pub fn timeout(message: impl std::fmt::Display) -> Self {
        Self::new(Reason::Timeout, format!("Timeout: {message}"))
    }

    /// Reads a `Status` object that tells of a failure, as a client gets it. `None` where it is none.
    pub fn from_status(status: &Value) -> Option<Self> {
        if status["kind"] != "Status" || status["status"] == "Success" {
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
        let details = &status["details"];
        let causes = details["causes"].as_array().into_iter().flatten();
        Some(Self {
            reason: Reason::parse(&text(&status["reason"])).unwrap_or_else(|| Reason::of_code(code)),
            message: text(&status["message"]),
            details: Box::new(Details {
                name: text(&details["name"]),
                group: text(&details["group"]),
                kind: text(&details["kind"]),
                uid: text(&details["uid"]),
                causes: causes
                    .map(|cause| Cause {
                        reason: text(&cause["reason"]),
                        message: text(&cause["message"]),
                        field: text(&cause["field"]),
                    })
                    .collect(),
                retry_after_seconds: details["retryAfterSeconds"]
                    .as_u64()
                    .and_then(|seconds| u32::try_from(seconds).ok())
                    .unwrap_or_default(),
            }),
        })
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        self.reason.code()
    }

    fn about(reason: Reason, group: &str, resource: &str, name: &str, what: &str) -> Self {
        Self {
            reason,
            message: format!("{} {name:?} {what}", qualified_resource(group, resource)),
            details: Box::new(Details {
                name: name.to_owned(),
                group: group.to_owned(),
                kind: resource.to_owned(),
                ..Details::default()
            }),
        }
    }

    /// The `v1 Status` object.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason.as_str(), "code": self.code(),
        });
        let details = &self.details;
        if **details != Details::default() {
            let mut map = serde_json::Map::new();
            for (key, value) in
                [("name", &details.name), ("group", &details.group), ("kind", &details.kind), ("uid", &details.uid)]
            {
                if !value.is_empty() {
                    map.insert(key.into(), json!(value));
                }
            }
            if !details.causes.is_empty() {
                let causes = details.causes.iter().map(|c| {
                    let mut cause = json!({"reason": c.reason, "message": c.message});
                    if !c.field.is_empty() {
                        cause["field"] = json!(c.field);
                    }
                    cause
                });
                map.insert("causes".into(), causes.collect());
            }
            if details.retry_after_seconds > 0 {
                map.insert("retryAfterSeconds".into(), json!(details.retry_after_seconds));
            }
            status["details"] = Value::Object(map);
        }
        status
    }
}

fn qualified_resource(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

#[cfg(test)]
mod tests;
