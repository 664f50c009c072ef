//! The ClusterRoles of people and components.

use super::Aggregates::{No, To};
use super::{Aggregates, EVENTS, READ, Rule, WRITE, named, paths, rule};

/// Name, what aggregates it, rules.
pub(super) const ROLES: &[(&str, Aggregates, &[Rule])] = &[
    ("cluster-admin", No, &[rule("*", "*", "*"), paths("*", "*")]),
    (
        "system:aggregate-to-admin",
        To("admin"),
        &[
            rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
            rule(
                "create delete deletecollection get list patch update watch",
                "rbac.authorization.k8s.io",
                "roles rolebindings",
            ),
        ],
    ),
    (
        "system:aggregate-to-edit",
        To("edit"),
        &[
            rule(READ, "core", "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"),
            rule("impersonate", "core", "serviceaccounts"),
            rule(WRITE, "core", "pods pods/attach pods/proxy pods/exec pods/portforward"),
            rule("create", "core", "pods/eviction"),
            rule(
                WRITE,
                "core",
                "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy persistentvolumeclaims configmaps secrets events",
            ),
            rule("create", "core", "serviceaccounts/token"),
            rule(
                WRITE,
                "apps",
                "statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback replicasets replicasets/scale",
            ),
            rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
            rule(WRITE, "batch", "jobs cronjobs"),
            rule(
                WRITE,
                "extensions",
                "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets replicasets/scale replicationcontrollers/scale networkpolicies",
            ),
            rule(WRITE, "policy", "poddisruptionbudgets"),
            rule(WRITE, "networking.k8s.io", "networkpolicies ingresses"),
            rule("create delete deletecollection get list patch update watch", "coordination.k8s.io", "leases"),
            rule(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
        ],
    ),
    (
        "system:aggregate-to-view",
        To("view"),
        &[
            rule(
                READ,
                "core",
                "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
            ),
            rule(
                READ,
                "core",
                "limitranges resourcequotas bindings events pods/status resourcequotas/status namespaces/status replicationcontrollers/status pods/log",
            ),
            rule(READ, "core", "namespaces"),
            rule(READ, "discovery.k8s.io", "endpointslices"),
            rule(
                READ,
                "apps",
                "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale",
            ),
            rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
            rule(READ, "batch", "jobs cronjobs cronjobs/status jobs/status"),
            rule(
                READ,
                "extensions",
                "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies",
            ),
            rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
            rule(READ, "networking.k8s.io", "networkpolicies ingresses ingresses/status"),
            rule(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
        ],
    ),
    (
        "system:auth-delegator",
        No,
        &[
            rule("create", "authentication.k8s.io", "tokenreviews"),
            rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        ],
    ),
    (
        "system:basic-user",
        No,
        &[
            rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
            rule("create", "authentication.k8s.io", "selfsubjectreviews"),
        ],
    ),
    (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        No,
        &[rule("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient")],
    ),
    (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        No,
        &[rule("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient")],
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        No,
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client")],
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        No,
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet")],
    ),
    (
        "system:certificates.k8s.io:kubelet-serving-approver",
        No,
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/kubelet-serving")],
    ),
    (
        "system:certificates.k8s.io:legacy-unknown-approver",
        No,
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/legacy-unknown")],
    ),
    ("system:cluster-trust-bundle-discovery", No, &[rule(READ, "certificates.k8s.io", "clustertrustbundles")]),
    (
        "system:discovery",
        No,
        &[paths("get", "/livez /readyz /healthz /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*")],
    ),
    (
        "system:heapster",
        No,
        &[rule(READ, "core", "events pods nodes namespaces"), rule(READ, "extensions", "deployments")],
    ),
    ("system:kube-aggregator", No, &[rule(READ, "core", "services endpoints")]),
    (
        "system:kube-controller-manager",
        No,
        &[
            EVENTS,
            rule("create", "coordination.k8s.io", "leases"),
            named("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
            rule("create", "core", "secrets serviceaccounts"),
            rule("delete", "core", "secrets"),
            rule("get", "core", "namespaces secrets serviceaccounts configmaps"),
            rule("update", "core", "secrets serviceaccounts"),
            rule("create", "authentication.k8s.io", "tokenreviews"),
            rule("create", "authorization.k8s.io", "subjectaccessreviews"),
            rule("list watch", "*", "*"),
            rule("create", "core", "serviceaccounts/token"),
        ],
    ),
    (
        "system:kube-dns",
        No,
        &[rule("list watch", "core", "endpoints services"), rule(READ, "discovery.k8s.io", "endpointslices")],
    ),
    (
        "system:kube-scheduler",
        No,
        &[
            EVENTS,
            rule("create", "coordination.k8s.io", "leases"),
            named("get list watch update", "coordination.k8s.io", "leases", "kube-scheduler"),
            rule("create", "coordination.k8s.io", "leasecandidates"),
            rule("delete deletecollection get list patch update watch", "coordination.k8s.io", "leasecandidates"),
            rule(READ, "core", "nodes"),
            rule("delete get list watch", "core", "pods"),
            rule("create", "core", "pods/binding bindings"),
            rule("patch update", "core", "pods/status"),
            rule(READ, "core", "replicationcontrollers services"),
            rule(READ, "apps extensions", "replicasets"),
            rule(READ, "apps", "statefulsets"),
            rule(READ, "policy", "poddisruptionbudgets"),
            rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
            rule("create", "authentication.k8s.io", "tokenreviews"),
            rule("create", "authorization.k8s.io", "subjectaccessreviews"),
            rule(READ, "storage.k8s.io", "csinodes csidrivers csistoragecapacities volumeattachments"),
            rule(READ, "core", "namespaces"),
            rule(READ, "resource.k8s.io", "deviceclasses resourceslices devicetaintrules"),
            rule("get list watch patch update", "resource.k8s.io", "resourceclaims"),
            rule("patch update", "resource.k8s.io", "resourceclaims/status resourceclaims/binding"),
            rule(READ, "scheduling.k8s.io", "podgroups workloads"),
            rule("patch update", "scheduling.k8s.io", "podgroups/status"),
        ],
    ),
    (
        "system:kubelet-api-admin",
        No,
        &[
            rule(READ, "core", "nodes"),
            rule("proxy", "core", "nodes"),
            rule("*", "core", "nodes/proxy nodes/metrics nodes/log nodes/stats nodes/configz nodes/healthz nodes/pods"),
        ],
    ),
    (
        "system:monitoring",
        No,
        &[paths("get", "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*")],
    ),
    (
        "system:node",
        No,
        &[
            rule("create", "authentication.k8s.io", "tokenreviews"),
            rule("create", "authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews"),
            rule(READ, "core", "services"),
            rule("create get list watch", "core", "nodes"),
            rule("patch update", "core", "nodes/status"),
            rule("patch update", "core", "nodes"),
            EVENTS,
            rule(READ, "core", "pods"),
            rule("create delete", "core", "pods"),
            rule("patch update", "core", "pods/status"),
            rule("create", "core", "pods/eviction"),
            rule(READ, "core", "configmaps secrets"),
            rule("get", "core", "persistentvolumeclaims persistentvolumes"),
            rule("get", "core", "endpoints"),
            rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
            rule("create delete get patch update", "coordination.k8s.io", "leases"),
            rule("get", "storage.k8s.io", "volumeattachments"),
            rule("create", "core", "serviceaccounts/token"),
            rule("get patch update", "core", "persistentvolumeclaims/status"),
            rule(READ, "storage.k8s.io", "csidrivers"),
            rule("create delete get patch update", "storage.k8s.io", "csinodes"),
            rule(READ, "node.k8s.io", "runtimeclasses"),
            rule("get", "resource.k8s.io", "resourceclaims"),
            rule("create delete deletecollection get list patch update watch", "resource.k8s.io", "resourceslices"),
            rule(READ, "certificates.k8s.io", "clustertrustbundles"),
            rule("create get list watch", "certificates.k8s.io", "podcertificaterequests"),
        ],
    ),
    (
        "system:node-bootstrapper",
        No,
        &[rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests")],
    ),
    (
        "system:node-problem-detector",
        No,
        &[rule("get", "core", "nodes"), rule("patch", "core", "nodes/status"), EVENTS],
    ),
    (
        "system:node-proxier",
        No,
        &[
            rule("list watch", "core", "services endpoints"),
            rule(READ, "core", "nodes"),
            EVENTS,
            rule("list watch", "discovery.k8s.io", "endpointslices"),
            rule("list watch", "networking.k8s.io", "servicecidrs"),
        ],
    ),
    (
        "system:persistent-volume-provisioner",
        No,
        &[
            rule("create delete get list watch", "core", "persistentvolumes"),
            rule("get list update watch", "core", "persistentvolumeclaims"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule("watch", "core", "events"),
            EVENTS,
        ],
    ),
    ("system:public-info-viewer", No, &[paths("get", "/livez /readyz /healthz /version /version/")]),
    (
        "system:service-account-issuer-discovery",
        No,
        &[paths("get", "/.well-known/openid-configuration /openid/v1/jwks")],
    ),
    (
        "system:volume-scheduler",
        No,
        &[
            rule("get list patch update watch", "core", "persistentvolumes"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule("get list patch update watch", "core", "persistentvolumeclaims"),
        ],
    ),
];

/// The rules that the aggregating role `name` ends up with: its own part, and for `edit` those of `view`, for `admin` both,
/// in the order of the names of the roles that they come from.
pub(super) fn aggregated(name: &str) -> Vec<Rule> {
    let parts: &[&str] = match name {
        "admin" => &["edit", "view", "admin"],
        "edit" => &["edit", "view"],
        _ => &["view"],
    };
    let rules_to = |part: &'static str| ROLES.iter().filter(move |(_, to, _)| *to == To(part)).flat_map(|(_, _, r)| *r);
    parts.iter().flat_map(|part| rules_to(part)).copied().collect()
}
