//! The table of etcd's answers.

use super::Failure;
use tonic::{Code, Status};

/// The kind of a failure, in one word.
fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::NotDone(_) => "not done",
        Failure::Unknown(_) => "unknown",
        Failure::Token(_) => "token",
        Failure::Compacted => "compacted",
        Failure::Future => "future",
        Failure::LeaseEnded(_) => "lease ended",
        Failure::NoSpace(_) => "no space",
        Failure::Refused(_) => "refused",
    }
}

#[track_caller]
fn check(code: Code, text: &str, expected: &str) {
    let failure = Failure::of(&Status::new(code, text), "http://a:1");
    assert_eq!(kind(&failure), expected, "{code:?} {text}");
}

#[test]
fn what_was_not_carried_out_is_known() {
    check(Code::Unavailable, "etcdserver: no leader", "not done");
    check(Code::Unavailable, "etcdserver: rpc not supported for learner", "not done");
    check(Code::ResourceExhausted, "etcdserver: too many requests", "not done");
    check(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", "no space");
    check(Code::InvalidArgument, "etcdserver: request is too large", "refused");
    check(Code::InvalidArgument, "etcdserver: key is not provided", "refused");
    check(Code::PermissionDenied, "etcdserver: permission denied", "refused");
    check(Code::NotFound, "etcdserver: requested lease not found", "lease ended");
    check(Code::Unauthenticated, "etcdserver: invalid auth token", "token");
    check(Code::InvalidArgument, "etcdserver: revision of auth store is old", "token");
    check(Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", "compacted");
    check(Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision", "future");
}

#[test]
fn what_may_have_been_carried_out_is_unknown() {
    check(Code::Unavailable, "etcdserver: request timed out", "unknown");
    check(Code::Unavailable, "etcdserver: request timed out, possibly due to previous leader failure", "unknown");
    check(Code::Unavailable, "etcdserver: leader changed", "unknown");
    check(Code::Unavailable, "transport error", "unknown");
    check(Code::DeadlineExceeded, "context deadline exceeded", "unknown");
    check(Code::Unknown, "etcdserver: server stopped", "unknown");
    check(Code::Cancelled, "operation was canceled", "unknown");
    check(Code::Internal, "stream terminated by RST_STREAM", "unknown");
}
