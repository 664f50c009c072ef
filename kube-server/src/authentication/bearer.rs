//! Bearer tokens: where a request carries them, and those of a fixed table.

use super::Authenticator;
use crate::identity::UserInfo;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use kubekit_core::status::ApiError;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Browsers cannot set headers on a WebSocket, so their token comes as a subprotocol.
///
/// Source: `k8s.io/apiserver/pkg/authentication/request/websocket`.
pub(crate) const WEBSOCKET_TOKEN_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// The bearer token of a request.
pub(super) fn token(request: &http::request::Parts) -> Option<Cow<'_, str>> {
    if let Some(value) = request.headers.get(AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        let token = token.trim_start();
        return (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(Cow::Borrowed(token));
    }
    request.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().find_map(|value| {
        let protocols = value.to_str().ok()?;
        let encoded = protocols.split(',').find_map(|p| p.trim().strip_prefix(WEBSOCKET_TOKEN_PREFIX))?;
        String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok().map(Cow::Owned)
    })
}

type Digest = [u8; 32];

pub(super) fn digest(bytes: &[u8]) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// A fixed table of tokens, for bootstrapping and tests. Keeps digests, so that looking one up takes no time that depends
/// on a secret, and no token reaches a log.
#[derive(Default)]
pub struct StaticTokens {
    users: HashMap<Digest, UserInfo>,
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens").field("tokens", &self.users.len()).finish()
    }
}

impl StaticTokens {
    /// A table of tokens and their users.
    pub fn new(tokens: impl IntoIterator<Item = (String, UserInfo)>) -> Self {
        Self { users: tokens.into_iter().map(|(token, user)| (digest(token.as_bytes()), user)).collect() }
    }
}

#[async_trait]
impl Authenticator for StaticTokens {
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        match token(request) {
            None => Ok(None),
            Some(token) => {
                self.users.get(&digest(token.as_bytes())).cloned().map(Some).ok_or_else(ApiError::unauthorized)
            }
        }
    }
}
