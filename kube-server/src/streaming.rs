//! Subresources that stream to and from a node agent: logs, exec, attach, port-forward, and the node's own paths.
//!
//! The API server is a pipe here. It finds the node of the pod, asks the agent's server under the kubelet's paths, and
//! passes on what comes back: a stream of log lines, or after `101 Switching Protocols` bytes in both directions. What
//! they mean (WebSocket channels, SPDY) is between the client and the agent.
//!
//! Source: `pkg/registry/core/pod/strategy.go`, `k8s.io/apimachinery/pkg/util/proxy`.

mod agent;
mod container;
mod log;
mod pipe;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use pipe::Streams;

use crate::admission::{self, AdmissionRequest, Operation};
use crate::body::Body;
use crate::keys;
use crate::request::{Request, Response};
use crate::server::Server;
use agent::Agent;
use kubekit_core::status::ApiError;
use kubekit_store::ReadAt;
use serde_json::Value;
use std::sync::Arc;

/// Connects a request for `log`, `exec`, `attach`, `portforward` or `proxy` to the agent of its node.
///
/// # Errors
/// 404 where there is no such pod or node, 400 and 422 where the request is malformed, 503 where the agent cannot be
/// reached, and what the agent answers.
pub(crate) async fn connect(server: &Arc<Server>, request: &mut Request, body: Body) -> Result<Response, ApiError> {
    let info = &request.info;
    match (info.group.as_str(), info.resource.as_str(), info.subresource.as_str()) {
        ("", "pods", "log") => log::serve(server, request).await,
        ("", "pods", "exec" | "attach" | "portforward") => {
            require_create(server, request)?;
            admit(server, request)?;
            let pod = get(server, "pods", &info.namespace, &info.name).await?;
            let target = target::of(request, &pod)?;
            let agent = Agent::of_pod(server, &pod).await?;
            pipe::upgrade(server, request, agent, &target).await
        }
        ("", "nodes", "proxy") => {
            admit(server, request)?;
            let agent = Agent::of_node(server, &info.name).await?;
            let target = target::of_proxy(&info.tail, request.parts.uri.query());
            pipe::forward(server, request, body, agent, &target).await
        }
        _ => Err(ApiError::no_such_path()),
    }
}

/// A WebSocket begins with a GET, but what it opens is a `create`: reading rights must not be enough to run a command.
///
/// Source: feature `AuthorizePodWebsocketUpgradeCreatePermission` of Kubernetes 1.35.
fn require_create(server: &Server, request: &Request) -> Result<(), ApiError> {
    if request.info.verb == "create" {
        return Ok(());
    }
    let mut info = request.info.clone();
    info.verb = "create".to_owned();
    server.authorize(&request.user, &info)
}

/// Admission plugins may refuse a stream.
fn admit(server: &Server, request: &Request) -> Result<(), ApiError> {
    let info = &request.info;
    let mut admission = AdmissionRequest {
        user: &request.user,
        operation: Operation::Connect,
        resource: request.kind.ok_or_else(ApiError::no_such_path)?.served,
        subresource: &info.subresource,
        namespace: &info.namespace,
        name: &info.name,
        object: None,
        old: None,
        dry_run: false,
    };
    admission::plugins(&server.registry, &mut admission)
}

async fn get(server: &Server, resource: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let key = keys::object_key("", resource, namespace, name);
    let entry = server.store().get(&key, ReadAt::Latest).await.map_err(ApiError::internal)?;
    let entry = entry.ok_or_else(|| ApiError::not_found("", resource, name))?;
    serde_json::from_slice(&entry.value.bytes).map_err(ApiError::internal)
}
