//! The rows of the catalog: the facts of every built-in kind.
//!
//! Source: the paths of Kubernetes' OpenAPI document; short names and categories from its registries' storage types.

use super::Scope::{Cluster, Namespaced};
use super::{Resource, Scope, Subresource};
use crate::schema;

const STANDARD: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// A collection of namespaces cannot be deleted.
const NAMESPACE: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const READ: &[&str] = &["get", "list"];
const GET: &[&str] = &["get"];
const CREATE: &[&str] = &["create"];
const UPDATE: &[&str] = &["update"];
const CHANGE: &[&str] = &["get", "patch", "update"];
const STREAM: &[&str] = &["create", "get"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

/// One kind in one version, as it is written down here.
#[derive(Debug)]
pub(super) struct Row {
    api: (&'static str, &'static str),
    kind: &'static str,
    plural: &'static str,
    scope: Scope,
    singular: &'static str,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    verbs: &'static [&'static str],
    subresources: &'static [Subresource],
    storage: (&'static str, &'static str),
}

impl Row {
    const fn new(api: (&'static str, &'static str), kind: &'static str, plural: &'static str, scope: Scope) -> Self {
        Self {
            api,
            kind,
            plural,
            scope,
            singular: "",
            short_names: &[],
            categories: &[],
            verbs: STANDARD,
            subresources: &[],
            storage: api,
        }
    }

    const fn singular(mut self, singular: &'static str) -> Self {
        self.singular = singular;
        self
    }

    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    const fn verbs(mut self, verbs: &'static [&'static str]) -> Self {
        self.verbs = verbs;
        self
    }

    const fn subresources(mut self, subresources: &'static [Subresource]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn stored_as(mut self, group: &'static str, version: &'static str) -> Self {
        self.storage = (group, version);
        self
    }

    /// The entry of the catalog.
    pub(super) fn resource(&self) -> Resource {
        let (group, version) = self.api;
        let schema = schema::of_kind(group, version, self.kind).expect("every kind of the catalog has a type");
        Resource {
            group,
            version,
            kind: self.kind,
            plural: self.plural,
            // One small string per kind and process: the price of not writing each name twice.
            singular: match self.singular {
                "" => self.kind.to_lowercase().leak(),
                given => given,
            },
            short_names: self.short_names,
            categories: self.categories,
            scope: self.scope,
            verbs: self.verbs,
            subresources: self.subresources,
            schema: schema.name,
            of: schema,
            storage: self.storage,
            rules: crate::rules::of(group, self.kind),
            columns: crate::columns::of(group, self.kind),
        }
    }
}

const fn sub(
    name: &'static str,
    (group, version): (&'static str, &'static str),
    kind: &'static str,
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource { name, group, version, kind, verbs }
}

pub(super) static ROWS: &[Row] = &[
    Row::new(("", "v1"), "Binding", "bindings", Namespaced).verbs(CREATE),
    Row::new(("", "v1"), "ComponentStatus", "componentstatuses", Cluster).short(&["cs"]).verbs(READ),
    Row::new(("", "v1"), "ConfigMap", "configmaps", Namespaced).short(&["cm"]),
    Row::new(("", "v1"), "Endpoints", "endpoints", Namespaced).singular("endpoints").short(&["ep"]),
    Row::new(("", "v1"), "Event", "events", Namespaced).short(&["ev"]),
    Row::new(("", "v1"), "LimitRange", "limitranges", Namespaced).short(&["limits"]),
    Row::new(("", "v1"), "Namespace", "namespaces", Cluster).short(&["ns"]).verbs(NAMESPACE).subresources(&[
        sub("finalize", ("", "v1"), "Namespace", UPDATE),
        sub("status", ("", "v1"), "Namespace", CHANGE),
    ]),
    Row::new(("", "v1"), "Node", "nodes", Cluster).short(&["no"]).subresources(&[
        sub("proxy", ("", "v1"), "NodeProxyOptions", PROXY),
        sub("status", ("", "v1"), "Node", CHANGE),
    ]),
    Row::new(("", "v1"), "PersistentVolumeClaim", "persistentvolumeclaims", Namespaced)
        .short(&["pvc"])
        .subresources(&[sub("status", ("", "v1"), "PersistentVolumeClaim", CHANGE)]),
    Row::new(("", "v1"), "PersistentVolume", "persistentvolumes", Cluster).short(&["pv"]).subresources(&[sub(
        "status",
        ("", "v1"),
        "PersistentVolume",
        CHANGE,
    )]),
    Row::new(("", "v1"), "Pod", "pods", Namespaced).short(&["po"]).categories(&["all"]).subresources(&[
        sub("attach", ("", "v1"), "PodAttachOptions", STREAM),
        sub("binding", ("", "v1"), "Binding", CREATE),
        sub("ephemeralcontainers", ("", "v1"), "Pod", CHANGE),
        sub("eviction", ("policy", "v1"), "Eviction", CREATE),
        sub("exec", ("", "v1"), "PodExecOptions", STREAM),
        sub("log", ("", "v1"), "Pod", GET),
        sub("portforward", ("", "v1"), "PodPortForwardOptions", STREAM),
        sub("proxy", ("", "v1"), "PodProxyOptions", PROXY),
        sub("resize", ("", "v1"), "Pod", CHANGE),
        sub("status", ("", "v1"), "Pod", CHANGE),
    ]),
    Row::new(("", "v1"), "PodTemplate", "podtemplates", Namespaced),
    Row::new(("", "v1"), "ReplicationController", "replicationcontrollers", Namespaced)
        .short(&["rc"])
        .categories(&["all"])
        .subresources(&[
            sub("scale", ("autoscaling", "v1"), "Scale", CHANGE),
            sub("status", ("", "v1"), "ReplicationController", CHANGE),
        ]),
    Row::new(("", "v1"), "ResourceQuota", "resourcequotas", Namespaced).short(&["quota"]).subresources(&[sub(
        "status",
        ("", "v1"),
        "ResourceQuota",
        CHANGE,
    )]),
    Row::new(("", "v1"), "Secret", "secrets", Namespaced),
    Row::new(("", "v1"), "ServiceAccount", "serviceaccounts", Namespaced).short(&["sa"]).subresources(&[sub(
        "token",
        ("authentication.k8s.io", "v1"),
        "TokenRequest",
        CREATE,
    )]),
    Row::new(("", "v1"), "Service", "services", Namespaced).short(&["svc"]).categories(&["all"]).subresources(&[
        sub("proxy", ("", "v1"), "ServiceProxyOptions", PROXY),
        sub("status", ("", "v1"), "Service", CHANGE),
    ]),
    Row::new(("apiregistration.k8s.io", "v1"), "APIService", "apiservices", Cluster)
        .categories(&["api-extensions"])
        .subresources(&[sub("status", ("apiregistration.k8s.io", "v1"), "APIService", CHANGE)]),
    Row::new(("apps", "v1"), "ControllerRevision", "controllerrevisions", Namespaced),
    Row::new(("apps", "v1"), "DaemonSet", "daemonsets", Namespaced)
        .short(&["ds"])
        .categories(&["all"])
        .subresources(&[sub("status", ("apps", "v1"), "DaemonSet", CHANGE)]),
    Row::new(("apps", "v1"), "Deployment", "deployments", Namespaced)
        .short(&["deploy"])
        .categories(&["all"])
        .subresources(&[
            sub("scale", ("autoscaling", "v1"), "Scale", CHANGE),
            sub("status", ("apps", "v1"), "Deployment", CHANGE),
        ]),
    Row::new(("apps", "v1"), "ReplicaSet", "replicasets", Namespaced).short(&["rs"]).categories(&["all"]).subresources(
        &[sub("scale", ("autoscaling", "v1"), "Scale", CHANGE), sub("status", ("apps", "v1"), "ReplicaSet", CHANGE)],
    ),
    Row::new(("apps", "v1"), "StatefulSet", "statefulsets", Namespaced)
        .short(&["sts"])
        .categories(&["all"])
        .subresources(&[
            sub("scale", ("autoscaling", "v1"), "Scale", CHANGE),
            sub("status", ("apps", "v1"), "StatefulSet", CHANGE),
        ]),
    Row::new(("events.k8s.io", "v1"), "Event", "events", Namespaced).short(&["ev"]).stored_as("", "v1"),
    Row::new(("authentication.k8s.io", "v1"), "SelfSubjectReview", "selfsubjectreviews", Cluster).verbs(CREATE),
    Row::new(("authentication.k8s.io", "v1"), "TokenReview", "tokenreviews", Cluster).verbs(CREATE),
    Row::new(("authorization.k8s.io", "v1"), "LocalSubjectAccessReview", "localsubjectaccessreviews", Namespaced)
        .verbs(CREATE),
    Row::new(("authorization.k8s.io", "v1"), "SelfSubjectAccessReview", "selfsubjectaccessreviews", Cluster)
        .verbs(CREATE),
    Row::new(("authorization.k8s.io", "v1"), "SelfSubjectRulesReview", "selfsubjectrulesreviews", Cluster)
        .verbs(CREATE),
    Row::new(("authorization.k8s.io", "v1"), "SubjectAccessReview", "subjectaccessreviews", Cluster).verbs(CREATE),
    Row::new(("autoscaling", "v2"), "HorizontalPodAutoscaler", "horizontalpodautoscalers", Namespaced)
        .short(&["hpa"])
        .categories(&["all"])
        .subresources(&[sub("status", ("autoscaling", "v2"), "HorizontalPodAutoscaler", CHANGE)]),
    Row::new(("autoscaling", "v1"), "HorizontalPodAutoscaler", "horizontalpodautoscalers", Namespaced)
        .short(&["hpa"])
        .categories(&["all"])
        .stored_as("autoscaling", "v2")
        .subresources(&[sub("status", ("autoscaling", "v1"), "HorizontalPodAutoscaler", CHANGE)]),
    Row::new(("batch", "v1"), "CronJob", "cronjobs", Namespaced)
        .short(&["cj"])
        .categories(&["all"])
        .subresources(&[sub("status", ("batch", "v1"), "CronJob", CHANGE)]),
    Row::new(("batch", "v1"), "Job", "jobs", Namespaced).categories(&["all"]).subresources(&[sub(
        "status",
        ("batch", "v1"),
        "Job",
        CHANGE,
    )]),
    Row::new(("certificates.k8s.io", "v1"), "CertificateSigningRequest", "certificatesigningrequests", Cluster)
        .short(&["csr"])
        .subresources(&[
            sub("approval", ("certificates.k8s.io", "v1"), "CertificateSigningRequest", CHANGE),
            sub("status", ("certificates.k8s.io", "v1"), "CertificateSigningRequest", CHANGE),
        ]),
    Row::new(("networking.k8s.io", "v1"), "IngressClass", "ingressclasses", Cluster),
    Row::new(("networking.k8s.io", "v1"), "Ingress", "ingresses", Namespaced).short(&["ing"]).subresources(&[sub(
        "status",
        ("networking.k8s.io", "v1"),
        "Ingress",
        CHANGE,
    )]),
    Row::new(("networking.k8s.io", "v1"), "IPAddress", "ipaddresses", Cluster).short(&["ip"]),
    Row::new(("networking.k8s.io", "v1"), "NetworkPolicy", "networkpolicies", Namespaced).short(&["netpol"]),
    Row::new(("networking.k8s.io", "v1"), "ServiceCIDR", "servicecidrs", Cluster).subresources(&[sub(
        "status",
        ("networking.k8s.io", "v1"),
        "ServiceCIDR",
        CHANGE,
    )]),
    Row::new(("policy", "v1"), "PodDisruptionBudget", "poddisruptionbudgets", Namespaced)
        .short(&["pdb"])
        .subresources(&[sub("status", ("policy", "v1"), "PodDisruptionBudget", CHANGE)]),
    Row::new(("rbac.authorization.k8s.io", "v1"), "ClusterRoleBinding", "clusterrolebindings", Cluster),
    Row::new(("rbac.authorization.k8s.io", "v1"), "ClusterRole", "clusterroles", Cluster),
    Row::new(("rbac.authorization.k8s.io", "v1"), "RoleBinding", "rolebindings", Namespaced),
    Row::new(("rbac.authorization.k8s.io", "v1"), "Role", "roles", Namespaced),
    Row::new(("storage.k8s.io", "v1"), "CSIDriver", "csidrivers", Cluster),
    Row::new(("storage.k8s.io", "v1"), "CSINode", "csinodes", Cluster),
    Row::new(("storage.k8s.io", "v1"), "CSIStorageCapacity", "csistoragecapacities", Namespaced),
    Row::new(("storage.k8s.io", "v1"), "StorageClass", "storageclasses", Cluster).short(&["sc"]),
    Row::new(("storage.k8s.io", "v1"), "VolumeAttachment", "volumeattachments", Cluster).subresources(&[sub(
        "status",
        ("storage.k8s.io", "v1"),
        "VolumeAttachment",
        CHANGE,
    )]),
    Row::new(("storage.k8s.io", "v1"), "VolumeAttributesClass", "volumeattributesclasses", Cluster).short(&["vac"]),
    Row::new(("admissionregistration.k8s.io", "v1"), "MutatingAdmissionPolicy", "mutatingadmissionpolicies", Cluster)
        .categories(&["api-extensions"]),
    Row::new(
        ("admissionregistration.k8s.io", "v1"),
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        Cluster,
    )
    .categories(&["api-extensions"]),
    Row::new(
        ("admissionregistration.k8s.io", "v1"),
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        Cluster,
    )
    .categories(&["api-extensions"]),
    Row::new(
        ("admissionregistration.k8s.io", "v1"),
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        Cluster,
    )
    .categories(&["api-extensions"])
    .subresources(&[sub("status", ("admissionregistration.k8s.io", "v1"), "ValidatingAdmissionPolicy", CHANGE)]),
    Row::new(
        ("admissionregistration.k8s.io", "v1"),
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        Cluster,
    )
    .categories(&["api-extensions"]),
    Row::new(
        ("admissionregistration.k8s.io", "v1"),
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        Cluster,
    )
    .categories(&["api-extensions"]),
    Row::new(("apiextensions.k8s.io", "v1"), "CustomResourceDefinition", "customresourcedefinitions", Cluster)
        .short(&["crd", "crds"])
        .categories(&["api-extensions"])
        .subresources(&[sub("status", ("apiextensions.k8s.io", "v1"), "CustomResourceDefinition", CHANGE)]),
    Row::new(("scheduling.k8s.io", "v1"), "PriorityClass", "priorityclasses", Cluster).short(&["pc"]),
    Row::new(("scheduling.k8s.io", "v1alpha2"), "PodGroup", "podgroups", Namespaced).subresources(&[sub(
        "status",
        ("scheduling.k8s.io", "v1alpha2"),
        "PodGroup",
        CHANGE,
    )]),
    Row::new(("scheduling.k8s.io", "v1alpha2"), "Workload", "workloads", Namespaced),
    Row::new(("coordination.k8s.io", "v1"), "Lease", "leases", Namespaced),
    Row::new(("node.k8s.io", "v1"), "RuntimeClass", "runtimeclasses", Cluster),
    Row::new(("discovery.k8s.io", "v1"), "EndpointSlice", "endpointslices", Namespaced),
    Row::new(("resource.k8s.io", "v1"), "DeviceClass", "deviceclasses", Cluster),
    Row::new(("resource.k8s.io", "v1"), "ResourceClaim", "resourceclaims", Namespaced).subresources(&[sub(
        "status",
        ("resource.k8s.io", "v1"),
        "ResourceClaim",
        CHANGE,
    )]),
    Row::new(("resource.k8s.io", "v1"), "ResourceClaimTemplate", "resourceclaimtemplates", Namespaced),
    Row::new(("resource.k8s.io", "v1"), "ResourceSlice", "resourceslices", Cluster),
    Row::new(("flowcontrol.apiserver.k8s.io", "v1"), "FlowSchema", "flowschemas", Cluster).subresources(&[sub(
        "status",
        ("flowcontrol.apiserver.k8s.io", "v1"),
        "FlowSchema",
        CHANGE,
    )]),
    Row::new(
        ("flowcontrol.apiserver.k8s.io", "v1"),
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        Cluster,
    )
    .subresources(&[sub("status", ("flowcontrol.apiserver.k8s.io", "v1"), "PriorityLevelConfiguration", CHANGE)]),
];
