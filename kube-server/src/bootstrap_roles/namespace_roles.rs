//! Roles within `kube-system` and `kube-public`.

use super::{EVENTS, READ, Rule, named, rule};

/// Namespace, name, rules.
pub(super) const ROLES: &[(&str, &str, &[Rule])] = &[
    (
        "kube-system",
        "extension-apiserver-authentication-reader",
        &[named(READ, "core", "configmaps", "extension-apiserver-authentication")],
    ),
    ("kube-system", "system:controller:bootstrap-signer", &[rule(READ, "core", "secrets")]),
    ("kube-system", "system:controller:cloud-provider", &[rule("create get list update watch", "core", "configmaps")]),
    ("kube-system", "system:controller:token-cleaner", &[rule("get list watch delete", "core", "secrets"), EVENTS]),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        &[rule("watch", "core", "configmaps"), named("get update", "core", "configmaps", "kube-controller-manager")],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-scheduler",
        &[rule("watch", "core", "configmaps"), named("get update", "core", "configmaps", "kube-scheduler")],
    ),
    (
        "kube-public",
        "system:controller:bootstrap-signer",
        &[rule(READ, "core", "configmaps"), named("update", "core", "configmaps", "cluster-info"), EVENTS],
    ),
];
