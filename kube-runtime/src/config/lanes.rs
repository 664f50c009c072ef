//! As many connections as the requests that are open at a time take.
//!
//! An HTTP/2 server allows so many streams on a connection, and hyper holds further requests back until one ends, which a
//! watch does not: a program with many watches would wait for ever. Go's client, and so client-go, opens another connection.

use super::connect::Connector;
use crate::client::{AnswerBody, Body};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::Service;

/// How many streams a connection carries: what kube-apiserver allows. Source: `secure_serving.go`. It is taken for granted,
/// not read from the server's settings: on a connection to one that allows fewer, what is more waits.
const STREAMS_MAX: usize = 100;

/// A connection on which nothing arrives for this long is asked for a sign of life, and must give one within the other.
/// Source: client-go's `HTTP2_READ_IDLE_TIMEOUT_SECONDS` and `HTTP2_PING_TIMEOUT_SECONDS`.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// How much may be under way on a connection, and on one stream of it, that nobody has read yet. A connection has room for
/// all its streams: a watch that nobody reads for a while must not hold up the others. Source: Go's `net/http2`.
const CONNECTION_BYTES_MAX: u32 = 1 << 30;
const STREAM_BYTES_MAX: u32 = 4 << 20;

/// Sends each request where there is room for it. Clones share the connections.
#[derive(Clone)]
pub(super) struct Lanes {
    connector: Connector,
    lanes: Arc<Mutex<Vec<Lane>>>,
}

/// Requests that share a connection, where the server speaks HTTP/2; with HTTP/1 each has its own.
struct Lane {
    client: Client<Connector, Body>,
    /// Held by each request, until its answer has been read or is dropped.
    open: Arc<()>,
}

impl Lane {
    fn new(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .http2_initial_connection_window_size(CONNECTION_BYTES_MAX)
            .http2_initial_stream_window_size(STREAM_BYTES_MAX)
            .build(connector);
        Self { client, open: Arc::new(()) }
    }

    fn has_room(&self) -> bool {
        Arc::strong_count(&self.open) <= STREAMS_MAX
    }
}

impl Lanes {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, lanes: Arc::default() }
    }

    /// The first one with room, so that the last ones empty themselves and their connections are closed.
    fn take(&self) -> (Client<Connector, Body>, Arc<()>) {
        let mut lanes = self.lanes.lock();
        let place = lanes.iter().position(Lane::has_room).unwrap_or_else(|| {
            lanes.push(Lane::new(self.connector.clone()));
            lanes.len() - 1
        });
        (lanes[place].client.clone(), Arc::clone(&lanes[place].open))
    }
}

impl Service<Request<Body>> for Lanes {
    type Response = Response<AnswerBody>;
    type Error = legacy::Error;
    type Future = BoxFuture<'static, Result<Self::Response, legacy::Error>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), legacy::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, open) = self.take();
        async move {
            let answer = client.request(request).await?;
            Ok(answer.map(|body| {
                let counted = body.map_frame(move |frame| {
                    // Kept until the body is dropped.
                    let _ = &open;
                    frame
                });
                counted.map_err(Into::into).boxed_unsync()
            }))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    //! How many connections so many requests take.

    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_full_gets_a_neighbour_and_room_is_used_again() {
        let lanes = Lanes::new(Connector::new(None));
        let count = || lanes.lanes.lock().len();
        let mut open: Vec<_> = (0..STREAMS_MAX).map(|_| lanes.take()).collect();
        assert_eq!(count(), 1);
        open.extend((0..=STREAMS_MAX).map(|_| lanes.take()));
        assert_eq!(count(), 3);
        open.truncate(STREAMS_MAX / 2);
        open.extend((0..STREAMS_MAX / 2).map(|_| lanes.take()));
        assert_eq!(Arc::strong_count(&lanes.lanes.lock()[0].open), STREAMS_MAX + 1, "the first ones are filled first");
        drop(open);
        drop(lanes.take());
        assert_eq!(count(), 3);
    }
}
