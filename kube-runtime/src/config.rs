//! Reaching an API server elsewhere: hyper over TCP and rustls, with HTTP/2 where the server speaks it.

mod connect;
mod tls;
mod token;
mod unverified;

pub(crate) use token::TokenFile;
pub use unverified::AnyCertificate;

use crate::client::{Body, Client};
use crate::error::Error;
use crate::kubeconfig::{Cluster, Kubeconfig, Selected, User, missing};
use base64::Engine as _;
use connect::Connector;
use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tower::ServiceExt as _;

/// A connection on which nothing arrives for this long is asked for a sign of life, and must give one within the second.
/// Source: client-go's `HTTP2_READ_IDLE_TIMEOUT_SECONDS` and `HTTP2_PING_TIMEOUT_SECONDS`.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

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
        if user.exec.is_some() {
            return Err(missing(
                "the kubeconfig's user gets credentials from a program (exec), which this client does not run",
            ));
        }
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
        let client = connect(cluster, &material)?;
        if !user.token_file.is_empty() {
            Ok(client.with_token_file(TokenFile::new(folder.join(&user.token_file))))
        } else if !user.token.is_empty() {
            client.with_bearer_token(&user.token)
        } else if !user.username.is_empty() {
            client.with_basic_auth(&user.username, &user.password)
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
        let variable = |name| {
            std::env::var(name)
                .map_err(|_| missing(format!("the environment variable {name} is not set: this is not a Pod")))
        };
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let folder = Path::new(SERVICE_ACCOUNT);
        let cluster = Cluster { server: format!("https://{host}:{port}"), ..Cluster::default() };
        let authority = pem(folder, "certificate-authority", "ca.crt", "")?;
        let client = connect(&cluster, &tls::Material { authority, ..tls::Material::default() })?;
        Ok(client.with_token_file(TokenFile::new(folder.join("token"))))
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

/// A client of a server, without credentials in headers.
fn connect(cluster: &Cluster, material: &tls::Material) -> Result<Client, Error> {
    let server: Uri = cluster.server.parse().map_err(|_| {
        missing(format!("the kubeconfig's server {:?} is no URL, as https://HOST:PORT", cluster.server))
    })?;
    let (Some(scheme), Some(authority)) = (server.scheme().cloned(), server.authority().cloned()) else {
        return Err(missing(format!("the kubeconfig's server {:?} has no scheme or no host", cluster.server)));
    };
    let tls = if scheme == Scheme::HTTPS {
        let name = if cluster.tls_server_name.is_empty() { authority.host() } else { &cluster.tls_server_name };
        Some(tls::connector(material, name)?)
    } else {
        None
    };
    let base = Base { scheme, authority, path: server.path().trim_end_matches('/').to_owned() };
    let client: legacy::Client<Connector, Body> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .http2_adaptive_window(true)
        .build(Connector::new(tls));
    Ok(Client::new(client.map_request(move |request: Request<Body>| base.complete(request))))
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
    let path: PathBuf = folder.join(file);
    std::fs::read(&path).map(Some).map_err(|source| Error::Config {
        what: format!("cannot read the kubeconfig's {what} {}", path.display()),
        source: Some(source.into()),
    })
}

#[cfg(test)]
mod tests;
