//! Discovery: which groups, versions and kinds are served; plain, and aggregated into one document.
//!
//! Sources: API conventions; KEP-3352 (aggregated discovery).

use crate::negotiate::{self, Format};
use crate::request::{Request, Response};
use crate::response;
use crate::server::Server;
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use kubekit_core::catalog::{self, Resource, Scope};
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

/// Answers `/api`, `/apis` and what is below them down to a version; `None` for other paths.
pub(crate) fn serve(_server: &Arc<Server>, request: &Request) -> Option<Result<Response, ApiError>> {
    let parts: Vec<&str> = request.info.path.split('/').filter(|part| !part.is_empty()).collect();
    let document = match parts.as_slice() {
        ["apis", group, ..] if !has_group(group) => return None,
        ["api" | "apis", ..] if request.info.verb != "get" && request.info.verb != "head" => {
            return Some(Err(ApiError::method_not_allowed()));
        }
        ["api"] => return Some(root(request, true)),
        ["apis"] => return Some(root(request, false)),
        ["api", version] => resources("", version),
        ["apis", group] => group_of(group),
        ["apis", group, version] => resources(group, version),
        _ => return None,
    };
    Some(match document {
        Some(document) => response::value(request, StatusCode::OK, &document),
        None => Err(ApiError::no_such_path()),
    })
}

/// `/api` or `/apis`: the aggregated document where it is the first that the client accepts.
fn root(request: &Request, legacy: bool) -> Result<Response, ApiError> {
    for clause in negotiate::clauses(request.header(&ACCEPT)) {
        let aggregated = clause.parameter("g") == "apidiscovery.k8s.io"
            && clause.parameter("as") == "APIGroupDiscoveryList"
            && clause.media_type == "application/json";
        let version = match clause.parameter("v") {
            "v2" if aggregated => 0,
            "v2beta1" if aggregated => 1,
            _ if clause.parameter("g").is_empty() => break,
            _ => continue,
        };
        return Ok(AGGREGATED[usize::from(!legacy)][version].respond(request));
    }
    let document = if legacy { api_versions() } else { api_groups() };
    let mut response = response::value(request, StatusCode::OK, &document)?;
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// An aggregated document, made once.
struct Document {
    bytes: Bytes,
    etag: String,
    content_type: &'static str,
}

/// By `/api` and `/apis`, then by v2 and v2beta1.
static AGGREGATED: LazyLock<[[Document; 2]; 2]> =
    LazyLock::new(|| [true, false].map(|legacy| ["v2", "v2beta1"].map(|version| Document::new(legacy, version))));

impl Document {
    fn new(legacy: bool, version: &'static str) -> Self {
        let bytes = aggregated(legacy, version).to_string();
        let etag = sha256(bytes.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        let content_type = if version == "v2" {
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        } else {
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
        };
        Self { bytes: bytes.into(), etag: format!("\"{etag}\""), content_type }
    }

    fn respond(&self, request: &Request) -> Response {
        let known = request.header(&IF_NONE_MATCH).split(',').any(|tag| tag.trim() == self.etag);
        let mut response = if known {
            response::bytes(StatusCode::NOT_MODIFIED, self.content_type, Bytes::new())
        } else if negotiate::json(request) == (Format::Json { pretty: true }) {
            let value: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
            response::bytes(StatusCode::OK, self.content_type, (Format::Json { pretty: true }).encode(&value))
        } else {
            crate::compression::bytes(request, StatusCode::OK, self.content_type, self.bytes.clone())
        };
        let headers = response.headers_mut();
        if known {
            headers.remove(CONTENT_TYPE);
        }
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(ETAG, etag);
        }
        response
    }
}

/// Whether anything is served of a group.
pub(crate) fn has_group(group: &str) -> bool {
    catalog::builtin().iter().any(|resource| resource.group == group)
}

/// Groups in the catalog's order, each with its versions, the preferred one first.
fn groups() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    catalog::groups().iter().map(|group| (group.name, group.versions))
}

/// The paths of all discovery documents, in no order.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    let below = groups().flat_map(|(group, versions)| {
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let versions: Vec<String> = versions.iter().map(|version| format!("{root}/{version}")).collect();
        versions.into_iter().chain([root])
    });
    below.chain(["/apis".to_owned()])
}

fn api_versions() -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    })
}

fn api_groups() -> Value {
    let groups: Vec<Value> =
        groups().filter(|(group, _)| !group.is_empty()).map(|(group, versions)| group_value(group, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_value(group: &str, versions: &[&str]) -> Value {
    let one = |version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let all: Vec<Value> = versions.iter().map(|version| one(version)).collect();
    json!({"name": group, "versions": all, "preferredVersion": one(versions[0])})
}

fn group_of(name: &str) -> Option<Value> {
    let (group, versions) = groups().find(|(group, _)| *group == name && !group.is_empty())?;
    let mut value = group_value(group, versions);
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    Some(value)
}

fn of_version<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static Resource> + 'a {
    catalog::builtin().iter().filter(move |resource| resource.group == group && resource.version == version)
}

/// `APIResourceList` of a version.
fn resources(group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for resource in of_version(group, version) {
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.is_namespaced(),
            "kind": resource.kind, "verbs": resource.verbs,
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        if resource.verbs.contains(&"list") && resource.verbs.contains(&"create") {
            entry["storageVersionHash"] = json!(storage_version_hash(resource));
        }
        list.push(entry);
        for sub in resource.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, sub.name), "singularName": "",
                "namespaced": resource.is_namespaced(), "kind": sub.kind, "verbs": sub.verbs,
            });
            if (sub.group, sub.version) != (resource.group, resource.version) {
                entry["group"] = json!(sub.group);
                entry["version"] = json!(sub.version);
            }
            list.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut document = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list});
    if !group.is_empty() {
        document["apiVersion"] = json!("v1");
    }
    (!list.is_empty()).then_some(document)
}

/// Changes when the version in which objects are stored does. Source: `discovery.StorageVersionHash`.
fn storage_version_hash(resource: &Resource) -> String {
    use base64::Engine;
    let (group, version) = resource.storage;
    let digest = sha256(format!("{group}/{version}/{}", resource.kind).as_bytes());
    base64::engine::general_purpose::STANDARD.encode(&digest.as_ref()[..8])
}

fn sha256(bytes: &[u8]) -> ring::digest::Digest {
    ring::digest::digest(&ring::digest::SHA256, bytes)
}

/// `APIGroupDiscoveryList`.
fn aggregated(legacy: bool, version: &str) -> Value {
    let items: Vec<Value> = groups()
        .filter(|(group, _)| group.is_empty() == legacy)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|v| {
                    let resources: Vec<Value> = of_version(group, v).map(aggregated_resource).collect();
                    json!({"version": v, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if group.is_empty() {
                json!({"creationTimestamp": null})
            } else {
                json!({"name": group, "creationTimestamp": null})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(resource: &'static Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": kind(resource.group, resource.version, resource.kind),
        "scope": if resource.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    let optional: [(&str, Vec<Value>); 3] = [
        ("shortNames", resource.short_names.iter().map(|name| json!(name)).collect()),
        ("categories", resource.categories.iter().map(|name| json!(name)).collect()),
        (
            "subresources",
            resource
                .subresources
                .iter()
                .map(|sub| {
                    json!({"subresource": sub.name, "verbs": sub.verbs,
                        "responseKind": kind(sub.group, sub.version, sub.kind)})
                })
                .collect(),
        ),
    ];
    let map: &mut Map<String, Value> = entry.as_object_mut().expect("made above");
    for (field, values) in optional {
        if !values.is_empty() {
            map.insert(field.to_owned(), Value::Array(values));
        }
    }
    entry
}
