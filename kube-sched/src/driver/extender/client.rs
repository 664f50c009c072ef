//! One extender: sends what it is asked, reads what it answers.

use super::wire;
use crate::extender::Extender;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, pin_mut};
use http::Method;
use kubekit_runtime::client::json_request;
use kubekit_runtime::kubeconfig::{self, Kubeconfig};
use kubekit_runtime::{Client, Error};
use serde::Serialize;
use serde_json::Value;

/// The largest answer that is read. An extender without a cache answers with whole nodes: 5,000 of 20 KiB are 100 MB.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// An extender, and the connection to it.
#[derive(Clone, Debug)]
pub(in crate::driver) struct HttpExtender {
    pub(in crate::driver) config: Extender,
    client: Client,
}

/// Why an extender gave no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::driver) enum ExtenderError {
    /// It answered with something else than 200.
    #[error("failed {verb} with extender at URL {url}, code {code}")]
    Code { verb: String, url: String, code: u16 },
    /// It did not answer in time.
    #[error("failed {verb} with extender at URL {url}: no answer within {seconds} s")]
    Timeout { verb: String, url: String, seconds: f64 },
    /// It could not be reached, or broke off.
    #[error("failed {verb} with extender at URL {url}: {reason}")]
    Connection { verb: String, url: String, reason: String },
    /// Its answer is not of the form, or says what cannot be.
    #[error("extender {url:?} {what}")]
    Answer { url: String, what: String },
    /// It would clear a node that nobody knows.
    #[error("nodeinfo not found for node name {0:?}")]
    Node(String),
    /// It would have a pod go from a node that is not there.
    #[error(
        "extender: {url} claims to preempt pod (UID: {uid}) on node: {node}, but the pod is not found on that node"
    )]
    Victim { url: String, uid: String, node: String },
    /// It would clear a node of nobody.
    #[error("expected at least one victim pod on node {0:?}")]
    NoVictims(String),
    /// It says itself that it failed.
    #[error("{0}")]
    Told(String),
}

impl HttpExtender {
    /// Prepares the connection.
    ///
    /// # Errors
    /// If its URL is none, or certificates cannot be read.
    pub(in crate::driver) fn new(config: Extender) -> Result<Self, Error> {
        let tls = &config.tls;
        let mut cluster = kubeconfig::Cluster::default();
        cluster.server.clone_from(&config.url_prefix);
        cluster.certificate_authority.clone_from(&tls.ca_file);
        cluster.certificate_authority_data.clone_from(&tls.ca_data);
        cluster.tls_server_name.clone_from(&tls.server_name);
        let verifiable = !(tls.ca_file.is_empty() && tls.ca_data.is_empty());
        cluster.insecure_skip_tls_verify = tls.insecure || (config.enable_https && !verifiable);
        let mut user = kubeconfig::User::default();
        user.client_certificate.clone_from(&tls.cert_file);
        user.client_certificate_data.clone_from(&tls.cert_data);
        user.client_key.clone_from(&tls.key_file);
        user.client_key_data.clone_from(&tls.key_data);
        let name = || "extender".to_owned();
        let context = kubeconfig::Context { cluster: name(), user: name(), namespace: String::new() };
        let mut file = Kubeconfig::default();
        file.current_context = name();
        file.contexts.push(kubeconfig::NamedContext { name: name(), context });
        file.clusters.push(kubeconfig::NamedCluster { name: name(), cluster });
        file.users.push(kubeconfig::NamedUser { name: name(), user });
        let client = Client::from_kubeconfig(&file)?.with_user_agent("kube-scheduler")?;
        Ok(Self { client: client.with_timeout(config.http_timeout), config })
    }

    /// Asks, and gives the answer as JSON with its objects' keys in lower case: extenders follow Go, which does not tell
    /// `nodeNames` from `NodeNames`.
    ///
    /// # Errors
    /// See [`ExtenderError`].
    pub(super) async fn ask(&self, verb: &str, arguments: &impl Serialize) -> Result<Value, ExtenderError> {
        let url = || format!("{}/{verb}", self.config.url_prefix.trim_end_matches('/'));
        let verb_of = || verb.to_owned();
        let body = serde_json::to_vec(arguments).expect("arguments have text keys only");
        let path = format!("/{}", verb.trim_start_matches('/'));
        let request = json_request(Method::POST, &path, "application/json", "application/json", body)
            .map_err(|error| ExtenderError::Connection { verb: verb_of(), url: url(), reason: error.to_string() })?;
        let timeout = self.config.http_timeout;
        let answer = tokio::time::timeout(timeout, self.send(request)).await;
        let bytes = match answer {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(Error::Api(status))) => {
                let code = status.code();
                return Err(ExtenderError::Code { verb: verb_of(), url: url(), code });
            }
            Ok(Err(Error::Timeout { .. })) | Err(_) => {
                return Err(ExtenderError::Timeout { verb: verb_of(), url: url(), seconds: timeout.as_secs_f64() });
            }
            Ok(Err(error)) => {
                return Err(ExtenderError::Connection { verb: verb_of(), url: url(), reason: error.chain() });
            }
        };
        serde_json::from_slice(&bytes)
            .map(wire::lower_keys)
            .map_err(|error| self.answer(format!("answered {verb} with what is no JSON: {error}")))
    }

    async fn send(&self, request: http::Request<Bytes>) -> Result<Bytes, Error> {
        let pieces = self.client.request_stream(request).await?;
        pin_mut!(pieces);
        let mut whole = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if piece.len() > ANSWER_BYTES_MAX - whole.len() {
                return Err(Error::TooLarge { operation: "extender".to_owned(), limit_bytes: ANSWER_BYTES_MAX });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// An answer that is none.
    pub(super) fn answer(&self, what: impl Into<String>) -> ExtenderError {
        ExtenderError::Answer { url: self.config.url_prefix.clone(), what: what.into() }
    }
}
