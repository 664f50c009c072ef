//! What is served, over a real socket.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

#[tokio::test]
async fn metrics_and_health_are_served_until_the_end() {
    let listener = listen("127.0.0.1:0".parse().ok()).await.expect("a port");
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok()).expect("it has one");
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, || "figures 1\n".to_owned(), shutdown.clone()));
    let metrics = get(address, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 OK") && metrics.ends_with("figures 1\n"), "{metrics}");
    assert!(metrics.contains("openmetrics-text"), "{metrics}");
    assert!(get(address, "/healthz").await.ends_with("ok"));
    assert!(get(address, "/secrets").await.starts_with("HTTP/1.1 404"));
    shutdown.cancel();
    serving.await.expect("it ends");
    let taken = listen(Some(address)).await.expect("the port is free again");
    assert!(listen(Some(address)).await.is_err() && taken.is_some());
}
