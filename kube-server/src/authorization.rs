//! Whether a user may do what a request asks for.
//!
//! [`Rbac`] evaluates roles and bindings, [`NodeAuthorizer`] lets node agents do their work. [`Escalation`],
//! [`CertificateAuthorization`] and [`NodeRestriction`] are their counterparts at admission: nobody grants more than they
//! have, by a role or by a certificate, and a node writes only what is its own.

mod certificates;
mod escalation;
mod mirror;
mod node;
mod node_restriction;
mod rbac;
pub(crate) mod references;
mod rule;
#[cfg(test)]
mod tests;

pub use certificates::CertificateAuthorization;
pub use escalation::Escalation;
pub use node::NodeAuthorizer;
pub use node_restriction::NodeRestriction;
pub use rbac::Rbac;
pub(crate) use rule::Rule;

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
