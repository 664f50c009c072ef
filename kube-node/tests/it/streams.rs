//! The node's server and its clients: commands, attached processes and forwarded ports over WebSocket, and what it answers
//! to those who ask amiss.

use futures::{SinkExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kubekit_node::NodeServer;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::agent::{Fixture, answer, get, is_ready};

/// A node with the pod `p`, whose container `a` runs this command, and its server.
async fn node(container: Value) -> (Fixture, NodeServer, Pod) {
    let fixture = Fixture::simulated().await;
    let server = NodeServer::default();
    server.add(fixture.handle.clone());
    let mut whole = json!({"name": "a", "image": "busybox:1"});
    for (key, value) in container.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    fixture.create("p", json!({"containers": [whole], "terminationGracePeriodSeconds": 1})).await;
    let pod = fixture.until("p", "ready", is_ready).await;
    (fixture, server, pod)
}

/// Begins a conversation; the code of the answer where there is none.
async fn begin(server: &NodeServer, path: &str, protocol: &str) -> Result<WebSocketStream<DuplexStream>, u16> {
    let (ours, theirs) = tokio::io::duplex(65_536);
    let server = server.clone();
    tokio::spawn(async move { server.serve_connection(theirs).await });
    let mut request = format!("ws://node{path}").into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().expect("a header"));
    match tokio_tungstenite::client_async(request, ours).await {
        Ok((socket, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
            assert_eq!(chosen, Some(protocol));
            Ok(socket)
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn conversation(server: &NodeServer, path: &str, protocol: &str) -> WebSocketStream<DuplexStream> {
    begin(server, path, protocol).await.expect("an upgrade")
}

/// Everything that is said, by channel, until the end.
async fn heard(socket: &mut WebSocketStream<DuplexStream>) -> Vec<(u8, String)> {
    let mut all = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(data) = message {
            all.push((data[0], String::from_utf8_lossy(&data[1..]).into_owned()));
        }
    }
    all
}

/// What a command in the container says: on standard output, on standard error, and its `Status`.
async fn run(server: &NodeServer, query: &str) -> (String, String, Value) {
    let path = format!("/exec/default/p/a?{query}");
    let all = heard(&mut conversation(server, &path, "v5.channel.k8s.io").await).await;
    let on = |channel: u8| all.iter().filter(|(c, _)| *c == channel).map(|(_, text)| text.as_str()).collect::<String>();
    (on(1), on(2), serde_json::from_str(&on(3)).expect("a Status"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_tells_its_output_and_its_code() {
    let (_fixture, server, _) = node(json!({})).await;
    let script = "command=sh&command=-c&command=echo%20out%3B%20echo%20err%20%3E%262%3B%20exit%203";
    let (out, err, status) = run(&server, &format!("{script}&output=1&error=1")).await;
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    assert_eq!((&status["status"], &status["reason"]), (&json!("Failure"), &json!("NonZeroExitCode")));
    assert_eq!(status["details"]["causes"], json!([{"reason": "ExitCode", "message": "3"}]));
    assert_eq!(status["message"], "command terminated with non-zero exit code: exit status 3");
    let (out, _, status) = run(&server, "command=true&output=1").await;
    assert_eq!((out.as_str(), &status["status"]), ("", &json!("Success")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_client_hears_the_first_process_and_is_heard() {
    let (_fixture, server, _) = node(json!({"command": ["sh"], "stdin": true, "tty": true})).await;
    let path = "/attach/default/p/a?input=1&output=1&error=1";
    let mut socket = conversation(&server, path, "v4.channel.k8s.io").await;
    socket.send(Message::Binary(b"\x04{\"Width\":80,\"Height\":24}".to_vec().into())).await.expect("sent");
    socket.send(Message::Binary(b"\x00echo hi\r".to_vec().into())).await.expect("sent");
    socket.send(Message::Binary(b"\x00exit 0\r".to_vec().into())).await.expect("sent");
    let all = heard(&mut socket).await;
    let said: String = all.iter().filter(|(channel, _)| *channel == 1).map(|(_, text)| text.as_str()).collect();
    assert!(said.contains("/ # ") && said.contains("hi\n"), "{said:?}");
    assert!(all.iter().all(|(channel, _)| *channel != 2), "a terminal has one stream of output");
    assert_eq!(all.last().expect("a Status").0, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_forwarded_side_by_side() {
    let (_fixture, server, _) = node(json!({})).await;
    let path = "/portForward/default/p?ports=80,8080";
    let mut socket = conversation(&server, path, "v5.channel.k8s.io").await;
    let mut first = Vec::new();
    while first.len() < 4 {
        let Some(Ok(Message::Binary(data))) = socket.next().await else { panic!("four beginnings, not {first:?}") };
        first.push(data.to_vec());
    }
    // Each port has a channel of bytes and one for what goes wrong; both begin with its number, the low byte first.
    assert_eq!(first, [[0, 80, 0], [1, 80, 0], [2, 0x90, 0x1f], [3, 0x90, 0x1f]]);
    socket.send(Message::Binary(b"\x02ping".to_vec().into())).await.expect("sent");
    let Some(Ok(Message::Binary(echo))) = socket.next().await else { panic!("an echo") };
    assert_eq!(&echo[..], b"\x02ping");
    socket.send(Message::Binary(b"\x00GET / HTTP/1.1\r\n\r\n".to_vec().into())).await.expect("sent");
    let Some(Ok(Message::Binary(answer))) = socket.next().await else { panic!("an answer") };
    let text = String::from_utf8_lossy(&answer[1..]);
    assert!(answer[0] == 0 && text.starts_with("HTTP/1.1 200 OK") && text.ends_with("default/p\n"), "{text}");
    // The other one goes on until it is closed, and then the conversation has ended.
    socket.send(Message::Binary(vec![255, 2].into())).await.expect("sent");
    assert!(heard(&mut socket).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_amiss_is_told() {
    let (fixture, server, pod) = node(json!({})).await;
    let exec = "command=true&output=1";
    let uid = pod.metadata.uid.expect("a uid");
    for (path, protocol, expected) in [
        (format!("/exec/default/p/{uid}/a?{exec}"), "v5.channel.k8s.io", None),
        (format!("/exec/default/p/a?{exec}"), "v1.example.com", Some(400)),
        (format!("/exec/default/absent/a?{exec}"), "v5.channel.k8s.io", Some(404)),
        (format!("/exec/default/p/absent?{exec}"), "v5.channel.k8s.io", Some(404)),
        ("/exec/default/p/a?output=1".into(), "v5.channel.k8s.io", Some(400)),
        ("/attach/default/p/a".into(), "v5.channel.k8s.io", Some(400)),
        ("/portForward/default/absent?ports=80".into(), "v5.channel.k8s.io", Some(404)),
        // Without ports there are no channels, only streams within the connection.
        ("/portForward/default/p".into(), "v5.channel.k8s.io", Some(400)),
    ] {
        assert_eq!(begin(&server, &path, protocol).await.err(), expected, "{path}");
    }
    for path in ["/nothing", "/containerLogs/default/p", "/containerLogs/default/absent/a"] {
        assert_eq!(get(&server, path).await.0, 404, "{path}");
    }
    assert_eq!(get(&server, "/containerLogs/default/p/absent").await.0, 400);
    assert_eq!(get(&server, "/containerLogs/default/p/a?tailLines=x").await.0, 400);
    drop(fixture);
}

/// The code of the answer to a request of this method.
async fn method(server: &NodeServer, method: &str, path: &str) -> u16 {
    answer(server, method, path).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_through_the_server() {
    let (_fixture, server, _) = node(json!({})).await;
    for path in ["/pods", "/stats/summary", "/containerLogs/default/p/a"] {
        assert_eq!(method(&server, "POST", path).await, 405, "{path}");
        assert_eq!(method(&server, "DELETE", path).await, 405, "{path}");
    }
    let exec = "/exec/default/p/a?command=true&output=1";
    assert_eq!(method(&server, "POST", exec).await, 400, "it may be asked so, with an upgrade");
    assert_eq!(method(&server, "PUT", exec).await, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_tells_what_runs_and_what_it_uses() {
    let (_fixture, server, pod) = node(json!({})).await;
    let parsed = async |path: &str| -> Value {
        let (code, text) = get(&server, path).await;
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let pods = parsed("/pods").await;
    assert_eq!((&pods["kind"], &pods["apiVersion"]), (&json!("PodList"), &json!("v1")));
    assert_eq!(pods["items"][0]["metadata"]["name"], "p");
    assert_eq!(pods["items"][0]["status"]["phase"], "Running");
    let summary = parsed("/stats/summary").await;
    assert_eq!(summary["node"]["nodeName"], "n1");
    let own = &summary["pods"][0];
    assert_eq!(own["podRef"], json!({"name": "p", "namespace": "default", "uid": pod.metadata.uid}));
    assert_eq!(own["containers"][0]["name"], "a");
    assert_eq!(own["containers"][0]["memory"]["workingSetBytes"], 1_048_576);
}
