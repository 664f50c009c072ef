//! What a node agent writes must be its own: its Node, its lease, the pods bound to it, tokens for these pods.
//!
//! Source: `plugin/pkg/admission/noderestriction`.

use super::node::node_name;
use super::references;
use crate::admission::{Admission, AdmissionRequest, Operation};
use kubekit_core::status::ApiError;
use serde_json::Value;

/// Labels of Nodes that only administrators set.
const RESTRICTED_PREFIX: &str = "node-restriction.kubernetes.io/";

/// Labels in Kubernetes' own domains that a node agent may set on its Node.
const OWN_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// Prefixes of labels in Kubernetes' own domains that a node agent may set on its Node.
const OWN_LABEL_DOMAINS: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Refuses what a node agent writes to others.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeRestriction;

impl Admission for NodeRestriction {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
        let Some(node) = node_name(request.user) else { return Ok(()) };
        let checked = match (request.resource.group, request.resource.plural, request.subresource) {
            ("", "pods", "") => pod(node, request),
            ("", "pods", "status") => pod_status(node, request),
            ("", "pods", "eviction") => bound_here(node, request.old, "evict"),
            ("", "nodes", _) => node_object(node, request),
            ("coordination.k8s.io", "leases", _) => lease(node, request),
            ("storage.k8s.io", "csinodes", _) if name(request) != node => {
                Err(format!("can only access CSINode with the same name as the requesting node {node:?}"))
            }
            ("", "serviceaccounts", "token") => token(request),
            _ => Ok(()),
        };
        checked.map_err(|detail| {
            ApiError::forbidden(request.resource.group, request.resource.plural, &name(request), &detail)
        })
    }
}

fn name(request: &AdmissionRequest<'_>) -> String {
    let named = request.object.as_deref().and_then(|object| object["metadata"]["name"].as_str());
    if request.name.is_empty() { named.unwrap_or_default() } else { request.name }.to_owned()
}

fn bound_here(node: &str, pod: Option<&Value>, verb: &str) -> Result<(), String> {
    match pod {
        Some(pod) if pod["spec"]["nodeName"] != node => {
            Err(format!("node {node:?} can only {verb} pods with spec.nodeName set to itself"))
        }
        _ => Ok(()),
    }
}

fn pod(node: &str, request: &AdmissionRequest<'_>) -> Result<(), String> {
    match request.operation {
        Operation::Create => request.object.as_deref().map_or(Ok(()), |pod| mirror_pod(node, pod)),
        Operation::Delete => bound_here(node, request.old, "delete"),
        Operation::Update => {
            Err(format!("unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"))
        }
        Operation::Connect => Ok(()),
    }
}

/// A mirror pod shows a static pod; the node must not reach other objects through it.
fn mirror_pod(node: &str, pod: &Value) -> Result<(), String> {
    if pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].as_str().is_none() {
        return Err(format!(
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node {node:?} can only create mirror pods"
        ));
    }
    if pod["spec"]["nodeName"] != node {
        return Err(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    let owners = pod["metadata"]["ownerReferences"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    match owners {
        [] => {}
        [owner] => {
            if owner["apiVersion"] != "v1" || owner["kind"] != "Node" || owner["name"] != node {
                return Err(format!("node {node:?} can only create pods with an owner reference set to itself"));
            }
        }
        _ => return Err(format!("node {node:?} can only create pods with a single owner reference set to itself")),
    }
    if !pod["spec"]["serviceAccountName"].as_str().unwrap_or_default().is_empty() {
        return Err(format!("node {node:?} can not create pods that reference a service account"));
    }
    for resource in ["secrets", "configmaps", "persistentvolumeclaims", "resourceclaims"] {
        if !references::of_pod(pod, resource).is_empty() {
            return Err(format!("node {node:?} can not create pods that reference {resource}"));
        }
    }
    Ok(())
}

fn pod_status(node: &str, request: &AdmissionRequest<'_>) -> Result<(), String> {
    if request.operation != Operation::Update {
        return Ok(());
    }
    bound_here(node, request.old, "update pod status for")?;
    let labels = |pod: Option<&Value>| pod.map(|pod| pod["metadata"]["labels"].clone()).unwrap_or_default();
    if labels(request.old) != labels(request.object.as_deref()) {
        return Err(format!("node {node:?} cannot update labels through pod status"));
    }
    Ok(())
}

fn node_object(node: &str, request: &AdmissionRequest<'_>) -> Result<(), String> {
    let target = name(request);
    if request.operation == Operation::Delete {
        return Err(format!("node {node:?} is not allowed to delete nodes"));
    }
    if target != node {
        return Err(format!("node {node:?} is not allowed to modify node {target:?}"));
    }
    let Some(new) = request.object.as_deref() else { return Ok(()) };
    let empty = Value::Null;
    let old = request.old.unwrap_or(&empty);
    if request.operation == Operation::Update && old["spec"]["taints"] != new["spec"]["taints"] {
        return Err(format!("node {node:?} is not allowed to modify taints"));
    }
    if request.operation == Operation::Update
        && old["metadata"]["ownerReferences"] != new["metadata"]["ownerReferences"]
    {
        return Err(format!("node {node:?} is not allowed to modify ownerReferences"));
    }
    let forbidden: Vec<&str> = changed_labels(old, new).into_iter().filter(|label| !may_set(label)).collect();
    if forbidden.is_empty() {
        return Ok(());
    }
    let verb = if request.operation == Operation::Create { "set" } else { "modify" };
    Err(format!("is not allowed to {verb} the following labels: {}", forbidden.join(", ")))
}

fn changed_labels<'v>(old: &'v Value, new: &'v Value) -> std::collections::BTreeSet<&'v str> {
    let labels = |object: &'v Value| object["metadata"]["labels"].as_object();
    let names = labels(old).into_iter().chain(labels(new)).flat_map(|labels| labels.keys().map(String::as_str));
    names.filter(|name| old["metadata"]["labels"].get(name) != new["metadata"]["labels"].get(name)).collect()
}

fn may_set(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    let within = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    if label.starts_with(RESTRICTED_PREFIX) || domain.ends_with(".node-restriction.kubernetes.io") {
        return false;
    }
    !(within("kubernetes.io") || within("k8s.io"))
        || OWN_LABELS.contains(&label)
        || OWN_LABEL_DOMAINS.iter().any(|own| within(own))
}

fn lease(node: &str, request: &AdmissionRequest<'_>) -> Result<(), String> {
    if request.namespace != "kube-node-lease" {
        return Err("can only access leases in the \"kube-node-lease\" system namespace".to_owned());
    }
    if name(request) != node {
        return Err(format!("can only access node lease with the same name as the requesting node {node:?}"));
    }
    Ok(())
}

/// Tokens are for pods. That the pod is bound to the node and runs under the account has been looked at where tokens are
/// issued.
fn token(request: &AdmissionRequest<'_>) -> Result<(), String> {
    let reference = request.object.as_deref().map(|object| &object["spec"]["boundObjectRef"]);
    let text = |field: &str| reference.and_then(|reference| reference[field].as_str()).unwrap_or_default();
    if (text("apiVersion"), text("kind")) != ("v1", "Pod") || text("name").is_empty() {
        return Err("node requested token not bound to a pod".to_owned());
    }
    if text("uid").is_empty() {
        return Err("node requested token with a pod binding without a uid".to_owned());
    }
    Ok(())
}
