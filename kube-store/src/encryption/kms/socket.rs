//! A KMS plugin behind its Unix socket: gRPC, one connection a call. Calls are few (a status a minute, a data key now and
//! then), so that a connection is not worth keeping, and a plugin that starts anew needs no attention.

use super::messages as m;
use super::service::{KeyService, Status, Wrapped};
use crate::grpc::chain;
use async_trait::async_trait;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::Request;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

/// How long a call may take unless told otherwise, as in Kubernetes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

const STATUS: &str = "/v2.KeyManagementService/Status";
const ENCRYPT: &str = "/v2.KeyManagementService/Encrypt";
const DECRYPT: &str = "/v2.KeyManagementService/Decrypt";

/// A plugin.
#[derive(Clone, Debug)]
pub struct Socket {
    endpoint: String,
    path: PathBuf,
    timeout: Duration,
}

impl Socket {
    /// The plugin at an endpoint, `unix:///path` (or `unix:///@name` for an abstract socket of Linux). Nothing is connected
    /// yet.
    ///
    /// # Errors
    /// When the endpoint is none.
    pub fn new(endpoint: &str, timeout: Duration) -> Result<Self, String> {
        let path = endpoint.strip_prefix("unix://").filter(|path| path.len() > 1 && path.starts_with('/'));
        let path = path.ok_or_else(|| format!("{endpoint:?} is no endpoint of the form unix:///path"))?;
        let path = path.strip_prefix("/@").map_or_else(|| path.into(), |name| format!("\0{name}").into());
        Ok(Self { endpoint: endpoint.to_owned(), path, timeout })
    }

    /// One call, connection and all, within the timeout.
    async fn call<I, O>(&self, method: &'static str, request: I) -> Result<O, String>
    where
        I: Message + 'static,
        O: Message + Default + 'static,
    {
        let failed = |why: &str| format!("{method} at {}: {why}", self.endpoint);
        let work = async {
            let path = self.path.clone();
            let connector = tower::service_fn(move |_: http::Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            // The authority says nothing: there is one plugin behind a socket.
            let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
            let channel = endpoint.connect_with_connector(connector).await.map_err(|error| failed(&chain(&error)))?;
            let mut grpc = Grpc::new(channel);
            grpc.ready().await.map_err(|error| failed(&chain(&error)))?;
            let codec = ProstCodec::<I, O>::default();
            let answer = grpc.unary(Request::new(request), PathAndQuery::from_static(method), codec).await;
            answer.map(tonic::Response::into_inner).map_err(|status| failed(&chain(&status)))
        };
        let timeout = self.timeout;
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or_else(|_| Err(failed(&format!("no answer within {timeout:?}"))))
    }
}

#[async_trait]
impl KeyService for Socket {
    async fn status(&self) -> Result<Status, String> {
        let m::StatusResponse { version, healthz, key_id } = self.call(STATUS, m::StatusRequest {}).await?;
        Ok(Status { version, healthz, key_id })
    }

    async fn encrypt(&self, uid: &str, plain: &[u8]) -> Result<Wrapped, String> {
        let request = m::EncryptRequest { plaintext: plain.to_vec(), uid: uid.to_owned() };
        let m::EncryptResponse { ciphertext, key_id, annotations } = self.call(ENCRYPT, request).await?;
        Ok(Wrapped { ciphertext, key_id, annotations })
    }

    async fn decrypt(&self, uid: &str, wrapped: &Wrapped) -> Result<Zeroizing<Vec<u8>>, String> {
        let Wrapped { ciphertext, key_id, annotations } = wrapped.clone();
        let request = m::DecryptRequest { ciphertext, uid: uid.to_owned(), key_id, annotations };
        let answer: m::DecryptResponse = self.call(DECRYPT, request).await?;
        Ok(Zeroizing::new(answer.plaintext))
    }
}
