//! Under whose name each component acts. The names are those that the default roles of RBAC are bound to.

use kubekit_server::identity::UserInfo;

/// The administrator, for those who own the cluster. No component acts as it.
pub fn administrator() -> UserInfo {
    UserInfo::admin()
}

/// The controller manager, which reads for all controllers.
pub fn controller_manager() -> UserInfo {
    UserInfo::new("system:kube-controller-manager", [""; 0])
}

/// One controller (`deployment-controller`), which may do what its role says and no more.
pub fn controller(name: &str) -> UserInfo {
    service_account("kube-system", name)
}

/// A service account.
pub fn service_account(namespace: &str, name: &str) -> UserInfo {
    UserInfo::new(
        format!("system:serviceaccount:{namespace}:{name}"),
        ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
    )
}

/// The scheduler.
pub fn scheduler() -> UserInfo {
    UserInfo::new("system:kube-scheduler", [""; 0])
}

/// The service proxy.
pub fn proxy() -> UserInfo {
    UserInfo::new("system:kube-proxy", [""; 0])
}

/// The agent of a node, which may touch only what its node runs.
pub fn node(name: &str) -> UserInfo {
    UserInfo::new(format!("system:node:{name}"), ["system:nodes"])
}
