//! What can go wrong between the agent and a container runtime.

use std::time::Duration;

/// The result of a call to a container runtime.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call to a container runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sandbox, container or image does not exist (any more).
    #[error("{operation}: {object} not found")]
    NotFound {
        /// The call, as in "stop container".
        operation: &'static str,
        /// The identifier that was asked for.
        object: String,
    },
    /// The runtime understood and refused, or tried and failed.
    #[error("{message}")]
    Failed {
        /// The call.
        operation: &'static str,
        /// The runtime's own words.
        message: String,
    },
    /// The runtime cannot be reached; the call may be tried again.
    #[error("{operation}: the container runtime cannot be reached at {endpoint}")]
    Unavailable {
        /// The call.
        operation: &'static str,
        /// Where the runtime should listen.
        endpoint: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The call took longer than it may.
    #[error("{operation} timed out after {after:?}")]
    Timeout {
        /// The call.
        operation: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The runtime does not know how.
    #[error("{operation}: not supported by this container runtime")]
    Unsupported {
        /// The call.
        operation: &'static str,
    },
}

impl Error {
    /// A refusal or failure in the runtime's words.
    pub fn failed(operation: &'static str, message: impl Into<String>) -> Self {
        Self::Failed { operation, message: message.into() }
    }

    /// An absent object.
    pub fn not_found(operation: &'static str, object: impl Into<String>) -> Self {
        Self::NotFound { operation, object: object.into() }
    }

    /// Whether the object of the call does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the command ran out of its time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}
