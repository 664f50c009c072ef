//! Requests without credentials.

use super::Authenticator;
use crate::identity::UserInfo;
use async_trait::async_trait;
use kubekit_core::status::ApiError;

/// Makes `system:anonymous` of whoever asks for one of some paths. Comes last.
///
/// Source: `AuthenticationConfiguration.anonymous.conditions`.
#[derive(Clone, Debug)]
pub struct Anonymous {
    paths: Vec<String>,
}

impl Anonymous {
    /// Anonymous requests to these exact paths only.
    pub fn for_paths(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { paths: paths.into_iter().map(Into::into).collect() }
    }

    /// Anonymous requests for the server's health only: probes carry no credentials.
    pub fn health_only() -> Self {
        Self::for_paths(["/healthz", "/livez", "/readyz"])
    }

    /// The user of a request without credentials.
    pub fn user() -> UserInfo {
        UserInfo {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..UserInfo::default()
        }
    }
}

#[async_trait]
impl Authenticator for Anonymous {
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        let path = request.uri.path();
        Ok(self.paths.iter().any(|p| p == path).then(Self::user))
    }
}
