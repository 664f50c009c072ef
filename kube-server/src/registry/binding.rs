//! `pods/binding`: a scheduler gives a Pod to a node.
//!
//! Source: `pkg/registry/core/pod/storage/storage.go`.

use super::Registry;
use super::create::text;
use super::kind::Kind;
use super::update::{Changed, Ownership};
use super::write::{Part, Subject};
use crate::options::WriteOptions;
use crate::request::Request;
use kubekit_core::decode::format_time;
use kubekit_core::rules::pod::subresources;
use kubekit_core::status::ApiError;
use serde_json::{Value, json};

impl Registry {
    /// Binds a Pod to the node that the Binding names.
    ///
    /// # Errors
    /// 409 where the Pod has a node or is being deleted; 422 where the Binding is wrong.
    pub(crate) async fn bind(
        &self,
        request: &Request,
        namespace: &str,
        name: &str,
        binding: &Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let named = text(&binding["metadata"], "name");
        let name = if name.is_empty() { named.as_str() } else { name };
        if !named.is_empty() && named != name {
            return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
        }
        let errors = subresources::validate_binding(binding);
        if !errors.is_empty() {
            return Err(ApiError::invalid("", "Binding", name, &errors));
        }
        let node = text(&binding["target"], "name");
        let kind = Kind::find("", "v1", "pods").expect("Pods are in the catalog");
        let subject = Subject { request, kind, namespace, name, part: Part::Internal };
        let now = self.clock.now();
        self.modify(subject, options, Ownership::Apart, |pod| {
            refuse(binding, pod, name)?;
            let mut object = pod.clone();
            object["spec"]["nodeName"] = json!(node);
            for field in ["annotations", "labels"] {
                for (key, value) in binding["metadata"][field].as_object().into_iter().flatten() {
                    object["metadata"][field][key] = value.clone();
                }
            }
            set_condition(&mut object, "PodScheduled", "True", now);
            // As in Kubernetes, a binding makes nobody the owner of the fields that it sets.
            Ok(Changed { object, tracked: true })
        })
        .await
        .map(drop)
    }
}

/// Why a Pod cannot be bound, in the words that schedulers match on.
fn refuse(binding: &Value, pod: &Value, name: &str) -> Result<(), ApiError> {
    let conflict = |detail: &str| Err(ApiError::conflict("", "pods/binding", name, detail));
    let (wanted, uid) = (text(&binding["metadata"], "uid"), text(&pod["metadata"], "uid"));
    if !wanted.is_empty() && wanted != uid {
        return conflict(&format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"));
    }
    let version = text(&binding["metadata"], "resourceVersion");
    if !version.is_empty() && version != text(&pod["metadata"], "resourceVersion") {
        return Err(ApiError::stale("", "pods/binding", name));
    }
    if pod["metadata"].get("deletionTimestamp").is_some() {
        return conflict(&format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = text(&pod["spec"], "nodeName");
    if !node.is_empty() {
        return conflict(&format!("pod {name} is already assigned to node {node:?}"));
    }
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        return conflict(&format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    Ok(())
}

/// Sets a condition of a Pod's status.
fn set_condition(pod: &mut Value, kind: &str, status: &str, now: jiff::Timestamp) {
    let condition = json!({
        "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": format_time(now),
        "observedGeneration": pod["metadata"]["generation"],
    });
    if !pod["status"].is_object() {
        pod["status"] = json!({});
    }
    let conditions = &mut pod["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let list = conditions.as_array_mut().expect("made so above");
    match list.iter_mut().find(|condition| condition["type"] == kind) {
        Some(old) => *old = condition,
        None => list.push(condition),
    }
}
