//! The file by which `kubectl` and client libraries find a cluster and prove who they are.

use super::{Credential, Result, directory};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// A kubeconfig of one cluster, one user and one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubeconfig {
    /// Name of the cluster: `kubernetes`.
    pub cluster: String,
    /// `https://127.0.0.1:6443`
    pub server: String,
    /// Certificate of the authority that signed the server's, PEM.
    pub authority: String,
    /// Name of the user.
    pub user: String,
    /// The user's certificate and key.
    pub credential: Credential,
}

impl Kubeconfig {
    /// The file's text, with all data embedded.
    pub fn to_yaml(&self) -> String {
        let Self { cluster, server, authority, user, credential } = self;
        let context = quoted(&format!("{user}@{cluster}"));
        let (cluster, server, user) = (quoted(cluster), quoted(server), quoted(user));
        let (authority, certificate, key) =
            (STANDARD.encode(authority), STANDARD.encode(&credential.certificate), STANDARD.encode(&credential.key));
        format!(
            "apiVersion: v1
kind: Config
clusters:
- name: {cluster}
  cluster:
    certificate-authority-data: {authority}
    server: {server}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {context}
  context:
    cluster: {cluster}
    user: {user}
current-context: {context}
preferences: {{}}
"
        )
    }

    /// Writes the file, readable by its owner only, so that a reader never sees half of it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        directory::write_secret(path, &self.to_yaml())
    }
}

/// A YAML string in double quotes: JSON's rules are a subset of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
