//! Several authenticators as one.

use super::{Authenticator, bearer, unauthorized};
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
    anonymous: Option<super::Anonymous>,
}

impl Union {
    /// These authenticators in this order, and none for requests without credentials.
    pub fn new(authenticators: impl IntoIterator<Item = Arc<dyn Authenticator>>) -> Self {
        Self { authenticators: authenticators.into_iter().collect(), anonymous: None }
    }

    /// Lets requests without credentials through where `anonymous` says so.
    #[must_use]
    pub fn or_anonymous(mut self, anonymous: super::Anonymous) -> Self {
        self.anonymous = Some(anonymous);
        self
    }

    /// The user of a request.
    ///
    /// # Errors
    /// 401 when nobody knows it.
    pub async fn user(&self, request: &http::request::Parts) -> Result<UserInfo, ApiError> {
        self.authenticate(request).await?.ok_or_else(unauthorized)
    }
}

#[async_trait]
impl Authenticator for Union {
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        if let Some(user) = request.extensions.get::<UserInfo>() {
            return Ok(Some(user.clone()));
        }
        let mut refusal = None;
        for authenticator in &self.authenticators {
            match authenticator.authenticate(request).await {
                Ok(Some(user)) => return Ok(Some(user)),
                Ok(None) => {}
                Err(error) => refusal = Some(error),
            }
        }
        match (refusal, &self.anonymous) {
            (Some(error), _) => Err(error),
            // A token that nobody knows is a bad token.
            (None, _) if bearer::token(request).is_some() => Err(unauthorized()),
            (None, Some(anonymous)) => anonymous.authenticate(request).await,
            (None, None) => Ok(None),
        }
    }
}
