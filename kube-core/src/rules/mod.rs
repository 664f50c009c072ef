//! The seam between a kind and the pipeline that serves it: defaults, validation and what an update may change.
//!
//! The server calls these on JSON values whose shape has been checked against the schema table, in this order.
//! Create: [`Rules::default`], mutating admission, [`Rules::prepare_create`], [`Rules::validate`].
//! Update: [`Rules::default`], mutating admission, [`Rules::prepare_update`], [`Rules::validate_update`].
//! The object has its uid, name and creation time before `prepare_create`.
//! Every method has the behaviour of a kind without rules of its own as its default.
//!
//! Each kind has a module of its own, all of one shape: a unit struct, its [`Rules`], then the checks it is made of.
//! [`of`] finds them by group and kind.

pub(crate) mod access;
mod address;
pub mod admission_configuration;
pub mod autoscaler;
pub mod certificate_signing_request;
pub mod config_map;
pub mod controller_revision;
pub mod cron_job;
pub mod csi;
pub mod custom_resource;
pub mod daemon_set;
pub mod deployment;
pub mod endpoint_slice;
pub mod endpoints;
pub mod event;
pub mod flow_control;
mod format;
pub mod generic;
pub mod ingress;
pub mod ip_address;
pub mod job;
pub mod lease;
pub mod limit_range;
pub mod namespace;
pub mod network_policy;
pub mod node;
pub mod persistent_volume;
pub mod persistent_volume_claim;
pub mod pod;
pub mod pod_disruption_budget;
pub mod pod_group;
pub mod pod_template;
pub mod priority_class;
pub mod replica_set;
pub mod replication_controller;
mod resource_list;
pub mod resource_quota;
pub mod role;
pub mod role_binding;
pub mod runtime_class;
pub mod secret;
mod selector;
pub mod service;
pub mod service_account;
pub mod service_cidr;
pub mod stateful_set;
pub mod storage_class;
pub mod workload;

pub use generic::Generic;

use crate::field::ErrorList;
use serde_json::{Map, Value};
use std::fmt::Debug;

/// The rules of one kind. Pure: no I/O, no clock, no randomness.
pub trait Rules: Sync + Debug {
    /// Fills in what the author of an object left out. Idempotent.
    fn default(&self, _object: &mut Value) {}

    /// Drops what a creator may not set (by default `status`, for kinds that have the subresource).
    fn prepare_create(&self, object: &mut Value) {
        if self.has_status()
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    /// Restores what an update of the main resource may not change (by default `status`).
    fn prepare_update(&self, new: &mut Value, old: &Value) {
        if self.has_status() {
            copy_field(new, old, "status");
        }
    }

    /// Restores what an update of the status subresource may not change (by default everything but `status` and metadata
    /// bookkeeping).
    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        restore(new, old, &["status", "metadata"]);
        let metadata = match new.as_object_mut() {
            Some(new) => new.entry("metadata").or_insert_with(|| Value::Object(Map::new())),
            None => return,
        };
        restore(metadata, &old["metadata"], &["resourceVersion", "managedFields"]);
    }

    /// Errors of a new object, beyond those of its metadata.
    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Errors of an update, beyond those of its metadata. By default those of the new object.
    fn validate_update(&self, new: &Value, _old: &Value) -> ErrorList {
        self.validate(new)
    }

    /// Errors of a status update.
    fn validate_status_update(&self, _new: &Value, _old: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Warnings for the author of a new object: those of an update, and those about what an update cannot change.
    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        self.warnings(object)
    }

    /// Warnings for the author, sent as `Warning` headers.
    fn warnings(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }

    /// Whether `status` is a subresource of its own.
    fn has_status(&self) -> bool {
        false
    }

    /// Whether `metadata.generation` counts changes outside metadata and status.
    fn has_generation(&self) -> bool {
        self.has_status()
    }

    /// Whether an update of an object that does not exist creates it (Lease, Event, Endpoints … do).
    fn allows_create_on_update(&self) -> bool {
        false
    }

    /// Whether an update may leave out the resourceVersion.
    fn allows_unconditional_update(&self) -> bool {
        true
    }

    /// Fields beyond `metadata.name` and `metadata.namespace` that a field selector may name, with their values.
    fn selectable_fields(&self, _object: &Value) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The names that [`Rules::selectable_fields`] can give.
    fn selectable_field_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// How names of this kind are checked.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    /// The grace period of a delete in seconds, where the kind has one: pods. `requested` is what the client asked for;
    /// `None` deletes at once.
    fn deletion_grace_seconds(&self, _object: &Value, _requested: Option<i64>) -> Option<i64> {
        None
    }
}

/// The character rules for names. Source: RFC 1123, RFC 1035, and `ValidatePathSegmentName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain, at most 253 bytes.
    Subdomain,
    /// RFC 1123 label, at most 63 bytes.
    Label,
    /// RFC 1035 label, at most 63 bytes.
    Rfc1035Label,
    /// Any path segment (RBAC).
    PathSegment,
    /// An IP address in its canonical form (IPAddress).
    IpAddress,
}

/// The rules of a built-in kind, whatever the version: those of its module, or [`Generic`] ones.
pub fn of(group: &str, kind: &str) -> &'static dyn Rules {
    match group {
        "" => core(kind),
        "apps" => apps(kind),
        "batch" => match kind {
            "Job" => &job::Job,
            "CronJob" => &cron_job::CronJob,
            _ => generic::of(group, kind),
        },
        "rbac.authorization.k8s.io" => match kind {
            "Role" => &role::Role,
            "ClusterRole" => &role::ClusterRole,
            "RoleBinding" => &role_binding::Binding { namespaced: true },
            "ClusterRoleBinding" => &role_binding::Binding { namespaced: false },
            _ => generic::of(group, kind),
        },
        "storage.k8s.io" => match kind {
            "StorageClass" => &storage_class::StorageClass,
            "CSIDriver" => &csi::CsiDriver,
            _ => generic::of(group, kind),
        },
        "networking.k8s.io" => match kind {
            "Ingress" => &ingress::Ingress,
            "IngressClass" => &ingress::IngressClass,
            "IPAddress" => &ip_address::IpAddress,
            "NetworkPolicy" => &network_policy::NetworkPolicy,
            "ServiceCIDR" => &service_cidr::ServiceCidr,
            _ => generic::of(group, kind),
        },
        _ => other(group, kind),
    }
}

fn core(kind: &str) -> &'static dyn Rules {
    match kind {
        "ConfigMap" => &config_map::ConfigMap,
        "Endpoints" => &endpoints::Endpoints,
        "Event" => &event::Event,
        "LimitRange" => &limit_range::LimitRange,
        "Namespace" => &namespace::Namespace,
        "Node" => &node::Node,
        "PersistentVolume" => &persistent_volume::PersistentVolume,
        "PersistentVolumeClaim" => &persistent_volume_claim::PersistentVolumeClaim,
        "Pod" => &pod::Pod,
        "PodTemplate" => &pod_template::PodTemplate,
        "ReplicationController" => &replication_controller::ReplicationController,
        "ResourceQuota" => &resource_quota::ResourceQuota,
        "Secret" => &secret::Secret,
        "Service" => &service::Service,
        "ServiceAccount" => &service_account::ServiceAccount,
        _ => generic::of("", kind),
    }
}

fn apps(kind: &str) -> &'static dyn Rules {
    match kind {
        "ControllerRevision" => &controller_revision::ControllerRevision,
        "DaemonSet" => &daemon_set::DaemonSet,
        "Deployment" => &deployment::Deployment,
        "ReplicaSet" => &replica_set::ReplicaSet,
        "StatefulSet" => &stateful_set::StatefulSet,
        _ => generic::of("apps", kind),
    }
}

fn other(group: &str, kind: &str) -> &'static dyn Rules {
    match (group, kind) {
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => &admission_configuration::MutatingWebhooks,
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            &admission_configuration::ValidatingWebhooks
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            &admission_configuration::Policy { status: true }
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => {
            &admission_configuration::Policy { status: false }
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => {
            &admission_configuration::PolicyBinding
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &custom_resource::Definition,
        ("autoscaling", "HorizontalPodAutoscaler") => &autoscaler::HorizontalPodAutoscaler,
        ("certificates.k8s.io", "CertificateSigningRequest") => &certificate_signing_request::CertificateSigningRequest,
        ("coordination.k8s.io", "Lease") => &lease::Lease,
        ("discovery.k8s.io", "EndpointSlice") => &endpoint_slice::EndpointSlice,
        ("events.k8s.io", "Event") => &event::Event,
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => &flow_control::FlowSchema,
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => &flow_control::PriorityLevel,
        ("node.k8s.io", "RuntimeClass") => &runtime_class::RuntimeClass,
        ("policy", "PodDisruptionBudget") => &pod_disruption_budget::PodDisruptionBudget,
        ("scheduling.k8s.io", "PodGroup") => &pod_group::PodGroup,
        ("scheduling.k8s.io", "PriorityClass") => &priority_class::PriorityClass,
        ("scheduling.k8s.io", "Workload") => &workload::Workload,
        _ => generic::of(group, kind),
    }
}

/// Makes an object another one, except for some of its fields. What is equal already, as most of it is, stays where it is.
fn restore(object: &mut Value, from: &Value, except: &[&str]) {
    let (Some(object), Some(from)) = (object.as_object_mut(), from.as_object()) else {
        from.clone_into(object);
        return;
    };
    object.retain(|field, _| except.contains(&field.as_str()) || from.contains_key(field));
    for (field, value) in from.iter().filter(|(field, _)| !except.contains(&field.as_str())) {
        if object.get(field) != Some(value) {
            object.insert(field.clone(), value.clone());
        }
    }
}

/// Gives one object a field as another has it.
pub(crate) fn copy_field(to: &mut Value, from: &Value, field: &str) {
    // A comparison costs less than a copy, and most of what is restored was not changed.
    if to.get(field) == from.get(field) {
        return;
    }
    match (from.get(field), to.as_object_mut()) {
        (Some(value), Some(map)) => {
            map.insert(field.to_owned(), value.clone());
        }
        (None, Some(map)) => {
            map.remove(field);
        }
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests;
