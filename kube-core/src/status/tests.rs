use super::*;

#[track_caller]
fn check(error: &ApiError, code: u16, message: &str) {
    assert_eq!((error.code(), error.message.as_str()), (code, message));
    let read = ApiError::from_status(&error.to_status()).expect("a failure");
    assert_eq!((read.reason, &read.message, &read.details), (error.reason, &error.message, &error.details));
}

#[test]
fn errors_say_what_kubernetes_says_and_read_back() {
    check(&ApiError::not_found("apps", "deployments", "a"), 404, "deployments.apps \"a\" not found");
    check(&ApiError::already_exists("", "pods", "a"), 409, "pods \"a\" already exists");
    let text = "the server does not allow this method on the requested resource";
    check(&ApiError::method_not_allowed(), 405, text);
    check(
        &ApiError::not_acceptable(&["application/json"]),
        406,
        "only the following media types are accepted: application/json",
    );
    check(
        &ApiError::unsupported_media_type(&["a/b", "c/d"]),
        415,
        "the body of the request was in an unknown format - accepted media types include: a/b, c/d",
    );
    check(
        &ApiError::stale("", "pods", "a"),
        409,
        "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply your changes to the latest version and try again",
    );
    check(&ApiError::too_many_requests("wait", 3), 429, "wait");
    check(&ApiError::expired("gone"), 410, "gone");
    check(&ApiError::timeout("slow"), 504, "Timeout: slow");
    check(&ApiError::too_large("limit is 3"), 413, "Request entity too large: limit is 3");
    check(&ApiError::service_unavailable("later"), 503, "later");
    check(&ApiError::no_such_path(), 404, "the server could not find the requested resource");
    let path = field::Path::new("spec").child("a");
    let invalid = ApiError::invalid("apps", "Deployment", "d", &[field::Error::required(&path, "")]);
    check(&invalid, 422, "Deployment.apps \"d\" is invalid: spec.a: Required value");
}

#[test]
fn strangers_statuses_are_read_by_their_code() {
    let read = |status: Value| ApiError::from_status(&status).map(|e| e.reason);
    assert_eq!(read(json!({"kind": "Status", "status": "Success"})), None);
    assert_eq!(read(json!({"kind": "Pod"})), None);
    assert_eq!(read(json!({"kind": "Status", "code": 409})), Some(Reason::Conflict));
    assert_eq!(read(json!({"kind": "Status", "code": 404, "reason": "Odd"})), Some(Reason::NotFound));
    assert_eq!(read(json!({"kind": "Status", "code": 418})), Some(Reason::BadRequest));
    assert_eq!(read(json!({"kind": "Status"})), Some(Reason::InternalError));
}
