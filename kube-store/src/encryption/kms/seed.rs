//! Data keys: a seed from which each value's own key is derived, so that no number of values wears it out.
//!
//! ```text
//! value   info (32 random bytes), nonce (12), ciphertext and tag of AES-256-GCM, with the object's key as associated data
//! key     HKDF-Expand-SHA256(seed, info), 32 bytes
//! ```
//!
//! Source: `encrypt/aes/aes_extended_nonce.go` of kube-apiserver; RFC 5869.

use super::super::aesgcm::AesGcm;
use super::super::key::{Key, random};
use super::super::{Opened, Provider};
use ring::hkdf::{HKDF_SHA256, Prk};
use zeroize::Zeroizing;

/// Bytes of a seed, of a derived key, and of what tells derived keys apart.
const BYTES: usize = 32;

/// A seed; erased when it is dropped.
pub(super) struct Seed(Zeroizing<[u8; BYTES]>);

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn generate() -> Result<Self, String> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// One that was unwrapped.
    ///
    /// # Errors
    /// When it has another length.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, String> {
        let seed = <[u8; BYTES]>::try_from(bytes);
        let seed = seed.map_err(|_| format!("it unwrapped {} bytes, where a data key has {BYTES}", bytes.len()))?;
        Ok(Self(Zeroizing::new(seed)))
    }

    /// The bytes, to be wrapped.
    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// Encrypts a value.
    ///
    /// # Errors
    /// When the system gives no random bytes, or the value is too large.
    pub(super) fn seal(&self, plain: &[u8], key: &str) -> Result<Vec<u8>, String> {
        let info = random::<BYTES>()?;
        let sealed = self.derived(&info)?.seal(plain, key)?;
        Ok([&info[..], &sealed].concat())
    }

    /// Decrypts a value.
    ///
    /// # Errors
    /// When it is not what was encrypted, or the object's key is another.
    pub(super) fn open(&self, sealed: &[u8], key: &str) -> Result<Vec<u8>, String> {
        let (info, rest) = sealed.split_first_chunk::<BYTES>().ok_or("the value is cut short")?;
        let Opened { plain, .. } = self.derived(info)?.open(rest, key)?;
        Ok(plain)
    }

    fn derived(&self, info: &[u8; BYTES]) -> Result<AesGcm, String> {
        let mut derived = Zeroizing::new(vec![0; BYTES]);
        // The seed is as good as what HKDF-Extract would give: it is uniformly random, or was when it was made.
        Prk::new_less_safe(HKDF_SHA256, self.bytes())
            .expand(&[info], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut derived))
            .map_err(|_| "no key can be derived")?;
        AesGcm::new(&Key::new("data key", std::mem::take(&mut *derived)))
    }
}
