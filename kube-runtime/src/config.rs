//! Reaching an API server elsewhere.

use crate::error::Error;

/// A token in a file.
#[derive(Debug)]
pub(crate) struct TokenFile {}

impl TokenFile {
    pub(crate) fn token(&self) -> Result<String, Error> {
        todo!()
    }
}

impl crate::Client {
    /// A client of the server that the current context of this kubeconfig names.
    ///
    /// # Errors
    ///
    /// If the kubeconfig names no server, a file it names cannot be read, or a certificate or key is malformed.
    pub fn from_kubeconfig(kubeconfig: &crate::Kubeconfig) -> Result<Self, Error> {
        todo!("{kubeconfig:?}")
    }
}
