//! What node agents may do: the rules of the role `system:node`, and of these only what concerns their own node and the
//! pods that are bound to it.
//!
//! Source: `plugin/pkg/auth/authorizer/node`. Kubernetes keeps a graph of pods and what they refer to; here the pods of one
//! namespace and node are looked up in the store, whose index answers that, when a node asks for one of their objects.

use super::{Authorizer, Decision, Rule, references};
use crate::identity::UserInfo;
use crate::keys;
use crate::request_info::RequestInfo;
use futures::FutureExt;
use kubekit_store::{ListRequest, Operator, ReadAt, Requirement, Selector, Store};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The name of the node whose agent this user is.
pub(super) fn node_name(user: &UserInfo) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:").filter(|name| !name.is_empty())?;
    user.groups.iter().any(|group| group == "system:nodes").then_some(name)
}

/// Lets node agents do their work.
pub struct NodeAuthorizer {
    store: Arc<dyn Store>,
}

impl fmt::Debug for NodeAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeAuthorizer").finish_non_exhaustive()
    }
}

impl NodeAuthorizer {
    /// Judges by the pods in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = keys::object_key("", resource, namespace, name);
        // The store answers from memory; one that cannot is taken to know nothing.
        let entry = self.store.get(&key, ReadAt::NotOlderThan(0)).now_or_never()?.ok()??;
        serde_json::from_slice(&entry.value.bytes).ok()
    }

    fn is_own_pod(&self, node: &str, namespace: &str, name: &str) -> bool {
        let key = keys::object_key("", "pods", namespace, name);
        // The store answers from memory; the attribute spares decoding the pod for every report of its status.
        let entry = self.store.get(&key, ReadAt::NotOlderThan(0)).now_or_never().and_then(Result::ok).flatten();
        entry.is_some_and(|entry| entry.attributes.get("field:spec.nodeName") == Some(node))
    }

    /// Whether a pod on `node` refers to an object of its namespace. Mirror pods count for nothing: a node could make up
    /// one that refers to anything.
    fn is_referred_to(&self, node: &str, info: &RequestInfo) -> bool {
        let on_node = Requirement {
            name: "field:spec.nodeName".to_owned(),
            operator: Operator::In,
            values: vec![node.to_owned()],
        };
        let request = ListRequest {
            prefix: keys::namespace_prefix("", "pods", &info.namespace),
            at: ReadAt::NotOlderThan(0),
            selector: Selector { requirements: vec![on_node] },
            ..ListRequest::default()
        };
        let Some(Ok(listing)) = self.store.list(request).now_or_never() else { return false };
        listing.entries.filter_map(|entry| serde_json::from_slice::<Value>(&entry.value.bytes).ok()).any(|pod| {
            pod["spec"]["nodeName"] == node
                && pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_none()
                && references::of_pod(&pod, &info.resource).iter().any(|name| *name == info.name)
        })
    }

    /// Whether a Secret is needed to mount a volume that a pod on `node` uses: it may be in another namespace.
    fn opens_volume(&self, node: &str, namespace: &str, name: &str) -> bool {
        let request = ListRequest {
            prefix: keys::resource_prefix("", "persistentvolumes"),
            at: ReadAt::NotOlderThan(0),
            ..ListRequest::default()
        };
        let Some(Ok(listing)) = self.store.list(request).now_or_never() else { return false };
        listing.entries.filter_map(|entry| serde_json::from_slice::<Value>(&entry.value.bytes).ok()).any(|volume| {
            references::of_persistent_volume(&volume).contains(&(namespace, name))
                && self.uses_volume(node, volume["metadata"]["name"].as_str().unwrap_or_default())
        })
    }

    fn uses_volume(&self, node: &str, volume: &str) -> bool {
        let claim = self.object("persistentvolumes", "", volume).map(|volume| volume["spec"]["claimRef"].clone());
        let claim = claim.unwrap_or_default();
        let (Some(namespace), Some(name)) = (claim["namespace"].as_str(), claim["name"].as_str()) else { return false };
        self.is_referred_to(node, &RequestInfo::resource("get", "", "persistentvolumeclaims", namespace, name))
    }

    fn may(&self, node: &str, info: &RequestInfo) -> Result<(), String> {
        let verb = info.verb.as_str();
        let unrelated = || format!("no relationship found between node '{node}' and this object");
        let related = |is: bool| if is { Ok(()) } else { Err(unrelated()) };
        let own_name = |what: &str| {
            if verb == "create" || info.name == node {
                Ok(())
            } else {
                Err(format!("can only access {what} with the same name as the requesting node"))
            }
        };
        match (info.group.as_str(), info.resource.as_str(), info.subresource.as_str()) {
            ("", "secrets" | "configmaps", "") if info.name.is_empty() => Err("No Object name found".to_owned()),
            ("", "secrets", "") => {
                related(self.is_referred_to(node, info) || self.opens_volume(node, &info.namespace, &info.name))
            }
            ("", "configmaps", "") | ("", "persistentvolumeclaims", "" | "status") => {
                related(self.is_referred_to(node, info))
            }
            ("", "persistentvolumes", "") => related(self.uses_volume(node, &info.name)),
            ("", "serviceaccounts", "token") => related(self.is_referred_to(node, info)),
            ("coordination.k8s.io", "leases", "") if info.namespace != "kube-node-lease" => {
                Err("can only access leases in the \"kube-node-lease\" system namespace".to_owned())
            }
            ("coordination.k8s.io", "leases", "") => own_name("node lease"),
            ("storage.k8s.io", "csinodes", "") => own_name("CSINode"),
            ("", "nodes", "") if matches!(verb, "get" | "list" | "watch") && info.name != node => {
                Err(format!("node '{node}' cannot read '{}', only its own Node object", info.name))
            }
            ("", "nodes", _) if matches!(verb, "update" | "patch") && info.name != node => Err(unrelated()),
            ("", "pods", "") if matches!(verb, "list" | "watch") => {
                if info.selected("spec.nodeName") == Some(node)
                    || !info.name.is_empty() && self.is_own_pod(node, &info.namespace, &info.name)
                {
                    Ok(())
                } else {
                    Err(format!("can only list/watch pods with spec.nodeName field selector, spec.nodeName={node}"))
                }
            }
            ("", "pods", "") if verb == "get" => related(self.is_own_pod(node, &info.namespace, &info.name)),
            ("", "pods", "eviction") => related(self.is_own_pod(node, &info.namespace, &info.name)),
            // Whose pod is deleted or reported on is for admission to judge, which has the pod before it: one that is gone
            // is answered with 404.
            _ => Ok(()),
        }
    }
}

impl Authorizer for NodeAuthorizer {
    fn authorize(&self, user: &UserInfo, info: &RequestInfo) -> Decision {
        let Some(node) = node_name(user) else { return Decision::NoOpinion(String::new()) };
        static RULES: LazyLock<Vec<Rule>> = LazyLock::new(crate::bootstrap_roles::node_rules);
        if !RULES.iter().any(|rule| rule.allows(info)) {
            return Decision::NoOpinion(String::new());
        }
        match self.may(node, info) {
            Ok(()) => Decision::Allow(String::new()),
            Err(reason) => Decision::NoOpinion(reason),
        }
    }
}
