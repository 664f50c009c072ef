//! Tells load balancers whether a node has endpoints of a Service that keeps clients' addresses
//! (`externalTrafficPolicy: Local`): only such nodes are to be sent its traffic. Source: kube-proxy's
//! `pkg/proxy/healthcheck/service_health.go`.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Load balancers ask every few seconds; further ones wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may last, whatever comes over it.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// After a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a load balancer is told of one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The namespace of the Service.
    pub namespace: String,
    /// The name of the Service.
    pub name: String,
    /// How many of its ready endpoints are on this node.
    pub local_endpoints: usize,
}

impl HealthCheck {
    /// `healthy` says whether the rules of this node are right.
    fn answer(&self, healthy: bool) -> Response<Full<Bytes>> {
        let body = serde_json::json!({
            "service": {"namespace": self.namespace, "name": self.name},
            "localEndpoints": self.local_endpoints,
            "serviceProxyHealthy": healthy,
        });
        let good = healthy && self.local_endpoints > 0;
        Response::builder()
            .status(if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
            .header("Content-Type", "application/json")
            .header("X-Content-Type-Options", "nosniff")
            .header("X-Load-Balancing-Endpoint-Weight", self.local_endpoints)
            .body(Full::new(body.to_string().into()))
            .expect("names and numbers make a response")
    }
}

/// The ports on which load balancers ask. They are closed when this is dropped.
#[derive(Debug)]
pub(crate) struct HealthServers {
    address: IpAddr,
    open: BTreeMap<u16, Open>,
    /// Ports that somebody else has, so that this is said once.
    refused: BTreeSet<u16>,
    serving: JoinSet<()>,
}

#[derive(Debug)]
struct Open {
    told: watch::Sender<(HealthCheck, bool)>,
    task: AbortHandle,
}

impl HealthServers {
    /// None yet; on this address.
    pub(crate) fn new(address: IpAddr) -> Self {
        Self { address, open: BTreeMap::new(), refused: BTreeSet::new(), serving: JoinSet::new() }
    }

    /// These are the checks by port, and whether the rules of this node are right.
    pub(crate) async fn update(&mut self, checks: BTreeMap<u16, HealthCheck>, healthy: bool) {
        self.open.retain(|port, open| {
            let kept = checks.contains_key(port);
            if !kept {
                open.task.abort();
            }
            kept
        });
        // A listener is closed when its task has ended, and the port may be wanted again at once.
        while self.serving.len() > self.open.len() {
            self.serving.join_next().await;
        }
        self.refused.retain(|port| checks.contains_key(port));
        for (port, check) in checks {
            if let Some(open) = self.open.get(&port) {
                open.told.send_replace((check, healthy));
                continue;
            }
            match TcpListener::bind(SocketAddr::new(self.address, port)).await {
                Ok(listener) => {
                    let (told, receiver) = watch::channel((check, healthy));
                    let task = self.serving.spawn(serve(listener, receiver));
                    self.open.insert(port, Open { told, task });
                    self.refused.remove(&port);
                }
                Err(error) => {
                    if self.refused.insert(port) {
                        let HealthCheck { namespace, name, .. } = &check;
                        tracing::warn!(namespace, name, port, %error, "cannot serve the health check of a Service");
                    }
                }
            }
        }
    }
}

async fn serve(listener: TcpListener, told: watch::Receiver<(HealthCheck, bool)>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(connections.spawn(answer(stream, told.clone()))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn answer(stream: TcpStream, told: watch::Receiver<(HealthCheck, bool)>) {
    let service = service_fn(move |_: Request<Incoming>| {
        let (check, healthy) = told.borrow().clone();
        async move { Ok::<_, Infallible>(check.answer(healthy)) }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A load balancer that has gone is of no interest.
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

#[cfg(test)]
mod tests {
    //! What load balancers hear.

    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn check(name: &str, local_endpoints: usize) -> HealthCheck {
        HealthCheck { namespace: "default".into(), name: name.into(), local_endpoints }
    }

    /// The status, the weight and the body of an answer; none where nobody listens.
    async fn ask(port: u16) -> Option<(String, String, serde_json::Value)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let weight = head.lines().find_map(|line| line.strip_prefix("x-load-balancing-endpoint-weight: ")).unwrap();
        Some((head.lines().next().unwrap().to_owned(), weight.to_owned(), serde_json::from_str(body).unwrap()))
    }

    #[tokio::test]
    async fn nodes_with_endpoints_are_healthy() {
        // A port that nobody has.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let mut servers = HealthServers::new(Ipv4Addr::LOCALHOST.into());
        for (endpoints, healthy, status) in [
            (2, true, "HTTP/1.1 200 OK"),
            (0, true, "HTTP/1.1 503 Service Unavailable"),
            (1, false, "HTTP/1.1 503 Service Unavailable"),
        ] {
            servers.update(BTreeMap::from([(port, check("web", endpoints))]), healthy).await;
            let expected = serde_json::json!({
                "service": {"namespace": "default", "name": "web"},
                "localEndpoints": endpoints, "serviceProxyHealthy": healthy,
            });
            assert_eq!(ask(port).await, Some((status.to_owned(), endpoints.to_string(), expected)));
        }
        servers.update(BTreeMap::new(), true).await;
        assert_eq!(ask(port).await, None);
    }

    #[tokio::test]
    async fn a_port_may_be_wanted_again_at_once() {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let mut servers = HealthServers::new(Ipv4Addr::LOCALHOST.into());
        for name in ["web", "shop"] {
            servers.update(BTreeMap::from([(port, check(name, 1))]), true).await;
            assert_eq!(ask(port).await.unwrap().2["service"]["name"], name);
            servers.update(BTreeMap::new(), true).await;
        }
    }

    #[tokio::test]
    async fn a_port_of_somebody_else_is_taken_when_it_is_free() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = other.local_addr().unwrap().port();
        let mut servers = HealthServers::new(Ipv4Addr::LOCALHOST.into());
        servers.update(BTreeMap::from([(port, check("web", 1))]), true).await;
        assert!(servers.open.is_empty());
        drop(other);
        servers.update(BTreeMap::from([(port, check("web", 1))]), true).await;
        assert!(ask(port).await.is_some());
    }
}
