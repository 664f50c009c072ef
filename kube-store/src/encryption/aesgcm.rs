//! AES in Galois/counter mode, with a random nonce of 12 bytes in front.
//!
//! Two values under one nonce would give the key away; with random nonces a key should not write more than 2³² values.
//! Source: Kubernetes' `storage/value/encrypt/aes/aes.go`.

use super::key::{Key, does_not_fit, random};
use super::{Opened, Provider};
use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm as Cipher};
use std::fmt;

type Aes192Gcm = Cipher<aes::Aes192, U12>;

const NONCE: usize = 12;

/// AES-GCM with a key of 16, 24 or 32 bytes.
pub struct AesGcm {
    prefix: String,
    name: String,
    cipher: BySize,
}

/// The cipher for the length of the key.
enum BySize {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<Aes192Gcm>),
    Aes256(Box<Aes256Gcm>),
}

impl fmt::Debug for AesGcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

impl AesGcm {
    /// With this key.
    ///
    /// # Errors
    /// When the key does not have 16, 24 or 32 bytes.
    pub fn new(key: &Key) -> Result<Self, String> {
        let cipher = cipher(key.secret())?;
        Ok(Self { prefix: format!("k8s:enc:aesgcm:v1:{}:", key.name()), name: key.name().to_owned(), cipher })
    }
}

fn cipher(secret: &[u8]) -> Result<BySize, String> {
    let wrong = |_| "the key is not usable".to_owned();
    Ok(match secret.len() {
        16 => BySize::Aes128(Box::new(Aes128Gcm::new_from_slice(secret).map_err(wrong)?)),
        24 => BySize::Aes192(Box::new(Aes192Gcm::new_from_slice(secret).map_err(wrong)?)),
        32 => BySize::Aes256(Box::new(Aes256Gcm::new_from_slice(secret).map_err(wrong)?)),
        other => return Err(format!("an AES key has 16, 24 or 32 bytes, not {other}")),
    })
}

impl BySize {
    fn encrypt(&self, nonce: [u8; NONCE], message: Payload<'_, '_>) -> Option<Vec<u8>> {
        let nonce = &Array(nonce);
        match self {
            Self::Aes128(cipher) => cipher.encrypt(nonce, message),
            Self::Aes192(cipher) => cipher.encrypt(nonce, message),
            Self::Aes256(cipher) => cipher.encrypt(nonce, message),
        }
        .ok()
    }

    fn decrypt(&self, nonce: [u8; NONCE], message: Payload<'_, '_>) -> Option<Vec<u8>> {
        let nonce = &Array(nonce);
        match self {
            Self::Aes128(cipher) => cipher.decrypt(nonce, message),
            Self::Aes192(cipher) => cipher.decrypt(nonce, message),
            Self::Aes256(cipher) => cipher.decrypt(nonce, message),
        }
        .ok()
    }
}

impl Provider for AesGcm {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn seal(&self, plain: &[u8], key: &str) -> Result<Vec<u8>, String> {
        let nonce = random::<NONCE>()?;
        let message = Payload { msg: plain, aad: key.as_bytes() };
        let sealed = self.cipher.encrypt(nonce, message).ok_or("the value is too large for AES-GCM")?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, sealed: &[u8], key: &str) -> Result<Opened, String> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or("the value is cut short")?;
        let message = Payload { msg: rest, aad: key.as_bytes() };
        let plain = self.cipher.decrypt(*nonce, message).ok_or_else(|| does_not_fit(&self.name))?;
        Ok(Opened { plain, stale: false })
    }
}
