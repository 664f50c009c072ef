//! Why a request failed.

use crate::client::BoxError;
use kubekit_core::status::{ApiError, Reason};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server answered with a `Status`.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// No answer: the server cannot be reached, or the connection broke.
    #[error("{operation}: no answer from the API server")]
    Service {
        /// Method and path.
        operation: String,
        /// What happened.
        #[source]
        source: BoxError,
    },
    /// No complete answer in time.
    #[error("{operation}: no answer from the API server within {timeout:?}")]
    Timeout {
        /// Method and path.
        operation: String,
        /// How long was waited.
        timeout: std::time::Duration,
    },
    /// The answer is larger than the client accepts.
    #[error("{operation}: the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Method and path.
        operation: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer is not what was asked for.
    #[error("{operation}: cannot decode the answer")]
    Decode {
        /// Method and path.
        operation: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// What was to be sent has no JSON form.
    #[error("{operation}: cannot encode the object")]
    Encode {
        /// Method and path.
        operation: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The request cannot be made: a name that is not a path segment, a header value with control characters.
    #[error("cannot make the request: {0}")]
    Request(String),
    /// How to reach the server is not known: a kubeconfig that is missing, malformed or incomplete.
    #[error("{what}")]
    Config {
        /// Which file and field, and what to do.
        what: String,
        /// Why.
        #[source]
        source: Option<BoxError>,
    },
}

impl Error {
    /// The `Status` that the server answered with.
    pub fn status(&self) -> Option<&ApiError> {
        match self {
            Self::Api(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the server answered with this reason.
    pub fn is_reason(&self, reason: Reason) -> bool {
        self.status().is_some_and(|status| status.reason == reason)
    }

    /// 404: there is no such object, namespace or resource.
    pub fn is_not_found(&self) -> bool {
        self.is_reason(Reason::NotFound)
    }

    /// 409: the object has changed since, or a precondition failed.
    pub fn is_conflict(&self) -> bool {
        self.is_reason(Reason::Conflict)
    }

    /// 409: there is an object of that name.
    pub fn is_already_exists(&self) -> bool {
        self.is_reason(Reason::AlreadyExists)
    }

    /// 410: the revision or the continue token is too old.
    pub fn is_gone(&self) -> bool {
        self.is_reason(Reason::Gone) || self.is_reason(Reason::Expired)
    }

    /// 422: the object breaks a rule.
    pub fn is_invalid(&self) -> bool {
        self.is_reason(Reason::Invalid)
    }

    /// 403: not allowed.
    pub fn is_forbidden(&self) -> bool {
        self.is_reason(Reason::Forbidden)
    }

    /// 403 because the namespace is being deleted, so that nothing can be created in it any more.
    pub fn is_namespace_terminating(&self) -> bool {
        self.is_forbidden()
            && self.status().is_some_and(|s| s.details.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
    }

    /// 429: the server asks to slow down.
    pub fn is_too_many_requests(&self) -> bool {
        self.is_reason(Reason::TooManyRequests)
    }

    /// The error and its sources in one line, for logs.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}
