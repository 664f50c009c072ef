//! Service account tokens: JSON Web Tokens signed with ECDSA P-256 (`ES256`), as `TokenRequest` issues them and as
//! authentication verifies them.
//!
//! Source: KEP-1205 (bound service account tokens), RFC 7515, 7517, 7519. A token that names a pod, secret or node is
//! good only while that object exists; [`crate::authentication::ServiceAccountTokens`] sees to that. The signatures are
//! made with `ring`, which the TLS listener needs anyway: a JWT library would bring a second cryptographic backend.

mod claims;
mod discovery;
#[cfg(test)]
mod tests;

pub use claims::{Audience, BoundTo, Claims, Kubernetes};
pub use discovery::{JWKS_CONTENT_TYPE, JWKS_PATH, OPENID_CONFIGURATION_PATH};

use crate::pki::TokenKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Tokens beyond this length are not looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What comes before the point in the DER form of a P-256 public key (RFC 5480).
const P256_INFO_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Why a token was refused. For logs; a client is told `Unauthorized`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no JSON Web Token of three parts, or too long.
    #[error("malformed token")]
    Malformed,
    /// It is signed with an algorithm other than ES256, or not at all.
    #[error("algorithm is not ES256")]
    Algorithm,
    /// No key of ours made its signature.
    #[error("signature does not verify")]
    Signature,
    /// Another issuer made it.
    #[error("issued by another issuer")]
    Issuer,
    /// It is for others than the API server.
    #[error("meant for another audience")]
    Audience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not valid yet")]
    NotYetValid,
    /// It names no service account, or its subject is not the account that it names.
    #[error("claims name no service account")]
    Claims,
}

/// Why a key cannot be used for tokens.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot use the key for service account tokens: {0}; it must be an ECDSA P-256 key in PKCS #8 PEM")]
pub struct KeyError(String);

/// Signs and verifies tokens.
pub struct Issuer {
    url: String,
    audiences: Vec<String>,
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

impl Issuer {
    /// An issuer named `url` (`https://kubernetes.default.svc.cluster.local`), whose tokens are for itself unless their
    /// request says otherwise.
    ///
    /// # Errors
    /// When the key is not an ECDSA P-256 key.
    pub fn new(url: impl Into<String>, key: &TokenKey) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.0.as_bytes()).map_err(|e| KeyError(e.to_string()))?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random)
            .map_err(|e| KeyError(e.to_string()))?;
        let mut info = P256_INFO_PREFIX.to_vec();
        info.extend_from_slice(key.public_key().as_ref());
        let digest = ring::digest::digest(&ring::digest::SHA256, &info);
        let url = url.into();
        Ok(Self { audiences: vec![url.clone()], url, key, key_id: URL_SAFE_NO_PAD.encode(digest), random })
    }

    /// The issuer's name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whom a token is for that names no audience: the API server.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// A token with these claims.
    ///
    /// # Panics
    /// Never in practice: signing fails only when the system gives no randomness.
    pub fn sign(&self, claims: &Claims) -> String {
        let header = Header { alg: "ES256".to_owned(), kid: self.key_id.clone() };
        let encode = |json: serde_json::Result<Vec<u8>>| {
            URL_SAFE_NO_PAD.encode(json.expect("headers and claims have string keys"))
        };
        let mut token = encode(serde_json::to_vec(&header));
        token.push('.');
        token.push_str(&encode(serde_json::to_vec(claims)));
        let signature = self.key.sign(&self.random, token.as_bytes()).expect("the system gives randomness");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// The claims of a token that this issuer signed. Says nothing about time and audience: see [`Claims::check`].
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Refusal::Malformed)?;
        if header.alg != "ES256" {
            return Err(Refusal::Algorithm);
        }
        ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| Refusal::Signature)?;
        let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| Refusal::Malformed)?;
        if claims.iss != self.url {
            return Err(Refusal::Issuer);
        }
        if claims.sub != claims.kubernetes.user_name() {
            return Err(Refusal::Claims);
        }
        Ok(claims)
    }

    /// The id and the coordinates of the public key.
    fn public_key(&self) -> (&str, &[u8], &[u8]) {
        // An uncompressed point: 0x04, x, y.
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        (&self.key_id, x, y)
    }
}
