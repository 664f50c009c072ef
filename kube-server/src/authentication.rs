//! Who sent a request.

use crate::identity::UserInfo;
use async_trait::async_trait;
use kubekit_core::status::ApiError;

/// The verified client certificate chain of a TLS connection (DER, leaf first), put into request extensions by the listener.
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
