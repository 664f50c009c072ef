//! AES in cipher block chaining mode, with PKCS #7 padding and the random initialization vector in front.
//!
//! It authenticates nothing: a changed value may go unnoticed, so that Kubernetes discourages it. It is here to read what
//! was written with it. Source: Kubernetes' `storage/value/encrypt/aes/aes.go`.

use super::key::{Key, does_not_fit, random};
use super::{Opened, Provider};
use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use std::fmt;

const BLOCK: usize = 16;

/// AES-CBC with a key of 16, 24 or 32 bytes.
pub struct AesCbc {
    prefix: String,
    key: Key,
}

impl fmt::Debug for AesCbc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

impl AesCbc {
    /// With this key.
    ///
    /// # Errors
    /// When the key does not have 16, 24 or 32 bytes.
    pub fn new(key: &Key) -> Result<Self, String> {
        if !matches!(key.secret().len(), 16 | 24 | 32) {
            return Err(format!("an AES key has 16, 24 or 32 bytes, not {}", key.secret().len()));
        }
        Ok(Self { prefix: format!("k8s:enc:aescbc:v1:{}:", key.name()), key: key.clone() })
    }

    fn encrypt(&self, vector: &[u8; BLOCK], plain: &[u8]) -> Option<Vec<u8>> {
        let secret = self.key.secret();
        Some(match secret.len() {
            16 => cbc::Encryptor::<Aes128>::new_from_slices(secret, vector).ok()?.encrypt_padded_vec::<Pkcs7>(plain),
            24 => cbc::Encryptor::<Aes192>::new_from_slices(secret, vector).ok()?.encrypt_padded_vec::<Pkcs7>(plain),
            _ => cbc::Encryptor::<Aes256>::new_from_slices(secret, vector).ok()?.encrypt_padded_vec::<Pkcs7>(plain),
        })
    }

    fn decrypt(&self, vector: &[u8; BLOCK], sealed: &[u8]) -> Option<Vec<u8>> {
        let secret = self.key.secret();
        match secret.len() {
            16 => cbc::Decryptor::<Aes128>::new_from_slices(secret, vector).ok()?.decrypt_padded_vec::<Pkcs7>(sealed),
            24 => cbc::Decryptor::<Aes192>::new_from_slices(secret, vector).ok()?.decrypt_padded_vec::<Pkcs7>(sealed),
            _ => cbc::Decryptor::<Aes256>::new_from_slices(secret, vector).ok()?.decrypt_padded_vec::<Pkcs7>(sealed),
        }
        .ok()
    }
}

impl Provider for AesCbc {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn seal(&self, plain: &[u8], _key: &str) -> Result<Vec<u8>, String> {
        let vector = random::<BLOCK>()?;
        let sealed = self.encrypt(&vector, plain).ok_or("the key is not usable")?;
        Ok([&vector[..], &sealed].concat())
    }

    fn open(&self, sealed: &[u8], _key: &str) -> Result<Opened, String> {
        let (vector, rest) = sealed.split_first_chunk::<BLOCK>().ok_or("the value is cut short")?;
        let plain = self.decrypt(vector, rest).ok_or_else(|| does_not_fit(self.key.name()))?;
        Ok(Opened { plain, stale: false })
    }
}
