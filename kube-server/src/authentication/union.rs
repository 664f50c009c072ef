//! Several authenticators as one.

use super::{Authenticator, bearer};
use crate::identity::UserInfo;
use async_trait::async_trait;
use kubekit_core::status::ApiError;
use std::sync::Arc;

/// Asks authenticators in order; the first that knows the user wins. A bad credential is an error only when no other
/// authenticator accepts the request, and it never makes an anonymous user of its bearer.
///
/// Source: `k8s.io/apiserver/pkg/authentication/request/union`.
#[derive(Clone, Debug, Default)]
pub struct Union {
    authenticators: Vec<Arc<dyn Authenticator>>,
}

impl Union {
    /// These authenticators in this order.
    pub fn new(authenticators: impl IntoIterator<Item = Arc<dyn Authenticator>>) -> Self {
        Self { authenticators: authenticators.into_iter().collect() }
    }

    /// The user of a request.
    ///
    /// # Errors
    /// 401 when nobody knows it.
    pub async fn user(&self, request: &http::request::Parts) -> Result<UserInfo, ApiError> {
        self.authenticate(request).await?.ok_or_else(ApiError::unauthorized)
    }
}

#[async_trait]
impl Authenticator for Union {
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        let mut refusal = None;
        for authenticator in &self.authenticators {
            match authenticator.authenticate(request).await {
                Ok(Some(user)) => return Ok(Some(user)),
                Ok(None) => {}
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(error) => Err(error),
            // A token that nobody knows is a bad token.
            None if bearer::token(request).is_some() => Err(ApiError::unauthorized()),
            None => Ok(None),
        }
    }
}
