//! What others need to verify tokens by themselves: the documents of OpenID Connect discovery.

use super::Issuer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Where the issuer describes itself.
pub const OPENID_CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Where its public keys are.
pub const JWKS_PATH: &str = "/openid/v1/jwks";
/// The media type of a key set (RFC 7517).
pub const JWKS_CONTENT_TYPE: &str = "application/jwk-set+json";

impl Issuer {
    /// The document at [`OPENID_CONFIGURATION_PATH`].
    pub fn openid_configuration(&self) -> Value {
        json!({
            "issuer": self.url(),
            "jwks_uri": format!("{}{JWKS_PATH}", self.url()),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    /// The document at [`JWKS_PATH`].
    pub fn key_set(&self) -> Value {
        let (id, x, y) = self.public_key();
        json!({ "keys": [{
            "use": "sig",
            "kty": "EC",
            "kid": id,
            "crv": "P-256",
            "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }] })
    }
}
