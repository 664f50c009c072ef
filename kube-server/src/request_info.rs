//! What a request asks for, read from its method and path before anything else looks at it.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`.

use crate::query;

#[cfg(test)]
mod tests;

/// The subject of a request, carried in its extensions for authorization, fairness, audit and dispatch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the path names a resource (`/api/v1/pods`), not something else (`/healthz`).
    pub is_resource: bool,
    /// The path as sent, percent-decoded, without query.
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
    /// Empty for collections, but for a list or watch whose field selector asks for exactly one `metadata.name`: then
    /// that name, so that rules with `resourceNames` apply to it.
    pub name: String,
    /// The field selector of a list, watch or deletecollection, as sent.
    pub field_selector: String,
    /// What follows the subresource in the path, without the slash before it: the target path of `proxy`.
    pub tail: String,
}

impl RequestInfo {
    /// What a request with this method, path (as sent, percent-encoded) and query string asks for.
    ///
    /// A path of which nothing can be made is a request about that path, not about a resource.
    pub fn parse(method: &http::Method, path: &str, query: &str) -> Self {
        let path = query::decode_path(path).into_owned();
        let other = Self { verb: method.as_str().to_ascii_lowercase(), path, ..Self::default() };
        let trimmed = other.path.trim_matches('/');
        let parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
        let (group, version, parts) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return other,
        };
        let (verb, parts) = match parts {
            // The legacy forms `/api/v1/watch/pods` and `/api/v1/proxy/nodes/a`.
            ["watch" | "proxy"] => return other,
            [special @ ("watch" | "proxy"), rest @ ..] => (*special, rest),
            _ => (method_verb(method), parts),
        };
        let (namespace, parts) = split_namespace(parts);
        let at = |i: usize| parts.get(i).copied().unwrap_or_default().to_owned();
        let has_subresource = verb != "proxy";
        let mut info = Self {
            is_resource: true,
            verb: verb.to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            resource: at(0),
            name: at(1),
            subresource: if has_subresource { at(2) } else { String::new() },
            field_selector: String::new(),
            tail: parts.get(if has_subresource { 3 } else { 2 }..).unwrap_or_default().join("/"),
            path: other.path.clone(),
        };
        if info.name.is_empty() {
            info.refine_collection_verb(query);
        }
        info
    }

    /// A request about a resource, for asking an authorizer about something that no path names.
    pub fn resource(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            is_resource: true,
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn refine_collection_verb(&mut self, query: &str) {
        match self.verb.as_str() {
            "get" => {
                let watch = query::first(query, "watch").is_some_and(|value| query::is_true(&value));
                self.verb = if watch { "watch" } else { "list" }.to_owned();
                self.field_selector = query::first(query, "fieldSelector").unwrap_or_default().into_owned();
                if let Some(name) = self.selected("metadata.name").filter(|name| is_path_segment(name)) {
                    self.name = name.to_owned();
                }
            }
            "delete" => {
                self.verb = "deletecollection".to_owned();
                self.field_selector = query::first(query, "fieldSelector").unwrap_or_default().into_owned();
            }
            _ => {}
        }
    }

    /// The value that the field selector asks of a field by equality.
    pub fn selected(&self, field: &str) -> Option<&str> {
        self.field_selector.split(',').find_map(|term| {
            let (name, value) = term.split_once('=')?;
            (name == field).then(|| value.strip_prefix('=').unwrap_or(value))
        })
    }
}

fn method_verb(method: &http::Method) -> &'static str {
    match method.as_str() {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

/// The namespace, and the parts from the resource on. `namespaces/a` and its own subresources are requests about the
/// namespace, which are made in it.
fn split_namespace<'p, 's>(parts: &'p [&'s str]) -> (&'s str, &'p [&'s str]) {
    match parts {
        ["namespaces", namespace, "status" | "finalize", ..] => (namespace, parts),
        ["namespaces", namespace, _, ..] => (namespace, &parts[2..]),
        ["namespaces", namespace] => (namespace, parts),
        _ => ("", parts),
    }
}

/// Whether a text can be a name in a path.
fn is_path_segment(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '%'])
}
