//! What types and fields are for, in the words of Kubernetes' own API documentation, from k8s-openapi's types.

use k8s_openapi::schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use k8s_openapi::{api, apiextensions_apiserver, apimachinery, kube_aggregator};
use serde_json::{Map, Value};
use std::fmt;

/// Descriptions of the types that were added and all that they refer to.
pub(super) struct Descriptions {
    generator: SchemaGenerator,
}

impl fmt::Debug for Descriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptions").finish_non_exhaustive()
    }
}

impl Default for Descriptions {
    fn default() -> Self {
        Self { generator: SchemaSettings::openapi3().into_generator() }
    }
}

impl Descriptions {
    /// Adds a type by its name in OpenAPI; a name that is not known adds nothing.
    pub(super) fn add(&mut self, name: &str) {
        if let Some((_, add)) = TYPES.iter().find(|(known, _)| *known == name) {
            add(&mut self.generator);
        }
    }

    /// The schema of a type: `description`, `required`, and `properties` with descriptions.
    pub(super) fn of(&self, name: &str) -> Option<&Value> {
        self.definitions().get(name)
    }

    fn definitions(&self) -> &Map<String, Value> {
        self.generator.definitions()
    }
}

type Add = fn(&mut SchemaGenerator);

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// Every kind that the catalog serves, and what operations on all of them refer to.
const TYPES: &[(&str, Add)] = &[
    (
        "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
        add::<api::admissionregistration::v1::MutatingAdmissionPolicy>,
    ),
    (
        "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
        add::<api::admissionregistration::v1::MutatingAdmissionPolicyBinding>,
    ),
    (
        "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
        add::<api::admissionregistration::v1::MutatingWebhookConfiguration>,
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        add::<api::admissionregistration::v1::ValidatingAdmissionPolicy>,
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
        add::<api::admissionregistration::v1::ValidatingAdmissionPolicyBinding>,
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
        add::<api::admissionregistration::v1::ValidatingWebhookConfiguration>,
    ),
    ("io.k8s.api.apps.v1.ControllerRevision", add::<api::apps::v1::ControllerRevision>),
    ("io.k8s.api.apps.v1.DaemonSet", add::<api::apps::v1::DaemonSet>),
    ("io.k8s.api.apps.v1.Deployment", add::<api::apps::v1::Deployment>),
    ("io.k8s.api.apps.v1.ReplicaSet", add::<api::apps::v1::ReplicaSet>),
    ("io.k8s.api.apps.v1.StatefulSet", add::<api::apps::v1::StatefulSet>),
    ("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", add::<api::autoscaling::v1::HorizontalPodAutoscaler>),
    ("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", add::<api::autoscaling::v2::HorizontalPodAutoscaler>),
    ("io.k8s.api.batch.v1.CronJob", add::<api::batch::v1::CronJob>),
    ("io.k8s.api.batch.v1.Job", add::<api::batch::v1::Job>),
    ("io.k8s.api.certificates.v1.CertificateSigningRequest", add::<api::certificates::v1::CertificateSigningRequest>),
    ("io.k8s.api.coordination.v1.Lease", add::<api::coordination::v1::Lease>),
    ("io.k8s.api.core.v1.ComponentStatus", add::<api::core::v1::ComponentStatus>),
    ("io.k8s.api.core.v1.ConfigMap", add::<api::core::v1::ConfigMap>),
    ("io.k8s.api.core.v1.Endpoints", add::<api::core::v1::Endpoints>),
    ("io.k8s.api.core.v1.Event", add::<api::core::v1::Event>),
    ("io.k8s.api.core.v1.LimitRange", add::<api::core::v1::LimitRange>),
    ("io.k8s.api.core.v1.Namespace", add::<api::core::v1::Namespace>),
    ("io.k8s.api.core.v1.Node", add::<api::core::v1::Node>),
    ("io.k8s.api.core.v1.PersistentVolume", add::<api::core::v1::PersistentVolume>),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", add::<api::core::v1::PersistentVolumeClaim>),
    ("io.k8s.api.core.v1.Pod", add::<api::core::v1::Pod>),
    ("io.k8s.api.core.v1.PodTemplate", add::<api::core::v1::PodTemplate>),
    ("io.k8s.api.core.v1.ReplicationController", add::<api::core::v1::ReplicationController>),
    ("io.k8s.api.core.v1.ResourceQuota", add::<api::core::v1::ResourceQuota>),
    ("io.k8s.api.core.v1.Secret", add::<api::core::v1::Secret>),
    ("io.k8s.api.core.v1.Service", add::<api::core::v1::Service>),
    ("io.k8s.api.core.v1.ServiceAccount", add::<api::core::v1::ServiceAccount>),
    ("io.k8s.api.discovery.v1.EndpointSlice", add::<api::discovery::v1::EndpointSlice>),
    ("io.k8s.api.events.v1.Event", add::<api::events::v1::Event>),
    ("io.k8s.api.flowcontrol.v1.FlowSchema", add::<api::flowcontrol::v1::FlowSchema>),
    ("io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration", add::<api::flowcontrol::v1::PriorityLevelConfiguration>),
    ("io.k8s.api.networking.v1.IPAddress", add::<api::networking::v1::IPAddress>),
    ("io.k8s.api.networking.v1.Ingress", add::<api::networking::v1::Ingress>),
    ("io.k8s.api.networking.v1.IngressClass", add::<api::networking::v1::IngressClass>),
    ("io.k8s.api.networking.v1.NetworkPolicy", add::<api::networking::v1::NetworkPolicy>),
    ("io.k8s.api.networking.v1.ServiceCIDR", add::<api::networking::v1::ServiceCIDR>),
    ("io.k8s.api.node.v1.RuntimeClass", add::<api::node::v1::RuntimeClass>),
    ("io.k8s.api.policy.v1.PodDisruptionBudget", add::<api::policy::v1::PodDisruptionBudget>),
    ("io.k8s.api.rbac.v1.ClusterRole", add::<api::rbac::v1::ClusterRole>),
    ("io.k8s.api.rbac.v1.ClusterRoleBinding", add::<api::rbac::v1::ClusterRoleBinding>),
    ("io.k8s.api.rbac.v1.Role", add::<api::rbac::v1::Role>),
    ("io.k8s.api.rbac.v1.RoleBinding", add::<api::rbac::v1::RoleBinding>),
    ("io.k8s.api.resource.v1.DeviceClass", add::<api::resource::v1::DeviceClass>),
    ("io.k8s.api.resource.v1.ResourceClaim", add::<api::resource::v1::ResourceClaim>),
    ("io.k8s.api.resource.v1.ResourceClaimTemplate", add::<api::resource::v1::ResourceClaimTemplate>),
    ("io.k8s.api.resource.v1.ResourceSlice", add::<api::resource::v1::ResourceSlice>),
    ("io.k8s.api.scheduling.v1.PriorityClass", add::<api::scheduling::v1::PriorityClass>),
    ("io.k8s.api.scheduling.v1alpha2.PodGroup", add::<api::scheduling::v1alpha2::PodGroup>),
    ("io.k8s.api.scheduling.v1alpha2.Workload", add::<api::scheduling::v1alpha2::Workload>),
    ("io.k8s.api.storage.v1.CSIDriver", add::<api::storage::v1::CSIDriver>),
    ("io.k8s.api.storage.v1.CSINode", add::<api::storage::v1::CSINode>),
    ("io.k8s.api.storage.v1.CSIStorageCapacity", add::<api::storage::v1::CSIStorageCapacity>),
    ("io.k8s.api.storage.v1.StorageClass", add::<api::storage::v1::StorageClass>),
    ("io.k8s.api.storage.v1.VolumeAttachment", add::<api::storage::v1::VolumeAttachment>),
    ("io.k8s.api.storage.v1.VolumeAttributesClass", add::<api::storage::v1::VolumeAttributesClass>),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        add::<apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>,
    ),
    (
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        add::<kube_aggregator::pkg::apis::apiregistration::v1::APIService>,
    ),
    ("io.k8s.api.authentication.v1.SelfSubjectReview", add::<api::authentication::v1::SelfSubjectReview>),
    ("io.k8s.api.authentication.v1.TokenRequest", add::<api::authentication::v1::TokenRequest>),
    ("io.k8s.api.authentication.v1.TokenReview", add::<api::authentication::v1::TokenReview>),
    ("io.k8s.api.authorization.v1.LocalSubjectAccessReview", add::<api::authorization::v1::LocalSubjectAccessReview>),
    ("io.k8s.api.authorization.v1.SelfSubjectAccessReview", add::<api::authorization::v1::SelfSubjectAccessReview>),
    ("io.k8s.api.authorization.v1.SelfSubjectRulesReview", add::<api::authorization::v1::SelfSubjectRulesReview>),
    ("io.k8s.api.authorization.v1.SubjectAccessReview", add::<api::authorization::v1::SubjectAccessReview>),
    ("io.k8s.api.autoscaling.v1.Scale", add::<api::autoscaling::v1::Scale>),
    ("io.k8s.api.core.v1.Binding", add::<api::core::v1::Binding>),
    ("io.k8s.api.policy.v1.Eviction", add::<api::policy::v1::Eviction>),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", add::<apimachinery::pkg::apis::meta::v1::DeleteOptions>),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Status", add::<apimachinery::pkg::apis::meta::v1::Status>),
];
