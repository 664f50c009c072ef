//! NaCl's secretbox: XSalsa20 with Poly1305, and a random nonce of 24 bytes in front.
//!
//! The nonce is long enough to be random however many values there are, so that a key need not be rotated for their
//! number. It takes no associated data; so the key of the object is not authenticated, as in Kubernetes. Source:
//! Kubernetes' `storage/value/encrypt/secretbox/secretbox.go`.

use super::key::{Key, does_not_fit, random};
use super::{Opened, Provider};
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use std::fmt;

const NONCE: usize = 24;

/// Secretbox with a key of 32 bytes.
pub struct Secretbox {
    prefix: String,
    name: String,
    cipher: XSalsa20Poly1305,
}

impl fmt::Debug for Secretbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

impl Secretbox {
    /// Bytes of a key.
    pub const KEY_BYTES: usize = 32;

    /// With this key.
    ///
    /// # Errors
    /// When the key does not have 32 bytes.
    pub fn new(key: &Key) -> Result<Self, String> {
        let cipher = XSalsa20Poly1305::new_from_slice(key.secret())
            .map_err(|_| format!("a secretbox key has {} bytes, not {}", Self::KEY_BYTES, key.secret().len()))?;
        Ok(Self { prefix: format!("k8s:enc:secretbox:v1:{}:", key.name()), name: key.name().to_owned(), cipher })
    }
}

impl Provider for Secretbox {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn seal(&self, plain: &[u8], _key: &str) -> Result<Vec<u8>, String> {
        let nonce = random::<NONCE>()?;
        let sealed = self.cipher.encrypt(Nonce::from_slice(&nonce), plain);
        Ok([&nonce[..], &sealed.map_err(|_| "the value is too large for secretbox")?].concat())
    }

    fn open(&self, sealed: &[u8], _key: &str) -> Result<Opened, String> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or("the value is cut short")?;
        let plain = self.cipher.decrypt(Nonce::from_slice(nonce), rest).map_err(|_| does_not_fit(&self.name))?;
        Ok(Opened { plain, stale: false })
    }
}
