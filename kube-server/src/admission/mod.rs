//! Admission: what changes or refuses an object before it is stored.
//!
//! The built-in plugins run in the order of kube-apiserver's default chain, then those handed to the builder.

mod default_toleration_seconds;
mod limit_ranger;
mod namespace_lifecycle;
mod priority;
mod requestor;
mod service_account;
mod taint_nodes_by_condition;

use crate::identity::UserInfo;
use crate::registry::Registry;
use crate::registry::write::Subject;
use kubekit_core::catalog::Resource;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value};

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// A stream is opened to it.
    Connect,
}

/// A request on its way to the store.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// Who asks.
    pub user: &'a UserInfo,
    /// What for.
    pub operation: Operation,
    /// The kind.
    pub resource: &'static Resource,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// Empty for kinds that live in none.
    pub namespace: &'a str,
    /// Empty for a create whose name is generated.
    pub name: &'a str,
    /// The object as it will be stored; `None` for a delete and for a stream.
    pub object: Option<&'a mut Value>,
    /// The object as it is stored; of an eviction, the Pod; `None` for any other create and for a stream.
    pub old: Option<&'a Value>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// An admission plugin: changes the object, or refuses it. Synchronous: it answers from state in memory.
pub trait Admission: Send + Sync + std::fmt::Debug {
    /// Changes `request.object`, or refuses the request.
    ///
    /// # Errors
    /// Why the request is refused.
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError>;
}

impl AdmissionRequest<'_> {
    /// Whether this is about the objects of a kind themselves.
    fn is(&self, group: &str, plural: &str) -> bool {
        self.subresource.is_empty() && self.resource.group == group && self.resource.plural == plural
    }

    /// The specification of the object, where it has one.
    fn spec_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.object.as_mut()?.get_mut("spec")?.as_object_mut()
    }

    /// 403 about the object.
    fn forbidden(&self, detail: &str) -> ApiError {
        ApiError::forbidden(self.resource.group, self.resource.plural, self.name, detail)
    }
}

/// Adds to a list, which is made where it is absent.
fn append(object: &mut Map<String, Value>, field: &str, mut values: Vec<Value>) {
    match object.get_mut(field) {
        Some(Value::Array(list)) => list.append(&mut values),
        _ if values.is_empty() => {}
        _ => {
            object.insert(field.to_owned(), Value::Array(values));
        }
    }
}

/// Whether admission of other objects depends on what this one says, and not only on its being there.
pub(crate) fn concerns_others(resource: &Resource, object: &Value) -> bool {
    match (resource.group, resource.plural) {
        ("", "serviceaccounts") => service_account::concerns_pods(object),
        ("scheduling.k8s.io", "priorityclasses") => priority::is_default(object),
        _ => false,
    }
}

/// Runs the built-in plugins that are not switched off, then those of the builder.
///
/// # Errors
/// Why the request is refused.
pub(crate) async fn admit(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    let enabled = |name: &str| registry.disabled_admission.is_empty() || !registry.disabled_admission.contains(name);
    if enabled("NamespaceLifecycle") {
        namespace_lifecycle::admit(registry, request).await?;
    }
    if limit_ranger::concerns(request) && enabled("LimitRanger") {
        limit_ranger::admit(registry, request).await?;
    }
    if request.is("", "pods") {
        if enabled("ServiceAccount") {
            service_account::admit(registry, request).await?;
        }
        if enabled("Priority") {
            priority::admit_pod(registry, request).await?;
        }
        if enabled("DefaultTolerationSeconds") {
            default_toleration_seconds::admit(request);
        }
    } else if request.is("", "nodes") && enabled("TaintNodesByCondition") {
        taint_nodes_by_condition::admit(request);
    } else if request.is("scheduling.k8s.io", "priorityclasses") && enabled("Priority") {
        priority::admit_class(registry, request).await?;
    } else if request.is("certificates.k8s.io", "certificatesigningrequests") {
        requestor::admit(request);
    }
    plugins(registry, request)
}

/// Runs the plugins on what is created below an object and not stored: a Binding, an Eviction.
///
/// # Errors
/// Why the request is refused.
pub(crate) async fn admit_action(
    registry: &Registry,
    subject: Subject<'_>,
    subresource: &str,
    object: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), ApiError> {
    let mut request = AdmissionRequest {
        user: &subject.request.user,
        operation: Operation::Create,
        resource: subject.kind.storage,
        subresource,
        namespace: subject.namespace,
        name: subject.name,
        object: Some(object),
        old,
        dry_run,
    };
    admit(registry, &mut request).await
}

/// Runs the plugins behind the trait: all there are for streams.
///
/// # Errors
/// Why the request is refused.
pub(crate) fn plugins(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    registry.plugins.iter().try_for_each(|plugin| plugin.admit(request))
}
