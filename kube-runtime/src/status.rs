//! Failed answers, read into the error type of the object model.

use kubekit_core::status::{ApiError, Cause, Details, Reason};
use serde::Deserialize;

/// The fields of a `v1 Status` that matter here; all may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    kind: String,
    message: String,
    reason: String,
    code: u16,
    details: Option<StatusDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusDetails {
    name: String,
    group: String,
    kind: String,
    uid: String,
    causes: Option<Vec<StatusCause>>,
    retry_after_seconds: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

/// The body of an answer with this HTTP code. Whatever it is, it becomes an error: a proxy in between may answer in text.
pub(crate) fn parse(code: u16, body: &[u8]) -> ApiError {
    match serde_json::from_slice::<Status>(body) {
        Ok(status) if status.kind == "Status" => status.into_error(code),
        _ => {
            let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
            let message = match text.trim() {
                "" => format!("the server answered with HTTP status {code} and no text"),
                text => format!("the server answered with HTTP status {code}: {text}"),
            };
            ApiError::new(reason_of_code(code), message)
        }
    }
}

impl Status {
    fn into_error(self, code: u16) -> ApiError {
        let code = if self.code == 0 { code } else { self.code };
        let details = self.details.unwrap_or_default();
        ApiError {
            reason: reason_of_text(&self.reason).unwrap_or_else(|| reason_of_code(code)),
            message: self.message,
            details: Box::new(Details {
                name: details.name,
                group: details.group,
                kind: details.kind,
                uid: details.uid,
                causes: details
                    .causes
                    .unwrap_or_default()
                    .into_iter()
                    .map(|c| Cause { reason: c.reason, message: c.message, field: c.field })
                    .collect(),
                retry_after_seconds: details.retry_after_seconds,
            }),
        }
    }
}

/// Every reason there is.
const REASONS: [Reason; 19] = [
    Reason::BadRequest,
    Reason::Unauthorized,
    Reason::Forbidden,
    Reason::NotFound,
    Reason::MethodNotAllowed,
    Reason::NotAcceptable,
    Reason::AlreadyExists,
    Reason::Conflict,
    Reason::Gone,
    Reason::Expired,
    Reason::RequestEntityTooLarge,
    Reason::UnsupportedMediaType,
    Reason::Invalid,
    Reason::TooManyRequests,
    Reason::InternalError,
    Reason::ServiceUnavailable,
    Reason::Timeout,
    Reason::ServerTimeout,
    Reason::InsufficientStorage,
];

fn reason_of_text(text: &str) -> Option<Reason> {
    REASONS.into_iter().find(|reason| reason.as_str() == text)
}

/// For answers without a reason that is known: the most general one of the code.
fn reason_of_code(code: u16) -> Reason {
    match code {
        409 => Reason::Conflict,
        410 => Reason::Gone,
        400..=499 => REASONS.into_iter().find(|reason| reason.code() == code).unwrap_or(Reason::BadRequest),
        503 => Reason::ServiceUnavailable,
        504 => Reason::Timeout,
        507 => Reason::InsufficientStorage,
        _ => Reason::InternalError,
    }
}

#[cfg(test)]
mod tests {
    //! Answers of API servers, and of what stands in front of them.

    use super::*;

    #[track_caller]
    fn check(code: u16, body: &str, reason: Reason, message: &str) {
        let error = parse(code, body.as_bytes());
        assert_eq!((error.reason, error.message.as_str()), (reason, message));
    }

    #[test]
    fn answers() {
        check(404, r#"{"kind":"Status","message":"no","reason":"NotFound","code":404}"#, Reason::NotFound, "no");
        check(409, r#"{"kind":"Status","message":"m","reason":"AlreadyExists"}"#, Reason::AlreadyExists, "m");
        check(410, r#"{"kind":"Status","message":"old","reason":"Expired","code":410}"#, Reason::Expired, "old");
        check(418, r#"{"kind":"Status","message":"tea","reason":"Teapot"}"#, Reason::BadRequest, "tea");
        check(502, "<html>", Reason::InternalError, "the server answered with HTTP status 502: <html>");
        check(503, "", Reason::ServiceUnavailable, "the server answered with HTTP status 503 and no text");
        check(
            403,
            r#"{"kind":"Pod"}"#,
            Reason::Forbidden,
            r#"the server answered with HTTP status 403: {"kind":"Pod"}"#,
        );
    }

    #[test]
    fn reads_back_what_the_object_model_writes() {
        let written = ApiError::forbidden("apps", "deployments", "web", "no permission");
        let read = parse(403, written.to_status().to_string().as_bytes());
        assert_eq!((read.reason, &read.message, &read.details), (written.reason, &written.message, &written.details));
    }
}
