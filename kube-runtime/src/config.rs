//! Reaching an API server elsewhere: hyper over TCP and rustls, with HTTP/2 where the server speaks it.

mod connect;
mod exec;
mod lanes;
mod tls;
mod token;
mod unverified;

pub(crate) use exec::TokenProgram;
pub(crate) use token::TokenFile;
pub use unverified::AnyCertificate;

use crate::client::{Body, Client, Impersonation};
use crate::error::Error;
use crate::kubeconfig::{Cluster, Kubeconfig, Selected, User, missing};
use base64::Engine as _;
use connect::Connector;
use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use lanes::Lanes;
use std::path::Path;
use tower::ServiceExt as _;

/// Where a Pod finds its credentials.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Client {
    /// A client of the server that the current context of this kubeconfig names.
    ///
    /// # Errors
    ///
    /// If the kubeconfig names no server, a file that it names cannot be read, or a certificate or key is malformed.
    pub fn from_kubeconfig(kubeconfig: &Kubeconfig) -> Result<Self, Error> {
        let Selected { cluster, user, .. } = kubeconfig.current()?;
        let anonymous = User::default();
        let user = user.unwrap_or(&anonymous);
        if user.auth_provider.is_some() {
            return Err(missing(
                "the kubeconfig's user gets credentials from an auth-provider, which no client has any more",
            ));
        }
        let impersonation = impersonation(user)?;
        if !cluster.proxy_url.is_empty() {
            return Err(missing("the kubeconfig's cluster has a proxy-url, which this client does not use"));
        }
        let folder = &kubeconfig.folder;
        let material = tls::Material {
            authority: pem(
                folder,
                "certificate-authority",
                &cluster.certificate_authority,
                &cluster.certificate_authority_data,
            )?,
            certificate: pem(folder, "client-certificate", &user.client_certificate, &user.client_certificate_data)?,
            key: pem(folder, "client-key", &user.client_key, &user.client_key_data)?,
            insecure: cluster.insecure_skip_tls_verify,
        };
        let client = connect(cluster, &material)?.with_impersonation(impersonation);
        // What is said outright comes before what a program gives, as in client-go.
        if !user.token_file.is_empty() {
            Ok(client.with_token_file(TokenFile::new(folder.join(&user.token_file), &user.token)))
        } else if !user.token.is_empty() {
            client.with_bearer_token(&user.token)
        } else if !user.username.is_empty() {
            client.with_basic_auth(&user.username, &user.password)
        } else if let Some(exec) = &user.exec {
            let program = TokenProgram::new(exec, folder, cluster, material.authority.as_deref())?;
            Ok(client.with_token_program(program))
        } else {
            Ok(client)
        }
    }

    /// A client for a program in a Pod: the server's address from the environment, the service account from its files.
    ///
    /// # Errors
    ///
    /// If this is no Pod, or a file cannot be read.
    pub fn in_cluster() -> Result<Self, Error> {
        Self::in_pod(Path::new(SERVICE_ACCOUNT), |name| std::env::var(name).unwrap_or_default())
    }

    fn in_pod(folder: &Path, variable: impl Fn(&str) -> String) -> Result<Self, Error> {
        let variable = |name| match variable(name) {
            text if text.is_empty() => {
                Err(missing(format!("the environment variable {name} is not set: this is not a Pod")))
            }
            text => Ok(text),
        };
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let cluster = Cluster { server: format!("https://{host}:{port}"), ..Cluster::default() };
        let authority = read_file(&folder.join("ca.crt"), "service account's authority")?;
        let material = tls::Material { authority: Some(authority), ..tls::Material::default() };
        Ok(connect(&cluster, &material)?.with_token_file(TokenFile::new(folder.join("token"), "")))
    }
}

impl Kubeconfig {
    /// The same server, as nobody: what a client with other credentials is made of.
    ///
    /// # Errors
    ///
    /// As [`Kubeconfig::current`].
    pub fn without_user(&self) -> Result<Self, Error> {
        self.current()?;
        let mut anonymous = self.clone();
        anonymous.users.clear();
        for context in &mut anonymous.contexts {
            context.context.user.clear();
        }
        Ok(anonymous)
    }

    /// The certificates that the server of the current context must be signed by, PEM; none if the kubeconfig has none.
    ///
    /// # Errors
    ///
    /// As [`Kubeconfig::current`]; if the file that it names cannot be read or is no text.
    pub fn certificate_authority(&self) -> Result<Option<String>, Error> {
        let cluster = self.current()?.cluster;
        let (file, data) = (&cluster.certificate_authority, &cluster.certificate_authority_data);
        let Some(pem) = pem(&self.folder, "certificate-authority", file, data)? else { return Ok(None) };
        String::from_utf8(pem).map(Some).map_err(|source| Error::Config {
            what: "the kubeconfig's certificate-authority is no text".to_owned(),
            source: Some(source.into()),
        })
    }
}

/// Whom the user acts as.
fn impersonation(user: &User) -> Result<Impersonation, Error> {
    let impersonation = Impersonation {
        user: user.impersonate.clone(),
        uid: user.impersonate_uid.clone(),
        groups: user.impersonate_groups.clone(),
        extra: user.impersonate_extra.clone(),
    };
    if impersonation.lacks_user() {
        return Err(missing("the kubeconfig's user has as-uid, as-groups or as-user-extra without `as`"));
    }
    Ok(impersonation)
}

/// Where the server is. Source: client-go `rest.DefaultServerURL`.
fn base(server: &str, secure: bool) -> Result<Base, Error> {
    let no_url = || missing(format!("the kubeconfig's server {server:?} is no URL, as https://HOST:PORT"));
    let url: Uri = server.parse().map_err(|_| no_url())?;
    let authority = url.authority().cloned().ok_or_else(no_url)?;
    let scheme = url.scheme().cloned().unwrap_or(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
        return Err(missing(format!("the kubeconfig's server {server:?} is reached neither by https nor by http")));
    }
    Ok(Base { scheme, authority, path: url.path().trim_end_matches('/').to_owned() })
}

/// A client of a server, without credentials in headers.
fn connect(cluster: &Cluster, material: &tls::Material) -> Result<Client, Error> {
    let base = base(&cluster.server, material.speaks_of_tls())?;
    let tls = if base.scheme == Scheme::HTTPS {
        let authority = &base.authority;
        let name = if cluster.tls_server_name.is_empty() { authority.host() } else { &cluster.tls_server_name };
        Some(tls::connector(material, name)?)
    } else {
        None
    };
    let lanes = Lanes::new(Connector::new(tls));
    Ok(Client::new(lanes.map_request(move |request: Request<Body>| base.complete(request))))
}

/// What comes before the path of each request.
#[derive(Clone, Debug)]
struct Base {
    scheme: Scheme,
    authority: Authority,
    path: String,
}

impl Base {
    fn complete(&self, request: Request<Body>) -> Request<Body> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        parts.uri = uri.path_and_query(format!("{}{path}", self.path)).build().expect("a path behind a path is a path");
        Request::from_parts(parts, body)
    }
}

/// PEM from base64 in the kubeconfig, or from a file; none if neither is given.
fn pem(folder: &Path, what: &str, file: &str, data: &str) -> Result<Option<Vec<u8>>, Error> {
    if !data.is_empty() {
        let compact: String = data.split_ascii_whitespace().collect();
        let decoded = base64::engine::general_purpose::STANDARD.decode(compact);
        return decoded.map(Some).map_err(|source| Error::Config {
            what: format!("the kubeconfig's {what}-data is no base64"),
            source: Some(source.into()),
        });
    }
    if file.is_empty() {
        return Ok(None);
    }
    read_file(&folder.join(file), &format!("kubeconfig's {what}")).map(Some)
}

fn read_file(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Config {
        what: format!("cannot read the {what} {}", path.display()),
        source: Some(source.into()),
    })
}

#[cfg(test)]
mod tests;
