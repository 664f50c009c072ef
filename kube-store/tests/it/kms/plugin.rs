//! A KMS plugin as a process of its own would be: gRPC over a Unix socket, answered by a simulated service. It can be
//! stopped and started on its socket.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kubekit_store::encryption::kms::simulated::Simulated;
use kubekit_store::encryption::kms::{KeyService, Status, Wrapped};
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

/// gRPC's code for what went wrong in the service.
const UNKNOWN: &str = "2";

#[derive(Clone, PartialEq, Message)]
struct StatusAnswer {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(string, tag = "2")]
    healthz: String,
    #[prost(string, tag = "3")]
    key_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Plain {
    #[prost(bytes = "vec", tag = "1")]
    plaintext: Vec<u8>,
    #[prost(string, tag = "2")]
    uid: String,
}

#[derive(Clone, PartialEq, Message)]
struct EncryptAnswer {
    #[prost(bytes = "vec", tag = "1")]
    ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct DecryptQuestion {
    #[prost(bytes = "vec", tag = "1")]
    ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    annotations: BTreeMap<String, Vec<u8>>,
}

/// A plugin that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Plugin {
    path: PathBuf,
    /// Ends with what it serves.
    _serving: JoinSet<()>,
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Plugin {
    /// Serves on this socket.
    pub(crate) fn start(path: &Path, service: &Arc<Simulated>) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let service = Arc::clone(service);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // Dropped with the task, and its connections with it.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = Arc::clone(&service);
                connections.spawn(async move {
                    let answer = hyper::service::service_fn(move |request| answer(Arc::clone(&service), request));
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { path: path.to_owned(), _serving: serving }
    }
}

type Frames = futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>;

async fn answer(
    service: Arc<Simulated>,
    request: Request<Incoming>,
) -> Result<Response<StreamBody<Frames>>, Infallible> {
    let method = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // A byte that says whether the message is compressed, and four of its length.
    let message = &body[5..];
    let outcome = match method.as_str() {
        "/v2.KeyManagementService/Status" => service.status().await.map(|status| {
            let Status { version, healthz, key_id } = status;
            StatusAnswer { version, healthz, key_id }.encode_to_vec()
        }),
        "/v2.KeyManagementService/Encrypt" => {
            let Plain { plaintext, uid } = Plain::decode(message).unwrap();
            assert!(!uid.is_empty(), "each request has a name");
            service.encrypt(&uid, &plaintext).await.map(|wrapped| {
                let Wrapped { ciphertext, key_id, annotations } = wrapped;
                EncryptAnswer { ciphertext, key_id, annotations }.encode_to_vec()
            })
        }
        "/v2.KeyManagementService/Decrypt" => {
            let question = DecryptQuestion::decode(message).unwrap();
            let DecryptQuestion { ciphertext, uid, key_id, annotations } = question;
            let unwrapped = service.decrypt(&uid, &Wrapped { ciphertext, key_id, annotations }).await;
            unwrapped.map(|plain| Plain { plaintext: plain.to_vec(), uid: String::new() }.encode_to_vec())
        }
        other => Err(format!("there is no method {other}")),
    };
    let mut frames = Vec::new();
    let mut trailers = HeaderMap::new();
    match outcome {
        Ok(message) => {
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(u32::try_from(message.len()).unwrap());
            framed.put_slice(&message);
            frames.push(Ok(Frame::data(framed.freeze())));
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
        }
        Err(why) => {
            trailers.insert("grpc-status", HeaderValue::from_static(UNKNOWN));
            // Percent-encoded, as gRPC wants it.
            trailers.insert("grpc-message", why.replace('"', "%22").parse().unwrap());
        }
    }
    frames.push(Ok(Frame::trailers(trailers)));
    let body = StreamBody::new(futures::stream::iter(frames));
    Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}
