//! Keys of ciphers: erased when they are dropped, and never shown.

use std::fmt;
use zeroize::Zeroizing;

/// A named key.
#[derive(Clone)]
pub struct Key {
    name: String,
    secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Key {
    /// A key of so many bytes as its cipher takes.
    pub fn new(name: impl Into<String>, secret: Vec<u8>) -> Self {
        Self { name: name.into(), secret: Zeroizing::new(secret) }
    }

    /// The name, which stands in front of each value.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// Unpredictable bytes, from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// What is said of a value that does not fit the key: the two causes cannot be told apart.
pub(super) fn does_not_fit(key: &str) -> String {
    format!("the key {key:?} is not the one that it was encrypted with, or the value is damaged")
}
