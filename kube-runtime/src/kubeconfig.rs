//! Kubeconfig files: which server, and as whom.

use crate::error::Error;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A kubeconfig file. Source: `k8s.io/client-go/tools/clientcmd/api/v1`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Kubeconfig {
    /// The context that is used where none is named.
    #[serde(deserialize_with = "null_is_empty")]
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
    #[serde(deserialize_with = "null_is_empty")]
    pub name: String,
    /// The context.
    pub context: Context,
}

/// Which cluster as which user.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Name of a cluster.
    #[serde(deserialize_with = "null_is_empty")]
    pub cluster: String,
    /// Name of a user.
    #[serde(deserialize_with = "null_is_empty")]
    pub user: String,
    /// The namespace where none is given; empty is `default`.
    #[serde(deserialize_with = "null_is_empty")]
    pub namespace: String,
}

/// A server and its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NamedCluster {
    /// The name.
    #[serde(deserialize_with = "null_is_empty")]
    pub name: String,
    /// The server.
    pub cluster: Cluster,
}

/// A server. Absent fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Cluster {
    /// `https://127.0.0.1:6443`. Without a scheme it is `https` if anything is said of TLS, else `http`, as for kubectl.
    #[serde(deserialize_with = "null_is_empty")]
    pub server: String,
    /// Who must have signed the server's certificate: a PEM file.
    #[serde(deserialize_with = "null_is_empty")]
    pub certificate_authority: String,
    /// The same as base64 of PEM; comes before the file.
    #[serde(deserialize_with = "null_is_empty")]
    pub certificate_authority_data: String,
    /// The name that the certificate must be for, if not the host of `server`.
    #[serde(deserialize_with = "null_is_empty")]
    pub tls_server_name: String,
    /// Accept any certificate.
    #[serde(deserialize_with = "null_is_empty")]
    pub insecure_skip_tls_verify: bool,
    /// A proxy, which this client cannot use.
    #[serde(deserialize_with = "null_is_empty")]
    pub proxy_url: String,
}

/// Credentials and their name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NamedUser {
    /// The name.
    #[serde(deserialize_with = "null_is_empty")]
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
    #[serde(deserialize_with = "null_is_empty")]
    pub client_certificate: String,
    /// The same as base64 of PEM; comes before the file.
    #[serde(deserialize_with = "null_is_empty")]
    pub client_certificate_data: String,
    /// A PEM file.
    #[serde(deserialize_with = "null_is_empty")]
    pub client_key: String,
    /// The same as base64 of PEM; comes before the file.
    #[serde(deserialize_with = "null_is_empty")]
    pub client_key_data: String,
    /// A bearer token.
    #[serde(deserialize_with = "null_is_empty")]
    pub token: String,
    /// A file with a bearer token that may be rotated; comes before `token`, which stands in while there is no such file.
    #[serde(rename = "tokenFile")]
    #[serde(deserialize_with = "null_is_empty")]
    pub token_file: String,
    /// For basic authentication.
    #[serde(deserialize_with = "null_is_empty")]
    pub username: String,
    /// For basic authentication.
    #[serde(deserialize_with = "null_is_empty")]
    pub password: String,
    /// Whom to act as: a user.
    #[serde(rename = "as")]
    #[serde(deserialize_with = "null_is_empty")]
    pub impersonate: String,
    /// Whom to act as: the user's uid.
    #[serde(rename = "as-uid")]
    #[serde(deserialize_with = "null_is_empty")]
    pub impersonate_uid: String,
    /// Whom to act as: the user's groups.
    #[serde(rename = "as-groups")]
    pub impersonate_groups: Vec<String>,
    /// Whom to act as: what else is known of the user.
    #[serde(rename = "as-user-extra")]
    pub impersonate_extra: BTreeMap<String, Vec<String>>,
    /// A program that gives a bearer token.
    pub exec: Option<Exec>,
    /// A part of client-go that gave credentials, and is gone from it.
    pub auth_provider: Option<serde::de::IgnoredAny>,
}

/// A program that gives a bearer token (KEP-541). Absent fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Exec {
    /// `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`.
    #[serde(deserialize_with = "null_is_empty")]
    pub api_version: String,
    /// The program: a path from the kubeconfig's folder, or a name that is looked up in `PATH`.
    #[serde(deserialize_with = "null_is_empty")]
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What is added to its environment.
    pub env: Vec<EnvironmentVariable>,
    /// What to tell who has no such program.
    #[serde(deserialize_with = "null_is_empty")]
    pub install_hint: String,
    /// Whether it is told of the cluster.
    #[serde(deserialize_with = "null_is_empty")]
    pub provide_cluster_info: bool,
    /// `Never`, `IfAvailable`, or `Always`, with which it cannot be run here.
    #[serde(deserialize_with = "null_is_empty")]
    pub interactive_mode: String,
}

/// A variable of a program's environment.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EnvironmentVariable {
    /// The name.
    pub name: String,
    /// The value, which may be a secret.
    pub value: String,
}

impl fmt::Debug for EnvironmentVariable {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentVariable").field("name", &self.name).finish_non_exhaustive()
    }
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
        // An excerpt of the text would show keys and tokens.
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(|source| Error::Config {
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

/// Tools write null for what is not set.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A kubeconfig from which something is missing.
pub(crate) fn missing(what: impl Into<String>) -> Error {
    Error::Config { what: what.into(), source: None }
}

#[cfg(test)]
mod tests;
