//! Calls of the Container Runtime Interface over gRPC on a Unix socket.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::runtime::error::{Error, Result};

/// The longest answer: a node's list of containers or images.
const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// How long a call may take that should be quick.
pub(super) const QUICK: Duration = Duration::from_secs(120);

/// A connection to a runtime, made when it is first needed and again after it is lost.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    channel: Channel,
    endpoint: String,
}

impl Connection {
    /// A connection to a Unix socket. Must be made within a tokio runtime.
    pub(super) fn new(socket: PathBuf) -> Self {
        let endpoint = format!("unix://{}", socket.display());
        // The address is a formality: the connector knows the socket.
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(
            move |_: http::Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            },
        ));
        Self { channel, endpoint }
    }

    /// One call; `path` is `/runtime.v1.Service/Method`.
    pub(super) async fn call<I, O>(
        &self,
        operation: &'static str,
        object: &str,
        path: &'static str,
        request: I,
        timeout: Option<Duration>,
    ) -> Result<O>
    where
        I: Message + 'static,
        O: Message + Default + 'static,
    {
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| Error::Unavailable {
            operation,
            endpoint: self.endpoint.clone(),
            source,
        };
        let mut grpc = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let work = async {
            grpc.ready().await.map_err(|error| unavailable(Box::new(error)))?;
            let codec = ProstCodec::<I, O>::default();
            let answer = grpc.unary(Request::new(request), PathAndQuery::from_static(path), codec).await;
            answer.map(tonic::Response::into_inner).map_err(|status| match status.code() {
                Code::NotFound => Error::not_found(operation, object),
                Code::Unavailable => unavailable(Box::new(status)),
                Code::Unimplemented => Error::Unsupported { operation },
                Code::DeadlineExceeded => Error::Timeout { operation, after: timeout.unwrap_or_default() },
                code => Error::failed(operation, format!("rpc error: code = {code:?} desc = {}", status.message())),
            })
        };
        match timeout {
            None => work.await,
            Some(after) => tokio::time::timeout(after, work).await.unwrap_or(Err(Error::Timeout { operation, after })),
        }
    }
}
