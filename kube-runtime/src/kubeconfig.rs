//! Kubeconfig files: which server, and as whom.

use crate::error::Error;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// A kubeconfig file. Source: `k8s.io/client-go/tools/clientcmd/api/v1`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Kubeconfig {
    /// The context that is used where none is named.
    pub current_context: String,
    /// Which cluster as which user.
    pub contexts: Vec<NamedContext>,
    /// Servers.
    pub clusters: Vec<NamedCluster>,
    /// Credentials.
    pub users: Vec<NamedUser>,
    /// The folder that relative paths start from; not part of the file.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A context and its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NamedContext {
    /// The name.
    pub name: String,
    /// The context.
    pub context: Context,
}

/// Which cluster as which user.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Name of a cluster.
    pub cluster: String,
    /// Name of a user.
    pub user: String,
    /// The namespace where none is given; empty is `default`.
    pub namespace: String,
}

/// A server and its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NamedCluster {
    /// The name.
    pub name: String,
    /// The server.
    pub cluster: Cluster,
}

/// A server. Absent fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Cluster {
    /// `https://127.0.0.1:6443`.
    pub server: String,
    /// Who must have signed the server's certificate: a PEM file.
    pub certificate_authority: String,
    /// The same as base64 of PEM; comes before the file.
    pub certificate_authority_data: String,
    /// The name that the certificate must be for, if not the host of `server`.
    pub tls_server_name: String,
    /// Accept any certificate.
    pub insecure_skip_tls_verify: bool,
    /// A proxy, which this client cannot use.
    pub proxy_url: String,
}

/// Credentials and their name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NamedUser {
    /// The name.
    pub name: String,
    /// The credentials.
    pub user: User,
}

/// Credentials. Absent fields are empty.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct User {
    /// A PEM file.
    pub client_certificate: String,
    /// The same as base64 of PEM; comes before the file.
    pub client_certificate_data: String,
    /// A PEM file.
    pub client_key: String,
    /// The same as base64 of PEM; comes before the file.
    pub client_key_data: String,
    /// A bearer token.
    pub token: String,
    /// A file with a bearer token that may be rotated; comes before `token`.
    #[serde(rename = "tokenFile")]
    pub token_file: String,
    /// For basic authentication.
    pub username: String,
    /// For basic authentication.
    pub password: String,
    /// A program that gives credentials, which this client does not run.
    pub exec: Option<serde::de::IgnoredAny>,
}

impl fmt::Debug for User {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What a context names, looked up.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'a> {
    /// The context.
    pub context: &'a Context,
    /// Its server.
    pub cluster: &'a Cluster,
    /// Its credentials; none for an anonymous client.
    pub user: Option<&'a User>,
}

impl Kubeconfig {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is no kubeconfig.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Config {
            what: format!("cannot read the kubeconfig {}", path.display()),
            source: Some(source.into()),
        })?;
        let mut kubeconfig = Self::from_yaml(&text).map_err(|error| Error::Config {
            what: format!("{} is no kubeconfig", path.display()),
            source: Some(error.into()),
        })?;
        kubeconfig.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(kubeconfig)
    }

    /// Reads the text of a file. Relative paths in it start from the current folder.
    ///
    /// # Errors
    ///
    /// If it is no kubeconfig.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        serde_saphyr::from_str(text).map_err(|source| Error::Config {
            what: "the kubeconfig is malformed".to_owned(),
            source: Some(source.to_string().into()),
        })
    }

    /// What the current context names.
    ///
    /// # Errors
    ///
    /// If there is no such context, or it names a cluster or a user that is not there.
    pub fn current(&self) -> Result<Selected<'_>, Error> {
        if self.current_context.is_empty() {
            return Err(missing("the kubeconfig has no current-context; set one with `kubectl config use-context`"));
        }
        self.select(&self.current_context)
    }

    /// What a context names.
    ///
    /// # Errors
    ///
    /// As [`Kubeconfig::current`].
    pub fn select(&self, name: &str) -> Result<Selected<'_>, Error> {
        let context = self.contexts.iter().find(|one| one.name == name);
        let context = &context.ok_or_else(|| missing(format!("the kubeconfig has no context {name:?}")))?.context;
        let cluster = self.clusters.iter().find(|one| one.name == context.cluster).ok_or_else(|| {
            missing(format!(
                "context {name:?} of the kubeconfig names the cluster {:?}, which is not in it",
                context.cluster
            ))
        })?;
        let user = self.users.iter().find(|one| one.name == context.user).map(|one| &one.user);
        if user.is_none() && !context.user.is_empty() {
            return Err(missing(format!(
                "context {name:?} of the kubeconfig names the user {:?}, which is not in it",
                context.user
            )));
        }
        Ok(Selected { context, cluster: &cluster.cluster, user })
    }
}

/// A kubeconfig from which something is missing.
pub(crate) fn missing(what: impl Into<String>) -> Error {
    Error::Config { what: what.into(), source: None }
}

#[cfg(test)]
mod tests;
