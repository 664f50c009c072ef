//! Who has the roles.

use super::GROUP;
use serde_json::{Value, json};

/// Whom a binding binds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// A user.
    User(&'a str),
    /// A group.
    Group(&'a str),
    /// A service account in `kube-system`.
    ServiceAccount(&'a str),
}

impl Subject<'_> {
    pub(super) fn to_json(self) -> Value {
        match self {
            Self::User(name) => json!({ "apiGroup": GROUP, "kind": "User", "name": name }),
            Self::Group(name) => json!({ "apiGroup": GROUP, "kind": "Group", "name": name }),
            Self::ServiceAccount(name) => json!({ "kind": "ServiceAccount", "name": name, "namespace": "kube-system" }),
        }
    }
}

use Subject::{Group, ServiceAccount, User};

/// ClusterRoleBindings: each is named like its ClusterRole.
pub(super) const CLUSTER: &[(&str, &[Subject<'static>])] = &[
    ("cluster-admin", &[Group("system:masters")]),
    ("system:monitoring", &[Group("system:monitoring")]),
    ("system:discovery", &[Group("system:authenticated")]),
    ("system:basic-user", &[Group("system:authenticated")]),
    ("system:public-info-viewer", &[Group("system:authenticated"), Group("system:unauthenticated")]),
    ("system:node-proxier", &[User("system:kube-proxy")]),
    ("system:kube-controller-manager", &[User("system:kube-controller-manager")]),
    ("system:kube-dns", &[ServiceAccount("kube-dns")]),
    ("system:kube-scheduler", &[User("system:kube-scheduler")]),
    ("system:volume-scheduler", &[User("system:kube-scheduler")]),
    // The node authorizer lets nodes do their work; the binding stays empty, so that it can be filled where that is off.
    ("system:node", &[]),
    ("system:service-account-issuer-discovery", &[Group("system:serviceaccounts")]),
];

/// RoleBindings: namespace, name, Role, subjects.
pub(super) const NAMESPACED: &[(&str, &str, &str, &[Subject<'static>])] = &[
    (
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        &[User("system:kube-controller-manager"), User("system:kube-scheduler")],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        &[User("system:kube-controller-manager"), ServiceAccount("kube-controller-manager")],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        &[User("system:kube-scheduler"), ServiceAccount("kube-scheduler")],
    ),
    (
        "kube-system",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &[ServiceAccount("bootstrap-signer")],
    ),
    (
        "kube-system",
        "system:controller:cloud-provider",
        "system:controller:cloud-provider",
        &[ServiceAccount("cloud-provider")],
    ),
    (
        "kube-system",
        "system:controller:token-cleaner",
        "system:controller:token-cleaner",
        &[ServiceAccount("token-cleaner")],
    ),
    (
        "kube-public",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &[ServiceAccount("bootstrap-signer")],
    ),
];
