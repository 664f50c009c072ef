//! `pods/binding`: a scheduler gives a Pod to a node.
//!
//! Source: `pkg/registry/core/pod/storage/storage.go`.

use super::create::text;
use super::kind::Kind;
use super::update::{Changed, Ownership};
use super::write::{Part, Subject};
use super::{Registry, condition};
use crate::admission;
use crate::options::WriteOptions;
use crate::request::Request;
use kubekit_core::rules::pod::subresources;
use kubekit_core::status::ApiError;
use serde_json::{Value, json};

impl Registry {
    /// Binds a Pod to the node that the Binding names. `kind` is what the path is about: Pods, or the older Bindings.
    ///
    /// # Errors
    /// 409 where the Pod has a node or is being deleted; 422 where the Binding is wrong.
    pub(crate) async fn bind(
        &self,
        request: &Request,
        kind: Kind,
        namespace: &str,
        mut binding: Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let named = text(&binding["metadata"], "name");
        let name = if request.info.name.is_empty() { named.as_str() } else { request.info.name.as_str() };
        if !named.is_empty() && named != name {
            return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
        }
        let asked = Subject { request, kind, namespace, name, part: Part::Main };
        admission::admit_action(self, asked, &request.info.subresource, &mut binding, None, options.dry_run).await?;
        let errors = subresources::validate_binding(&binding);
        if !errors.is_empty() {
            return Err(ApiError::invalid("", "Binding", name, &errors));
        }
        let node = text(&binding["target"], "name");
        let kind = Kind::find("", "v1", "pods").expect("Pods are in the catalog");
        let subject = Subject { request, kind, namespace, name, part: Part::Internal };
        let binding = &binding;
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
            condition::set_on_pod(&mut object, json!({"type": "PodScheduled", "status": "True"}), now);
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
