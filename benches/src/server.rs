//! The area `server`: LIST and CREATE over plain-text sockets, and CREATE over TLS, against an API server in a process of its own, so that its
//! CPU seconds and its memory are its own; and single requests through the service itself, without a socket.

mod in_process;
mod serve;
mod tls;

pub(crate) use serve::{serve, serve_tls};

use crate::process;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const PODS: &str = "/api/v1/namespaces/default/pods";
const CREATES: usize = 40_000;
const WARM_UP: usize = 2_000;
const CLIENTS: usize = 16;
const LISTED: usize = 100_000;
const LISTS: usize = 5;

/// Measures the area; with a hundredth of the work when `smoke`.
pub(crate) async fn measure(report: &mut Report, smoke: bool) -> Result<()> {
    let less = if smoke { 100 } else { 1 };
    if report.wants("server.in_process") {
        in_process::measure(report, less).await?;
    }
    if report.wants("server.create_tls") {
        tls::measure(report, less).await?;
    }
    let (creates, warm_up, listed) = (CREATES / less, WARM_UP / less, LISTED / less);
    let server = Server::start(&["serve"])?;
    let mut client = server.connect().await?;
    create(&server, 0, warm_up).await?;
    let before = process::cpu_seconds(server.pid());
    let start = Instant::now();
    create(&server, warm_up, creates).await?;
    let elapsed = start.elapsed();
    if let (Some(before), Some(after)) = (before, process::cpu_seconds(server.pid())) {
        report.add("server.create", count(creates) / (after - before), "requests/s and core");
    }
    report.add("server.create_wall", count(creates) / elapsed.as_secs_f64(), "requests/s");
    if report.wants("server.list") {
        create(&server, warm_up + creates, listed - warm_up - creates).await?;
        list(&server, &mut client, listed, report).await?;
    }
    Ok(())
}

async fn list(
    server: &Server,
    client: &mut SendRequest<Full<Bytes>>,
    listed: usize,
    report: &mut Report,
) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = process::resident_mib(server.pid());
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..LISTS {
        let start = Instant::now();
        bytes = send(client, Method::GET, PODS, Bytes::new()).await?;
        times.push(start.elapsed());
    }
    times.sort();
    report.add("server.list_100k", times[times.len() / 2].as_secs_f64() * 1e3, "ms");
    report.add("server.list_100k_bytes", count(bytes) / count(listed), "bytes/object");
    if let (Some(idle), Some(after)) = (idle, process::resident_mib(server.pid())) {
        report.add("server.list_100k_memory", after - idle, "MiB above idle");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn count(of: usize) -> f64 {
    of as f64
}

/// Creates pods `from..from + count` with several connections at once.
async fn create(server: &Server, from: usize, count: usize) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(from));
    let end = from + count;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = server.connect().await?;
        let next = next.clone();
        clients.spawn(async move {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= end {
                    return anyhow::Ok(());
                }
                send(&mut client, Method::POST, PODS, pod(i)).await?;
            }
        });
    }
    while let Some(result) = clients.join_next().await {
        result??;
    }
    Ok(())
}

/// A pod of about 2 KB once defaults are filled in, as a Deployment's is.
fn pod(index: usize) -> Bytes {
    let padding = "x".repeat(400);
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web-5d4f8c7b9-{index:06}","namespace":"default","labels":{{"app":"web","pod-template-hash":"5d4f8c7b9"}},"annotations":{{"example.com/note":"{padding}"}}}},"spec":{{"containers":[{{"name":"web","image":"registry.example.com/team/web:1.2.3","ports":[{{"containerPort":8080,"name":"http"}}],"env":[{{"name":"MODE","value":"production"}},{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.name"}}}}}}],"resources":{{"requests":{{"cpu":"100m","memory":"128Mi"}},"limits":{{"memory":"256Mi"}}}},"readinessProbe":{{"httpGet":{{"path":"/ready","port":"http"}}}}}}]}}}}"#
    );
    Bytes::from(text)
}

/// Sends a request, discards the answer, and gives its length in bytes.
async fn send(client: &mut SendRequest<Full<Bytes>>, method: Method, path: &str, body: Bytes) -> Result<usize> {
    client.ready().await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let answer = client.send_request(request).await?;
    let status = answer.status();
    let mut body = answer.into_body();
    let mut length = 0;
    let mut shown = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            length += data.len();
            if !status.is_success() {
                shown.extend_from_slice(&data);
            }
        }
    }
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&shown));
    Ok(length)
}

/// An API server in a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts this program again with these arguments, and waits until it has printed its address.
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let stdout = child.stdout.take().context("stdout was asked for")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
