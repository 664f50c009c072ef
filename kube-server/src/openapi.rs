//! OpenAPI: what the server serves, for clients that explain, validate and patch by it.
//!
//! One document per group and version (`/openapi/v3/apis/apps/v1`), made when it is first asked for and kept. The index at
//! `/openapi/v3` names each with a hash, under which a client may keep it for good. Structure comes from kubekit-core's
//! schema table, descriptions from k8s-openapi's types.
//!
//! Source: KEP-2896.

mod descriptions;
mod gnostic;
mod operations;
mod schemas;
mod swagger;
#[cfg(test)]
mod tests;

use crate::endpoints::version::GIT_VERSION;
use crate::request::{Request, Response};
use crate::response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, HeaderValue, IF_NONE_MATCH, LOCATION, VARY};
use kubekit_core::catalog::{self, Resource};
use kubekit_core::schema;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{LazyLock, OnceLock};

/// Counts changes of what this module makes of the tables, so that clients forget what they keep.
const FORMAT: u32 = 1;

/// A group and version: `api/v1`, `apis/apps/v1`.
struct Document {
    group: &'static str,
    version: &'static str,
    hash: String,
    bytes: OnceLock<Bytes>,
}

static DOCUMENTS: LazyLock<BTreeMap<String, Document>> = LazyLock::new(|| {
    let tables = fingerprint_of_tables();
    let mut documents = BTreeMap::new();
    for resource in catalog::builtin() {
        documents.entry(document_name(resource.group, resource.version)).or_insert_with_key(|name: &String| Document {
            group: resource.group,
            version: resource.version,
            hash: hex(&[&tables, name.as_bytes()]),
            bytes: OnceLock::new(),
        });
    }
    documents
});

/// Answers `/openapi/…`; `None` where nothing is there.
pub(crate) fn serve(request: &Request, path: &str) -> Option<Result<Response, ApiError>> {
    match path.strip_prefix("/openapi/")? {
        "v3" => Some(json_only(request).map(|()| index(request))),
        "v2" => Some(swagger_answer(request)),
        name => {
            let document = DOCUMENTS.get(name.strip_prefix("v3/")?)?;
            Some(json_only(request).map(|()| document.answer(request)))
        }
    }
}

/// The document of OpenAPI v2, in JSON or, where that is asked for, in protobuf.
fn swagger_answer(request: &Request) -> Result<Response, ApiError> {
    static SWAGGER: LazyLock<(String, Value)> = LazyLock::new(|| {
        let hash = hex(&[&fingerprint_of_tables(), b"v2"]);
        (hash, swagger::document())
    });
    static JSON: LazyLock<Bytes> = LazyLock::new(|| SWAGGER.1.to_string().into());
    static PROTOBUF: LazyLock<Bytes> = LazyLock::new(|| gnostic::encode(&SWAGGER.1).into());
    if accepts(request, &[gnostic::MEDIA_TYPE, gnostic::CONTENT_TYPE]) {
        let mut answer = with_etag(request, &SWAGGER.0, PROTOBUF.clone());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(gnostic::CONTENT_TYPE));
        return Ok(answer);
    }
    json_only(request).map(|()| with_etag(request, &SWAGGER.0, JSON.clone()))
}

/// Refuses those who read nothing but protobuf.
fn json_only(request: &Request) -> Result<(), ApiError> {
    if request.header(&ACCEPT).is_empty() || accepts(request, &["*/*", "application/*", "application/json"]) {
        return Ok(());
    }
    Err(ApiError::not_acceptable(&["application/json"]))
}

fn accepts(request: &Request, media_types: &[&str]) -> bool {
    let ranges = request.header(&ACCEPT).split(',');
    ranges.map(|range| range.split(';').next().unwrap_or_default().trim()).any(|range| media_types.contains(&range))
}

fn index(request: &Request) -> Response {
    let paths: Map<String, Value> = DOCUMENTS
        .iter()
        .map(|(name, document)| {
            let url = format!("/openapi/v3/{name}?hash={}", document.hash);
            (name.clone(), json!({ "serverRelativeURL": url }))
        })
        .collect();
    let bytes = Bytes::from(json!({ "paths": paths }).to_string());
    with_etag(request, &hex(&[&bytes]), bytes)
}

impl Document {
    fn answer(&self, request: &Request) -> Response {
        let Some(asked) = request.query.non_empty("hash") else {
            return with_etag(request, &self.hash, self.bytes());
        };
        if asked != self.hash {
            // A client with an old index is sent to what there is now.
            let mut answer = response::bytes(StatusCode::MOVED_PERMANENTLY, "text/plain; charset=utf-8", "");
            let url = format!("{}?hash={}", request.info.path, self.hash);
            if let Ok(location) = HeaderValue::from_str(&url) {
                answer.headers_mut().insert(LOCATION, location);
            }
            return answer;
        }
        let mut answer = with_etag(request, &self.hash, self.bytes());
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable, max-age=31536000"));
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        headers.remove(EXPIRES);
        answer
    }

    fn bytes(&self) -> Bytes {
        self.bytes.get_or_init(|| document(self.group, self.version).to_string().into()).clone()
    }
}

fn with_etag(request: &Request, hash: &str, bytes: Bytes) -> Response {
    let etag = format!("\"{hash}\"");
    let mut answer = if request.header(&IF_NONE_MATCH) == etag {
        response::bytes(StatusCode::NOT_MODIFIED, "application/json", Bytes::new())
    } else {
        response::bytes(StatusCode::OK, "application/json", bytes)
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    answer
}

fn document_name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn resources(group: &str, version: &str) -> impl Iterator<Item = &'static Resource> {
    catalog::builtin().iter().filter(move |resource| resource.group == group && resource.version == version)
}

/// The document of one group and version.
fn document(group: &'static str, version: &'static str) -> Value {
    let mut schemas = schemas::Schemas::new(schemas::Dialect::V3);
    let mut paths = Map::new();
    for resource in resources(group, version) {
        schemas.add_resource(resource);
        operations::add(&mut paths, resource);
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": GIT_VERSION },
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": { "BearerToken": {
                "type": "apiKey",
                "description": "Bearer Token authentication",
                "name": "authorization",
                "in": "header",
            } },
        },
    })
}

/// Tells apart builds whose documents differ, without making the documents.
fn fingerprint_of_tables() -> Vec<u8> {
    let mut text = format!("{} {FORMAT}", env!("CARGO_PKG_VERSION"));
    for of in schema::types() {
        let _ = write!(text, "\n{} {}", of.name, of.atomic);
        for field in of.fields {
            let _ = write!(text, " {} {} {:?} {}", field.name, field.required, field.patch.merge, field.merge_key);
        }
    }
    for resource in catalog::builtin() {
        let _ = write!(text, "\n{} {} {:?}", resource.schema, resource.plural, resource.verbs);
        for subresource in resource.subresources {
            let _ = write!(text, " {}", subresource.name);
        }
    }
    ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

fn hex(parts: &[&[u8]]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA512);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().iter().fold(String::with_capacity(128), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
