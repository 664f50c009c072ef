use super::container;
use crate::ApiServer;
use crate::admission::{Admission, AdmissionRequest, Operation};
use crate::identity::UserInfo;
use crate::keys;
use crate::node::InMemory;
use crate::serve::serve_connection;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubekit_core::status::ApiError;
use kubekit_store::{Config, Extractor, Memory, Precondition, Store, Value};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

#[track_caller]
fn check_container(pod: &serde_json::Value, asked: Option<&str>, expected: Result<&str, &str>) {
    let found = container::of(pod, asked).map_err(|error| {
        assert_eq!(error.code(), 400);
        error.message
    });
    assert_eq!(found.as_deref().map_err(String::as_str), expected);
}

#[test]
fn which_container() {
    let pod = |containers: &[&str]| {
        let containers: Vec<_> = containers.iter().map(|name| json!({"name": name})).collect();
        json!({"metadata": {"name": "x"}, "spec": {"initContainers": [{"name": "init"}], "containers": containers}})
    };
    check_container(&pod(&["a"]), None, Ok("a"));
    check_container(&pod(&["a"]), Some(""), Ok("a"));
    check_container(&pod(&["a", "b"]), Some("b"), Ok("b"));
    check_container(&pod(&["a", "b"]), Some("init"), Ok("init"));
    let expected = "a container name must be specified for pod x, choose one of: [init a b]";
    check_container(&pod(&["a", "b"]), None, Err(expected));
    check_container(&pod(&["a"]), Some("c"), Err("container c is not valid for pod x"));
}

/// What the agent was asked is in its answers.
async fn agent(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().to_string();
    assert!(!request.headers().contains_key("authorization"), "credentials stay with the server");
    let answer = |code: u16, text: String| {
        Ok(Response::builder().status(code).header("content-type", "text/plain").body(Full::from(text)).unwrap())
    };
    match request.uri().path() {
        "/containerLogs/default/p/main" => answer(200, format!("log of {target}\n")),
        "/containerLogs/default/waiting/main" => {
            answer(400, "container \"main\" in pod \"waiting\" is waiting to start: ContainerCreating".into())
        }
        "/exec/default/p/main" => {
            let protocols = request.headers().get("sec-websocket-protocol").cloned();
            tokio::spawn(async move {
                let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                let mut buffer = [0; 5];
                stream.read_exact(&mut buffer).await.unwrap();
                stream.write_all(format!("{target} {}", String::from_utf8_lossy(&buffer)).as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            });
            let mut answer =
                Response::builder().status(101).header("connection", "Upgrade").header("upgrade", "websocket");
            if let Some(protocols) = protocols {
                answer = answer.header("sec-websocket-protocol", protocols);
            }
            Ok(answer.body(Full::default()).unwrap())
        }
        "/metrics" => answer(200, "metrics".into()),
        _ => answer(404, format!("404 page not found: {target}")),
    }
}

async fn put(store: &Arc<dyn Store>, resource: &str, namespace: &str, object: serde_json::Value) {
    let key = keys::object_key("", resource, namespace, object["metadata"]["name"].as_str().unwrap());
    let value = Value { bytes: object.to_string().into(), splice: 1 };
    store.put(&key, Precondition::None, value).await.unwrap();
}

/// Refuses streams into the pod `locked`.
#[derive(Debug)]
struct NoShells;

impl Admission for NoShells {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
        match (request.operation, request.subresource, request.name) {
            (Operation::Connect, subresource, "locked") => {
                Err(ApiError::forbidden("", "pods", "locked", &format!("no {subresource} here")))
            }
            _ => Ok(()),
        }
    }
}

/// A connection to a server, of which `user` is at the other end; node `n` has an agent, node `gone` has none.
async fn connect(user: UserInfo) -> DuplexStream {
    let store: Arc<dyn Store> = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let pod = |name: &str, node: &str| {
        json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": node, "containers": [{"name": "main"}]},
        })
    };
    for (name, node) in [("p", "n"), ("locked", "n"), ("waiting", "n"), ("lost", "gone"), ("pending", "")] {
        put(&store, "pods", "default", pod(name, node)).await;
    }
    put(&store, "nodes", "", json!({"metadata": {"name": "n"}})).await;
    put(&store, "nodes", "", json!({"metadata": {"name": "gone"}})).await;
    let agents = InMemory::default();
    let mut connections = agents.register("n");
    tokio::spawn(async move {
        while let Some(stream) = connections.recv().await {
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service_fn(agent)).with_upgrades());
        }
    });
    let builder = ApiServer::builder(store).connector(Arc::new(agents)).admission(Arc::new(NoShells));
    let server = builder.build().await.unwrap();
    let (client, stream) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve_connection(stream, Some(user), server, CancellationToken::new()));
    client
}

/// The code and the text of `GET target`; a Status shows its message.
async fn get(target: &str) -> (u16, String) {
    let io = TokioIo::new(connect(UserInfo::admin()).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(target).header("authorization", "Bearer secret").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let status: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let message = status.and_then(|status| status["message"].as_str().map(str::to_owned));
    (code, message.unwrap_or_else(|| String::from_utf8(bytes.to_vec()).unwrap()))
}

#[track_caller]
fn check(found: (u16, String), code: u16, text: &str) {
    assert_eq!((found.0, found.1.as_str()), (code, text));
}

const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn logs_come_from_the_agent() {
    check(
        get(&format!("{PODS}/p/log?tailLines=2&timestamps=true&other=x")).await,
        200,
        "log of /containerLogs/default/p/main?timestamps=true&tailLines=2\n",
    );
    let expected = "container \"main\" in pod \"waiting\" is waiting to start: ContainerCreating";
    check(get(&format!("{PODS}/waiting/log")).await, 400, expected);
    check(get(&format!("{PODS}/p/log?container=x")).await, 400, "container x is not valid for pod p");
    check(get(&format!("{PODS}/none/log")).await, 404, "pods \"none\" not found");
    check(get(&format!("{PODS}/pending/log")).await, 204, "");
    let (code, text) = get(&format!("{PODS}/lost/log")).await;
    assert_eq!(code, 500);
    assert!(text.contains("error dialing backend") && text.contains("\"gone\" is not running"), "{text}");
}

#[tokio::test]
async fn a_nodes_own_paths_are_reached() {
    check(get("/api/v1/nodes/n/proxy/metrics").await, 200, "metrics");
    check(get("/api/v1/nodes/none/proxy/metrics").await, 404, "nodes \"none\" not found");
    for (tail, asked) in
        [("", "/"), ("/a%20b", "/a%20b"), ("/a%3Fb%23c?d=%20", "/a%3Fb%23c?d=%20"), ("/a%252Fb", "/a%252Fb")]
    {
        check(get(&format!("/api/v1/nodes/n/proxy{tail}")).await, 404, &format!("404 page not found: {asked}"));
    }
}

#[tokio::test]
async fn exec_needs_an_upgrade_and_good_options() {
    check(get(&format!("{PODS}/p/exec?command=sh&stdout=true")).await, 400, "Upgrade request required");
    check(get(&format!("{PODS}/p/exec?stdout=true")).await, 400, "you must specify a command");
    let expected = "you must specify at least 1 of stdin, stdout, stderr";
    check(get(&format!("{PODS}/p/exec?command=sh")).await, 400, expected);
    check(get(&format!("{PODS}/pending/attach?stdout=1")).await, 400, "pod pending does not have a host assigned");
    let expected = "invalid port \"0\": must be between 1 and 65535";
    check(get(&format!("{PODS}/p/portforward?ports=80,0")).await, 400, expected);
}

#[tokio::test]
async fn admission_may_refuse_a_stream() {
    for stream in ["exec", "attach", "portforward"] {
        let expected = format!("pods \"locked\" is forbidden: no {stream} here");
        check(get(&format!("{PODS}/locked/{stream}?command=sh&stdout=1&ports=80")).await, 403, &expected);
    }
    assert_eq!(get(&format!("{PODS}/locked/log")).await.0, 404, "a log is read, and the agent has none");
}

#[tokio::test]
async fn bytes_flow_both_ways_after_an_upgrade() {
    let mut stream = connect(UserInfo::admin()).await;
    let request = format!(
        "GET {PODS}/p/exec?command=sh&command=-c&command=echo%20a&stdin=1&stdout=1&stderr=1&tty=1 HTTP/1.1\r\n\
         host: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\nauthorization: Bearer secret\r\n\
         sec-websocket-protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0\r\n\r\nhello"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols"), "{head}");
    assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: v5.channel.k8s.io"), "{head}");
    assert!(!head.contains("bearer"), "the token is not passed on: {head}");
    assert_eq!(rest, "/exec/default/p/main?input=1&output=1&tty=1&command=sh&command=-c&command=echo%20a hello");
}

#[tokio::test]
async fn reading_rights_do_not_open_a_shell() {
    let io = TokioIo::new(connect(UserInfo::new("alice", [] as [&str; 0])).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("{PODS}/p/exec?command=sh&stdout=1")).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::FORBIDDEN);
}
