//! What a failed call means: whether it was carried out, and whether another member may do better.
//!
//! Source: `go.etcd.io/etcd/etcdserver/api/v3rpc/rpctypes/error.go` for codes and texts.

use crate::grpc::chain;
use crate::{Error, Revision};
use tonic::{Code, Status};

/// What a failed call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not carried out, and another member, or the same one later, may do it.
    NotDone(String),
    /// Nobody knows whether it was carried out.
    Unknown(String),
    /// The token is no longer good; it was not carried out.
    Token(String),
    /// The history at the revision is gone.
    Compacted,
    /// The revision has not been reached.
    Future,
    /// The lease is not there any more: it was not carried out.
    LeaseEnded(String),
    /// etcd's quota is used up: it was not carried out.
    NoSpace(String),
    /// It was refused, and so will it be anywhere.
    Refused(String),
}

impl Failure {
    /// From the status of a call that was sent.
    pub(super) fn of(status: &Status, endpoint: &str) -> Self {
        let text = status.message();
        let place = || format!("{endpoint}: {text}");
        if was_not_sent(status) {
            return Self::NotDone(format!("{endpoint}: {}", chain(status)));
        }
        match status.code() {
            Code::OutOfRange if text.contains("compacted") => Self::Compacted,
            Code::OutOfRange if text.contains("future") => Self::Future,
            Code::ResourceExhausted if text.contains("database space exceeded") => Self::NoSpace(place()),
            Code::ResourceExhausted if text.contains("too many requests") => Self::NotDone(place()),
            Code::Unavailable if text.contains("no leader") || text.contains("learner") => Self::NotDone(place()),
            Code::NotFound if text.contains("lease not found") => Self::LeaseEnded(place()),
            Code::Unauthenticated => Self::Token(place()),
            Code::InvalidArgument if text.contains("revision of auth store is old") => Self::Token(place()),
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::OutOfRange
            | Code::ResourceExhausted => Self::Refused(place()),
            // Timeouts, lost leaders, broken connections, members that stop: it may have been proposed before.
            _ => Self::Unknown(format!("{endpoint}: {}", chain(status))),
        }
    }

    /// The error of the store, for a request that reads or writes at `revision`, where it has one.
    pub(super) fn into_error(self, revision: Revision) -> Error {
        match self {
            Self::NotDone(text) => Error::Unavailable(text),
            Self::Token(text) => Error::Unavailable(format!("etcd does not take the user's token: {text}")),
            Self::Unknown(text) => Error::Unknown(text),
            Self::LeaseEnded(text) => Error::Unavailable(format!("a lease has ended: {text}")),
            Self::Compacted => Error::Compacted { requested: revision, oldest: revision + 1 },
            Self::Future => Error::Future { requested: revision, current: revision.saturating_sub(1) },
            Self::NoSpace(text) => {
                Error::NoSpace(format!("etcd's quota is used up ({text}); compact and defragment it"))
            }
            Self::Refused(text) => Error::Invalid(format!("etcd refuses the request: {text}")),
        }
    }
}

/// Whether no connection could be made, so that nothing was sent.
fn was_not_sent(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
