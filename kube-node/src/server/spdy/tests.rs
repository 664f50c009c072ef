//! Connections whose client is a test that writes frames by hand.

use super::connection::{self, Stream};
use super::frame::{self, HEADER, Head, Kind};
use super::ports;
use crate::runtime::simulated::{self, Simulated};
use crate::runtime::{ContainerRuntime, SandboxConfig};
use bytes::Bytes;
use kubekit_runtime::environment::SystemClock;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// A client, and the server's end in the background.
struct Client {
    stream: DuplexStream,
    begun: bool,
    server: tokio::task::JoinHandle<()>,
}

impl Client {
    fn new<F>(serve: impl FnOnce(mpsc::Receiver<Stream>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stream, theirs) = tokio::io::duplex(1 << 20);
        let (reader, writer) = tokio::io::split(theirs);
        Self { stream, begun: false, server: tokio::spawn(connection::run(reader, writer, serve)) }
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
    }

    async fn open(&mut self, id: u32, headers: &[(&str, &str)]) {
        let block = block(std::mem::replace(&mut self.begun, true), headers);
        let length = u32::try_from(frame::SYN_STREAM_HEADERS + block.len()).unwrap();
        let head = [&[0x80, 3, 0, 1][..], &length.to_be_bytes(), &id.to_be_bytes(), &[0; 6]].concat();
        self.write(&[head, block].concat()).await;
    }

    async fn send(&mut self, id: u32, bytes: &[u8], fin: bool) {
        self.write(&frame::data(id, bytes, fin)).await;
    }

    /// The next frame; none at the end.
    async fn next(&mut self) -> Option<(Head, Vec<u8>)> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).await.ok()?;
        let head = Head::parse(header).expect("the server speaks SPDY/3.1");
        let (Head::Data { length, .. } | Head::Control { length, .. }) = head;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.expect("a whole frame");
        Some((head, payload))
    }

    /// What is sent on a stream until its end.
    async fn until_end(&mut self, id: u32) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some((head, payload)) = self.next().await {
            let Head::Data { stream, fin, .. } = head else { continue };
            if stream == id {
                all.extend(payload);
                if fin {
                    return all;
                }
            }
        }
        panic!("stream {id} did not end, it had sent {all:?}");
    }
}

/// A block of headers in one stored block of deflate.
fn block(begun: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut plain = u32::try_from(headers.len()).unwrap().to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        plain.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    let length = u16::try_from(plain.len()).unwrap();
    let start: &[u8] = if begun { &[] } else { &[0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2] };
    [start, &[0], &length.to_le_bytes(), &(!length).to_le_bytes(), &plain].concat()
}

/// Sends back what every stream says, in front of it the name of the stream.
async fn echo(mut streams: mpsc::Receiver<Stream>) {
    while let Some(mut stream) = streams.recv().await {
        tokio::spawn(async move {
            stream.send(format!("{}:", stream.headers.get("name")).as_bytes()).await;
            while let Some(bytes) = stream.input.recv().await {
                stream.send(&bytes).await;
            }
            stream.finish().await;
        });
    }
}

#[tokio::test]
async fn streams_are_told_apart() {
    let mut client = Client::new(echo);
    client.open(1, &[("Name", "a")]).await;
    client.open(3, &[("Name", "b")]).await;
    client.send(3, b"three", true).await;
    assert_eq!(client.until_end(3).await, b"b:three");
    client.send(1, b"o", false).await;
    client.send(1, b"ne", true).await;
    assert_eq!(client.until_end(1).await, b"one", "the name came before");
}

#[tokio::test]
async fn large_data_is_cut_and_put_together() {
    let mut client = Client::new(echo);
    client.open(1, &[("name", "")]).await;
    let large: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    client.send(1, &large, true).await;
    assert_eq!(&client.until_end(1).await[1..], large);
}

#[tokio::test]
async fn pings_are_answered_and_what_is_not_known_is_passed_over() {
    let mut client = Client::new(echo);
    client.write(b"\x80\x03\x00\x04\x00\x00\x00\x04\x00\x00\x00\x00").await;
    client.write(&frame::ping(7)).await;
    let (head, payload) = client.next().await.unwrap();
    assert!(matches!(head, Head::Control { kind: Kind::Ping, .. }), "{head:?}");
    assert_eq!(payload, 7_u32.to_be_bytes());
    client.send(99, b"to nobody", true).await;
    client.open(1, &[("name", "a")]).await;
    client.send(1, b"", true).await;
    assert_eq!(client.until_end(1).await, b"a:");
}

#[tokio::test]
async fn a_stream_that_is_reset_has_ended() {
    let mut client = Client::new(echo);
    client.open(1, &[("name", "a")]).await;
    client.write(b"\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x05").await;
    assert_eq!(client.until_end(1).await, b"a:");
}

async fn ends(bytes: Vec<u8>) {
    let mut client = Client::new(|mut streams| async move { while streams.recv().await.is_some() {} });
    client.write(&bytes).await;
    client.server.await.expect("it ends without a panic");
}

#[tokio::test]
async fn what_is_malformed_ends_the_connection() {
    ends(b"GET / HTTP/1.1\r\n\r\n".iter().map(|byte| byte | 0x80).collect()).await;
    ends(b"\x80\x03\x00\x01\x00\xff\xff\xff".to_vec()).await;
    ends(b"\x80\x03\x00\x01\x00\x00\x00\x02xx".to_vec()).await;
    ends([&b"\x80\x03\x00\x01\x00\x00\x00\x0e\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..], b"oops"].concat()).await;
}

#[tokio::test]
async fn streams_are_bounded() {
    let (held, mut holding) = mpsc::channel::<Stream>(1_000);
    let mut client = Client::new(|mut streams| async move {
        while let Some(stream) = streams.recv().await {
            let _ = held.send(stream).await;
        }
    });
    for id in 0..257 {
        client.open(2 * id + 1, &[("name", "a")]).await;
    }
    let mut refused = Vec::new();
    for _ in 0..257 {
        let (head, payload) = client.next().await.unwrap();
        if matches!(head, Head::Control { kind: Kind::RstStream, .. }) {
            refused.push(frame::number(&payload).unwrap());
        }
    }
    assert_eq!(refused, [513], "the last one is one too many");
    assert!(holding.recv().await.is_some());
}

#[tokio::test]
async fn forwarded_connections_are_bounded() {
    let runtime = Simulated::new(simulated::Config::default(), Arc::new(SystemClock));
    runtime.set_pod_cidr("10.9.8.0/24").await.unwrap();
    let sandbox = runtime.run_sandbox(&SandboxConfig::default()).await.unwrap();
    let mut client = Client::new(move |streams| ports::forward_all(streams, Arc::new(runtime), sandbox));
    for number in 0..129 {
        let (error, request) = (4 * number + 1, number.to_string());
        client.open(error, &[("streamtype", "error"), ("requestid", &request)]).await;
        // As all clients do: it is for the server to speak in. Streams that the client has closed are not counted.
        client.send(error, b"", true).await;
        client.open(error + 2, &[("streamtype", "data"), ("port", "80"), ("requestid", &request)]).await;
    }
    assert_eq!(client.until_end(4 * 128 + 1).await, b"more than 128 connections at a time");
}

#[tokio::test]
async fn a_client_that_leaves_ends_what_it_began() {
    let (told, mut listening) = mpsc::channel::<Option<Bytes>>(1);
    let mut client = Client::new(|mut streams| async move {
        let mut stream = streams.recv().await.expect("a stream");
        let _ = told.send(stream.input.recv().await).await;
        std::future::pending::<()>().await;
    });
    client.open(1, &[("name", "a")]).await;
    client.send(1, b"x", false).await;
    assert_eq!(listening.recv().await, Some(Some(Bytes::from_static(b"x"))));
    drop(client.stream);
    client.server.await.expect("it ends though who serves would not");
}
