//! Whose token is this?

use super::user_info;
use crate::authentication::Authenticator;
use crate::server::Server;
use kubekit_core::status::{ApiError, Reason};
use serde_json::{Value, json};

pub(super) async fn review(server: &Server, object: &Value) -> Result<Value, ApiError> {
    let spec = &object["spec"];
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    let asked: Vec<String> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(|a| a.as_str().map(str::to_owned)).collect();
    if let Some(accounts) = &server.service_accounts {
        let ours = accounts.issuer.audiences();
        let audiences = if asked.is_empty() { ours } else { &asked };
        match accounts.tokens.review(token, audiences).await {
            Ok((user, meant)) => {
                let mut status = json!({ "authenticated": true, "user": user_info(&user) });
                status["audiences"] = json!(meant);
                return Ok(status);
            }
            Err(error) if error.reason != Reason::Unauthorized => return Err(error),
            Err(_) => {}
        }
    }
    let refused = json!({ "user": {}, "error": "invalid bearer token" });
    // Tokens of other kinds are for the API server itself: whoever asks about another audience gets no yes.
    if !asked.is_empty() {
        return Ok(refused);
    }
    let header = http::HeaderValue::from_str(&format!("Bearer {token}"));
    let Ok(header) = header else { return Ok(refused) };
    let mut parts = http::Request::new(()).into_parts().0;
    parts.headers.insert(http::header::AUTHORIZATION, header);
    match server.authenticators.authenticate(&parts).await {
        Ok(Some(user)) => Ok(json!({ "authenticated": true, "user": user_info(&user) })),
        Ok(None) => Ok(refused),
        Err(error) if error.reason == Reason::Unauthorized => Ok(refused),
        Err(error) => Err(error),
    }
}
