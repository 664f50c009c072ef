//! Who sent a request.
//!
//! Start at [`Union`], which asks every authenticator. Callers in the same process that are trusted with an identity need
//! none of them: see [`crate::ApiServer::as_user`].

mod bearer;
mod service_account;
#[cfg(test)]
mod tests;
mod union;
mod x509;

pub use bearer::StaticTokens;
pub(crate) use bearer::WEBSOCKET_TOKEN_PREFIX;
pub use service_account::ServiceAccountTokens;
pub use union::Union;
pub use x509::ClientCertificates;
pub(crate) use x509::roots;

use crate::identity::UserInfo;
use async_trait::async_trait;
use kubekit_core::status::ApiError;

/// The client certificate chain of a TLS connection (DER, leaf first), put into request extensions by the listener. The
/// client has proved that it holds the leaf's key; who signed the chain is for [`ClientCertificates`] to judge.
#[derive(Clone, Debug)]
pub struct PeerCertificates(pub std::sync::Arc<[Vec<u8>]>);

/// Finds the user of a request.
#[async_trait]
pub trait Authenticator: Send + Sync + std::fmt::Debug {
    /// The user, or `None` when the request carries no credential of this kind.
    ///
    /// # Errors
    /// 401 when the request carries a credential of this kind that is not valid.
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError>;
}
