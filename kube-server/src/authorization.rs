//! Whether a user may do what a request asks for.

use crate::identity::UserInfo;
use crate::request_info::RequestInfo;

/// What an authorizer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes; the reason is for people.
    Allow(String),
    /// Not by this authorizer; another may allow it. The reason is for people.
    NoOpinion(String),
    /// No, whatever others say.
    Deny(String),
}

/// Decides whether a user may do something. Synchronous: it answers from state in memory.
pub trait Authorizer: Send + Sync + std::fmt::Debug {
    /// Whether `user` may do what `info` says.
    fn authorize(&self, user: &UserInfo, info: &RequestInfo) -> Decision;
}
