//! What a request asks for, read from its method and path before anything else looks at it.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`.

/// The subject of a request, carried in its extensions for authorization, fairness, audit and dispatch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the path names a resource (`/api/v1/pods`), not something else (`/healthz`).
    pub is_resource: bool,
    /// The path as sent, without query.
    pub path: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other paths the method in
    /// lower case.
    pub verb: String,
    /// API group; empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Empty for cluster-scoped requests and lists over all namespaces. Requests about a namespace itself carry its name.
    pub namespace: String,
    /// Plural.
    pub resource: String,
    /// Empty for the resource itself.
    pub subresource: String,
    /// Empty for collections.
    pub name: String,
}
