//! Failed answers, read into the error type of the object model.

use kubekit_core::status::{ApiError, Reason};
use serde_json::Value;

/// The body of an answer with this HTTP code. Whatever it is, it becomes an error: a proxy in between may answer in text.
pub(crate) fn parse(code: u16, body: &[u8]) -> ApiError {
    let mut status: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Value::Object(fields) = &mut status {
        fields.entry("code").or_insert(code.into());
    }
    ApiError::from_status(&status).unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
        let message = match text.trim() {
            "" => format!("the server answered with HTTP status {code} and no text"),
            text => format!("the server answered with HTTP status {code}: {text}"),
        };
        ApiError::new(Reason::of_code(code), message)
    })
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
