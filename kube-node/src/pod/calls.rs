//! Probes and life-cycle hooks: what they say, done.

mod grpc;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, HTTPGetAction, LifecycleHandler, Pod, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;

use super::backoff::go_duration;
use super::environment::expand;
use super::members::{host_network, spec_of};
use super::probes::{Outcome, seconds};
use crate::runtime::{ContainerRuntime, NetworkCall, ProbeKind};

/// The longest answer of an HTTP endpoint that is looked at.
const ANSWER_BYTES_MAX: usize = 10 * 1_024;

/// Where a pod's endpoints are.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) runtime: &'a dyn ContainerRuntime,
    pub(crate) container: &'a Container,
    pub(crate) container_id: &'a str,
    /// The pod's address.
    pub(crate) address: String,
}

impl<'a> Target<'a> {
    pub(crate) fn new(
        runtime: &'a dyn ContainerRuntime,
        pod: &Pod,
        container: &'a Container,
        container_id: &'a str,
        pod_ip: Option<&str>,
        host_ip: Option<&str>,
    ) -> Self {
        let own = if host_network(spec_of(pod)) { host_ip } else { pod_ip };
        Self { runtime, container, container_id, address: own.unwrap_or("127.0.0.1").to_owned() }
    }

    /// Runs a probe once.
    pub(crate) async fn probe(&self, kind: ProbeKind, probe: &Probe) -> Outcome {
        let timeout = seconds(probe.timeout_seconds, 1);
        if let Some(exec) = &probe.exec {
            let command = exec.command.clone().unwrap_or_default();
            return self.exec_probe(&command, timeout).await;
        }
        let call = if let Some(action) = &probe.http_get {
            self.http(action)
        } else if let Some(action) = &probe.tcp_socket {
            self.tcp(action)
        } else if let Some(action) = &probe.grpc {
            let (host, service) = (self.address.clone(), action.service.clone().unwrap_or_default());
            u16::try_from(action.port)
                .map(|port| NetworkCall::Grpc { host, port, service })
                .map_err(|_| format!("invalid port {}", action.port))
        } else {
            return Outcome::Success;
        };
        let result = match call {
            Ok(call) => self.network(&call, Some(kind), timeout).await,
            Err(problem) => Err(problem),
        };
        match result {
            Ok(_) => Outcome::Success,
            Err(problem) => Outcome::Failure(problem),
        }
    }

    async fn exec_probe(&self, command: &[String], timeout: Duration) -> Outcome {
        let env: Vec<(String, String)> = self
            .container
            .env
            .iter()
            .flatten()
            .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
            .collect();
        let lookup = |name: &str| env.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let command: Vec<String> = command.iter().map(|word| expand(word, lookup)).collect();
        match self.runtime.exec_sync(self.container_id, &command, Some(timeout)).await {
            Ok(output) if output.exit_code == 0 => Outcome::Success,
            Ok(output) => {
                let text = [output.stdout, output.stderr].concat();
                Outcome::Failure(String::from_utf8_lossy(&text[..text.len().min(ANSWER_BYTES_MAX)]).into_owned())
            }
            Err(error) if error.is_timeout() => {
                Outcome::Failure(format!("command timed out: {command:?} timed out after {}", go_duration(timeout)))
            }
            Err(error) => Outcome::Failure(error.to_string()),
        }
    }

    /// Runs a life-cycle hook.
    ///
    /// # Errors
    /// Why it failed, in words.
    pub(crate) async fn hook(&self, handler: &LifecycleHandler, timeout: Duration) -> Result<(), String> {
        if let Some(exec) = &handler.exec {
            let command = exec.command.clone().unwrap_or_default();
            return match self.runtime.exec_sync(self.container_id, &command, Some(timeout)).await {
                Ok(output) if output.exit_code == 0 => Ok(()),
                Ok(output) => {
                    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                    Err(format!("command '{}' exited with {}: {text}", command.join(" "), output.exit_code))
                }
                Err(error) => Err(error.to_string()),
            };
        }
        if let Some(sleep) = &handler.sleep {
            let time = Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0));
            tokio::time::sleep(time.min(timeout)).await;
            return Ok(());
        }
        let call = match (&handler.http_get, &handler.tcp_socket) {
            (Some(action), _) => self.http(action)?,
            (None, Some(action)) => self.tcp(action)?,
            (None, None) => return Ok(()),
        };
        self.network(&call, None, timeout).await.map(|_| ())
    }

    fn http(&self, action: &HTTPGetAction) -> Result<NetworkCall, String> {
        let headers = action.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone()));
        let path = action.path.as_deref().unwrap_or("/");
        Ok(NetworkCall::Http {
            tls: action.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
            host: action.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| self.address.clone()),
            port: port(&action.port, self.container.ports.as_deref().unwrap_or_default())?,
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
            headers: headers.collect(),
        })
    }

    fn tcp(&self, action: &TCPSocketAction) -> Result<NetworkCall, String> {
        Ok(NetworkCall::Tcp {
            host: action.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| self.address.clone()),
            port: port(&action.port, self.container.ports.as_deref().unwrap_or_default())?,
        })
    }

    async fn network(&self, call: &NetworkCall, kind: Option<ProbeKind>, timeout: Duration) -> Result<String, String> {
        if let Some(answer) = self.runtime.network_call(self.container_id, call, kind).await {
            return answer;
        }
        let agent = if kind.is_some() { "kube-probe/1.36" } else { "kube-lifecycle/1.36" };
        if let NetworkCall::Grpc { host, port, service } = call {
            return grpc::check(host, *port, service, timeout, agent).await.map(|()| String::new());
        }
        match tokio::time::timeout(timeout, over_network(call, agent)).await {
            // A hook is a notice: whoever took it may answer as they like.
            Ok(Ok(answer)) if kind.is_none() || answer.is_success() => Ok(answer.text),
            Ok(Ok(answer)) => Err(format!("HTTP probe failed with statuscode: {}", answer.status)),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(match call {
                NetworkCall::Http { .. } => format!(
                    "Get {:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                    url(call)
                ),
                NetworkCall::Tcp { host, port } | NetworkCall::Grpc { host, port, .. } => {
                    format!("dial tcp {}: i/o timeout", join(host, *port))
                }
            }),
        }
    }
}

/// A port by number, or by its name in the container.
fn port(port: &IntOrString, ports: &[ContainerPort]) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => ports
            .iter()
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.container_port)
            .or_else(|| name.parse().ok()),
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("couldn't find port: {port:?}"))
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn url(call: &NetworkCall) -> String {
    match call {
        NetworkCall::Http { tls, host, port, path, .. } => {
            format!("{}://{}{path}", if *tls { "https" } else { "http" }, join(host, *port))
        }
        NetworkCall::Tcp { host, port } | NetworkCall::Grpc { host, port, .. } => join(host, *port),
    }
}

/// Why a connection failed, as Go says it.
fn dial_error(host: &str, port: u16, error: &std::io::Error) -> String {
    let reason = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        std::io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        std::io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    };
    format!("dial tcp {}: {reason}", join(host, port))
}

/// What somebody has answered; to have taken a connection is a success.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn is_success(&self) -> bool {
        (200..400).contains(&self.status)
    }
}

async fn over_network(call: &NetworkCall, agent: &str) -> Result<Answer, String> {
    let (host, port) = match call {
        NetworkCall::Tcp { host, port }
        | NetworkCall::Http { host, port, .. }
        | NetworkCall::Grpc { host, port, .. } => (host, *port),
    };
    let connected = TcpStream::connect((host.as_str(), port)).await;
    let NetworkCall::Http { tls, path, headers, .. } = call else {
        let taken = connected.map(|_| Answer { status: 200, text: String::new() });
        return taken.map_err(|error| dial_error(host, port, &error));
    };
    let failed = |problem: String| format!("Get {:?}: {problem}", url(call));
    let stream = connected.map_err(|error| failed(dial_error(host, port, &error)))?;
    let mut request = http::Request::get(path.as_str()).header("Accept", "*/*").header("Connection", "close");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        request = request.header("User-Agent", agent);
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("Host", join(host, port));
    }
    for (name, value) in headers {
        request = request.header(name.as_str(), value.as_str());
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(error.to_string()))?;
    let answer = if *tls {
        let stream = crate::tls::connect_unverified(stream, host).await.map_err(|error| failed(error.to_string()))?;
        exchange(stream, request).await
    } else {
        exchange(stream, request).await
    };
    answer.map_err(|error| failed(error.to_string()))
}

async fn exchange<S>(stream: S, request: http::Request<Empty<Bytes>>) -> Result<Answer, hyper::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
        Ok(Answer { status, text })
    };
    tokio::pin!(answer);
    // The connection is driven here, so that nothing outlives the probe.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = connection => match ended {
            Err(error) => Err(error),
            Ok(()) => answer.await,
        },
    }
}

#[cfg(test)]
mod tests;
