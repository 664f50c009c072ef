//! NamespaceLifecycle: nothing is created where there is no namespace, or one that is going; some namespaces stay.

use super::{AdmissionRequest, Operation};
use crate::registry::{Registry, encode};
use kubekit_core::status::{ApiError, Cause};

/// Namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) async fn admit(registry: &Registry, request: &AdmissionRequest<'_>) -> Result<(), ApiError> {
    if request.operation == Operation::Delete && request.is("", "namespaces") && IMMORTAL.contains(&request.name) {
        return Err(request.forbidden("this namespace may not be deleted"));
    }
    if request.operation != Operation::Create || request.namespace.is_empty() {
        return Ok(());
    }
    let namespace = request.namespace;
    let Some(entry) = registry.object("", "namespaces", "", namespace).await? else {
        return Err(ApiError::not_found("", "namespaces", namespace));
    };
    let terminating = match entry.attributes.get("field:status.phase") {
        Some(phase) => phase == "Terminating",
        None => encode::decode(&entry)["status"]["phase"] == "Terminating",
    };
    if !terminating {
        return Ok(());
    }
    let detail = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = request.forbidden(&detail);
    error.details.causes.push(Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    });
    Err(error)
}
