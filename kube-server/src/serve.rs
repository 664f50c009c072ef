//! The server on a socket: hyper (HTTP/1.1 and HTTP/2) over rustls.
//!
//! [`serve`] accepts until it is told to stop; [`serve_connection`] serves one connection that the caller has, as an
//! in-memory duplex in a test. Peers that are slow, silent or gone cost a connection for a bounded time only.

mod connection;
#[cfg(test)]
mod tests;
mod tls;

pub use connection::serve_connection;
pub use tls::Transport;

use crate::ApiServer;
use crate::authentication::PeerCertificates;
use connection::Connection;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A TLS handshake takes two round trips; this allows for bad networks.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections served at the same time; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 16_384;
/// How long requests may take to finish once the server stops; watches are cut off then.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `server` on `listener` until `shutdown`, then lets requests finish for a second and returns.
/// The connections are its own: they end where the future is dropped.
///
/// # Errors
/// When the transport is plain text and the listener can be reached from other machines.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    server: ApiServer,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if matches!(transport, Transport::PlainText) && !address.ip().is_loopback() {
        let text = format!("plain text is served on loopback addresses only, not on {address}: use TLS");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Some((stream, permit)) = accept(&listener, &permits, &shutdown).await {
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
        let (transport, server) = (transport.clone(), server.clone());
        // One of its own: it is locked at every turn of the connection, which must not wait for the turns of others.
        let shutdown = shutdown.child_token();
        connections.spawn(async move {
            let _permit = permit;
            serve_stream(stream, &transport, server, shutdown).await;
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection and its permit; `None` once the server is to stop.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let next = async {
        let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                Err(error) => {
                    tracing::warn!(%error, "connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        next = next => Some(next),
    }
}

async fn serve_stream(stream: TcpStream, transport: &Transport, server: ApiServer, shutdown: CancellationToken) {
    // Small answers must not wait for the peer's acknowledgement of the last one.
    let _ = stream.set_nodelay(true);
    let Transport::Tls(acceptor) = transport else {
        return Connection::plain_text(server).serve(stream, shutdown).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
    let stream = tokio::select! {
        biased;
        () = shutdown.cancelled() => return,
        stream = handshake => stream,
    };
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let (_, session) = stream.get_ref();
    let certificates = session.peer_certificates().filter(|chain| !chain.is_empty());
    let certificates = certificates.map(|chain| PeerCertificates(chain.iter().map(|der| der.to_vec()).collect()));
    let is_http2 = session.alpn_protocol() == Some(tls::HTTP2);
    Connection::over_tls(server, certificates, is_http2).serve(stream, shutdown).await;
}
