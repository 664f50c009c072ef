//! The one table from what the store says to what the client is told.

use kubekit_core::status::{ApiError, Cause, Reason};
use kubekit_store::Error;

/// The answer for a failed operation of the store.
pub(crate) fn of_store(error: Error) -> ApiError {
    match error {
        Error::Compacted { requested, oldest } => {
            ApiError::expired(format!("too old resource version: {requested} ({oldest})"))
        }
        Error::Future { requested, current } => too_large(requested, current),
        Error::Invalid(text) => ApiError::bad_request(format!("the store refuses the request: {text}")),
        Error::NoSpace(text) => ApiError::new(
            Reason::InsufficientStorage,
            format!("the server has no space left to store the object; free space and try again: {text}"),
        ),
        Error::Unavailable(text) => {
            let text = format!("the server's storage cannot be reached; try again: {text}");
            let mut error = ApiError::service_unavailable(text);
            error.details.retry_after_seconds = 1;
            error
        }
        // As Kubernetes answers where etcd's answer did not come: it does not ask to try again.
        Error::Unknown(text) => ApiError::new(
            Reason::Timeout,
            format!("the request may or may not have been carried out; read the object before trying again: {text}"),
        ),
        Error::Closed => ApiError::service_unavailable("the server is shutting down"),
        Error::Lagged { .. } => ApiError::expired(error.to_string()),
        other => ApiError::internal(other),
    }
}

/// 504 for a resourceVersion that has not been reached; clients try again.
pub(crate) fn too_large(requested: u64, current: u64) -> ApiError {
    let mut error = ApiError::timeout(format_args!("Too large resource version: {requested}, current: {current}"));
    error.details.retry_after_seconds = 1;
    error.details.causes = vec![Cause {
        reason: "ResourceVersionTooLarge".to_owned(),
        message: "Too large resource version".to_owned(),
        field: String::new(),
    }];
    error
}
