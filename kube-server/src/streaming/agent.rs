//! The agent of a node: where it is, and a request to it.

use super::get;
use crate::body::Body;
use crate::server::Server;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kubekit_core::status::ApiError;
use serde_json::Value;

/// The kubelet's port, for nodes that do not say theirs.
const PORT_DEFAULT: u16 = 10250;

/// Kinds of addresses, the one to try first.
const ADDRESS_TYPES: &[&str] = &["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"];

/// Where the agent of a node is.
#[derive(Debug)]
pub(super) struct Agent {
    node: String,
    address: String,
    port: u16,
}

impl Agent {
    /// The agent of the node that a pod is bound to.
    pub(super) async fn of_pod(server: &Server, pod: &Value) -> Result<Self, ApiError> {
        match pod["spec"]["nodeName"].as_str() {
            None | Some("") => {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")))
            }
            Some(node) => Self::of_node(server, node).await,
        }
    }

    pub(super) async fn of_node(server: &Server, name: &str) -> Result<Self, ApiError> {
        let node = get(server, "nodes", "", name).await?;
        let status = &node["status"];
        let addresses = status["addresses"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let address = ADDRESS_TYPES
            .iter()
            .find_map(|kind| addresses.iter().find(|address| address["type"] == *kind)?["address"].as_str());
        let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64().and_then(|port| port.try_into().ok());
        Ok(Self {
            node: name.to_owned(),
            address: address.unwrap_or(name).to_owned(),
            port: port.filter(|port| *port != 0).unwrap_or(PORT_DEFAULT),
        })
    }

    /// Sends a request and gives the answer's head; its body and a later upgrade are driven by a task of the server's.
    pub(super) async fn send(
        &self,
        server: &Server,
        mut request: http::Request<Body>,
    ) -> Result<http::Response<Incoming>, ApiError> {
        let Some(connector) = &server.connector else {
            return Err(ApiError::service_unavailable("the server has no way to reach node agents"));
        };
        let unreachable = |error: &dyn std::fmt::Display| {
            let target = format!("{}:{}", self.address, self.port);
            ApiError::internal(format!("error dialing backend: {target} (node {:?}): {error}", self.node))
        };
        let stream =
            connector.connect(&self.node, &self.address, self.port).await.map_err(|error| unreachable(&error))?;
        let host = http::HeaderValue::from_str(&format!("{}:{}", self.address, self.port));
        request
            .headers_mut()
            .insert(http::header::HOST, host.unwrap_or_else(|_| http::HeaderValue::from_static("localhost")));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
        server.streams.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to a node agent ended");
            }
        });
        sender.send_request(request).await.map_err(|error| unreachable(&error))
    }
}
