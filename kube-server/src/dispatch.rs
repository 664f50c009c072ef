//! From a request's subject to the code that serves it.

use crate::body::Body;
use crate::codec::{self, Expected};
use crate::options::{self, ListOptions, WriteOptions};
use crate::registry::encode;
use crate::registry::kind::Kind;
use crate::registry::patch::Patch;
use crate::registry::update::{Changed, Ownership};
use crate::registry::view::{self, Include, Viewer};
use crate::registry::write::{Part, Subject};
use crate::registry::{delete, list, scale};
use crate::request::{Request, Response};
use crate::request_info::RequestInfo;
use crate::server::Server;
use crate::{discovery, endpoints, negotiate, render, response, reviews, streaming, token_request};
use http::StatusCode;
use kubekit_core::deletion::Options as DeleteOptions;
use kubekit_core::status::ApiError;
use kubekit_store::ReadAt;
use serde_json::{Value, json};
use std::sync::Arc;

/// Serves a request whose body has been read.
pub(crate) async fn serve(server: &Arc<Server>, request: &Request) -> Result<Response, ApiError> {
    if !request.info.is_resource {
        return paths(server, request).await;
    }
    let info = &request.info;
    let Some(kind) = request.kind else { return unknown(info) };
    let namespace = namespace(kind, info)?;
    warn_of_deprecation(request, kind);
    if !info.subresource.is_empty() {
        return subresource(server, request, kind, &namespace).await;
    }
    if !kind.served.has_verb(&info.verb) {
        return Err(ApiError::method_not_allowed());
    }
    if kind.served.verbs == ["create"] {
        return virtual_kind(server, request, kind, &namespace).await;
    }
    let part = Part::Main;
    match info.verb.as_str() {
        "get" => get(server, request, kind, &namespace).await,
        "list" => server.registry.list(request, kind, &namespace).await,
        "create" => create(server, request, kind, &namespace).await,
        "update" => update(server, Subject { request, kind, namespace: &namespace, name: &info.name, part }).await,
        "patch" => patch(server, Subject { request, kind, namespace: &namespace, name: &info.name, part }).await,
        "delete" => remove(server, Subject { request, kind, namespace: &namespace, name: &info.name, part }).await,
        "deletecollection" => {
            remove_all(server, Subject { request, kind, namespace: &namespace, name: "", part }).await
        }
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// Serves a request that may last: a watch, a stream, work on the whole store.
pub(crate) async fn stream(server: &Arc<Server>, request: &mut Request, body: Body) -> Result<Response, ApiError> {
    if !request.info.is_resource {
        return paths(server, request).await;
    }
    let info = &request.info;
    let Some(kind) = request.kind else { return unknown(info) };
    let namespace = namespace(kind, info)?;
    if info.verb == "watch" && info.subresource.is_empty() {
        if !kind.served.has_verb("watch") {
            return Err(ApiError::method_not_allowed());
        }
        warn_of_deprecation(request, kind);
        return server.registry.watch(request, kind, &namespace).await;
    }
    let known = kind.served.subresource(&info.subresource).ok_or_else(ApiError::no_such_path)?;
    if !known.verbs.contains(&info.verb.as_str()) {
        return Err(ApiError::method_not_allowed());
    }
    streaming::connect(server, request, body).await
}

/// Tells who uses a kind that is to go. Source: the life cycles in `k8s.io/api`, KEP-4974.
fn warn_of_deprecation(request: &Request, kind: Kind) {
    if kind.is("", "endpoints") {
        request.warn("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
    } else if kind.is("", "componentstatuses") {
        request.warn("v1 ComponentStatus is deprecated in v1.19+");
    }
}

async fn paths(server: &Arc<Server>, request: &Request) -> Result<Response, ApiError> {
    if let Some(answer) = discovery::serve(server, request) {
        return answer;
    }
    match endpoints::serve(server, request).await {
        Some(answer) => answer,
        None => Ok(response::page_not_found()),
    }
}

/// The answer about a kind that is not served. As with kube-apiserver, paths of an unknown group are no paths of the API.
fn unknown(info: &RequestInfo) -> Result<Response, ApiError> {
    if discovery::has_group(&info.group) { Err(ApiError::no_such_path()) } else { Ok(response::page_not_found()) }
}

/// The namespace of the object that a path names: none for kinds that live in none.
fn namespace(kind: Kind, info: &RequestInfo) -> Result<String, ApiError> {
    let is_namespace = info.group.is_empty() && info.resource == "namespaces";
    let namespace = if is_namespace { String::new() } else { info.namespace.clone() };
    if !kind.served.is_namespaced() && !namespace.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let spans = matches!(info.verb.as_str(), "list" | "watch");
    if kind.served.is_namespaced() && namespace.is_empty() && !spans {
        return Err(if info.name.is_empty() { ApiError::method_not_allowed() } else { ApiError::no_such_path() });
    }
    Ok(namespace)
}

/// Kinds that are asked and not stored.
async fn virtual_kind(
    server: &Arc<Server>,
    request: &Request,
    kind: Kind,
    namespace: &str,
) -> Result<Response, ApiError> {
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let object = codec::object(request, Expected::of(kind.served), options.validation)?;
    if kind.is("", "bindings") {
        server.registry.bind(request, kind, namespace, object, &options).await?;
        return created(request);
    }
    let answer = reviews::create(server, request, kind.served, object).await?;
    response::value(request, StatusCode::CREATED, &answer)
}

fn created(request: &Request) -> Result<Response, ApiError> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    response::value(request, StatusCode::CREATED, &status)
}

async fn get(server: &Arc<Server>, request: &Request, kind: Kind, namespace: &str) -> Result<Response, ApiError> {
    let registry = &server.registry;
    let name = &request.info.name;
    let at = match options::version(request, "GetOptions")? {
        None | Some(0) => ReadAt::Latest,
        Some(version) => ReadAt::NotOlderThan(version),
    };
    let entry = registry.store.get(&kind.key(namespace, name), at).await;
    match entry.map_err(crate::registry::failure::of_store)? {
        Some(entry) => render::entry(request, kind, StatusCode::OK, &entry, registry.clock.now()),
        None => Err(ApiError::not_found(kind.served.group, kind.served.plural, name)),
    }
}

async fn create(server: &Arc<Server>, request: &Request, kind: Kind, namespace: &str) -> Result<Response, ApiError> {
    let registry = &server.registry;
    if !request.info.name.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let object = codec::object(request, Expected::of(kind.served), options.validation)?;
    let subject = Subject { request, kind, namespace, name: "", part: Part::Main };
    let entry = registry.create(subject, object, &options).await?;
    render::entry(request, kind, StatusCode::CREATED, &entry, registry.clock.now())
}

async fn update(server: &Arc<Server>, subject: Subject<'_>) -> Result<Response, ApiError> {
    let registry = &server.registry;
    let Subject { request, kind, .. } = subject;
    let options = WriteOptions::parse(request, "UpdateOptions", false)?;
    let mut object = codec::object(request, Expected::of(kind.served), options.validation)?;
    subject.check_names(&mut object)?;
    // A change that names a version is tried once, so that it need not be kept for another try.
    let named =
        object["metadata"].get("resourceVersion").and_then(Value::as_str).is_some_and(|v| !matches!(v, "" | "0"));
    let creates = subject.part == Part::Main && kind.storage.rules.allows_create_on_update() && !named;
    if creates && registry.entry(&subject.key()).await?.is_none() {
        may_create(server, request)?;
        let entry = registry.create(subject, object, &options).await?;
        return render::entry(request, kind, StatusCode::CREATED, &entry, registry.clock.now());
    }
    let ownership =
        if object["metadata"].get("managedFields").is_none() { Ownership::Apart } else { Ownership::Within };
    let mut object = Some(object);
    let entry = registry
        .modify(subject, &options, ownership, |_| match if named { object.take() } else { object.clone() } {
            Some(object) => Ok(Changed { object, tracked: false }),
            None => Err(subject.stale()),
        })
        .await?;
    render::entry(request, kind, StatusCode::OK, &entry, registry.clock.now())
}

/// Whether the user may create what an update or apply did not find.
fn may_create(server: &Server, request: &Request) -> Result<(), ApiError> {
    let mut info = request.info.clone();
    "create".clone_into(&mut info.verb);
    server.authorize(&request.user, &info)
}

async fn patch(server: &Arc<Server>, subject: Subject<'_>) -> Result<Response, ApiError> {
    let Subject { request, kind, .. } = subject;
    let patch = Patch::read(request, Expected::of(kind.served))?;
    let options = WriteOptions::parse(request, "PatchOptions", Patch::is_apply(request))?;
    let (entry, created) = server.registry.patch(subject, patch, &options, || may_create(server, request)).await?;
    let code = if created { StatusCode::CREATED } else { StatusCode::OK };
    render::entry(request, kind, code, &entry, server.registry.clock.now())
}

fn delete_options(value: &Value) -> Result<DeleteOptions, ApiError> {
    DeleteOptions::parse(value).map_err(|errors| ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &errors))
}

async fn remove(server: &Arc<Server>, subject: Subject<'_>) -> Result<Response, ApiError> {
    let Subject { request, kind, name, .. } = subject;
    let asked = options::delete_options(request, codec::delete_options(request)?)?;
    let deleted = server.registry.delete(subject, &delete_options(&asked)?).await?;
    if !deleted.gone || delete::returns_object(kind) {
        // Kubernetes keeps the better code for who asks in the old way, so that others are not surprised by it.
        let waits = !deleted.gone && asked["orphanDependents"] == false;
        let code = if waits { StatusCode::ACCEPTED } else { StatusCode::OK };
        return render::entry(request, kind, code, &deleted.entry, server.registry.clock.now());
    }
    let object = encode::decode(&deleted.entry);
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let status = render::success(kind.served.group, kind.served.plural, name, uid);
    response::value(request, StatusCode::OK, &status)
}

async fn remove_all(server: &Arc<Server>, subject: Subject<'_>) -> Result<Response, ApiError> {
    let Subject { request, kind, .. } = subject;
    let selected = ListOptions::parse(request, false)?;
    let options = delete_options(&options::delete_options(request, codec::delete_options(request)?)?)?;
    let deleted = server.registry.delete_collection(subject, &selected, &options).await?;
    let revision = server.store().revision().await.map_err(crate::registry::failure::of_store)?;
    let view = negotiate::accept(request)?.view;
    let include = Include::parse(request, view)?;
    let viewer = Viewer { kind, view, include, now: server.registry.clock.now() };
    let metadata = json!({"resourceVersion": revision.to_string()});
    response::value(request, StatusCode::OK, &list::whole(viewer, &metadata, deleted))
}

async fn subresource(
    server: &Arc<Server>,
    request: &Request,
    kind: Kind,
    namespace: &str,
) -> Result<Response, ApiError> {
    let info = &request.info;
    let Some(known) = kind.served.subresource(&info.subresource) else {
        return Err(ApiError::no_such_path());
    };
    if !known.verbs.contains(&info.verb.as_str()) {
        return Err(ApiError::method_not_allowed());
    }
    let part = if known.name == "scale" { Some(Part::Scale) } else { Part::named(known.name) };
    let Some(part) = part else {
        return action(server, request, kind, namespace).await;
    };
    let subject = Subject { request, kind, namespace, name: &info.name, part };
    match (info.verb.as_str(), part) {
        ("get", Part::Scale) => scale_answer(server, request, server.registry.scale(subject).await?),
        ("update", Part::Scale) => {
            let options = WriteOptions::parse(request, "UpdateOptions", false)?;
            let object = codec::object(request, scale::expected(), options.validation)?;
            let scale = server.registry.update_scale(subject, object, &options).await?;
            scale_answer(server, request, scale)
        }
        ("patch", Part::Scale) => {
            let patch = Patch::read(request, scale::expected())?;
            let options = WriteOptions::parse(request, "PatchOptions", Patch::is_apply(request))?;
            let scale = server.registry.patch_scale(subject, patch, &options).await?;
            scale_answer(server, request, scale)
        }
        ("get", _) => get(server, request, kind, namespace).await,
        ("update", _) => update(server, subject).await,
        ("patch", _) => patch(server, subject).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// A Scale in the form that its reader wants.
fn scale_answer(server: &Server, request: &Request, scale: Value) -> Result<Response, ApiError> {
    let view = negotiate::accept(request)?.view;
    let include = Include::parse(request, view)?;
    let expected = scale::expected();
    let answer = view::unstored(scale, expected.group, expected.kind, view, include, server.registry.clock.now());
    response::value(request, StatusCode::OK, &answer)
}

/// Subresources that are created and do something: bindings, evictions, tokens.
async fn action(server: &Arc<Server>, request: &Request, kind: Kind, namespace: &str) -> Result<Response, ApiError> {
    let info = &request.info;
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let known = kind.served.subresource(&info.subresource).ok_or_else(ApiError::no_such_path)?;
    let mut expected = Expected::named(known.group, known.version, known.kind).ok_or_else(ApiError::no_such_path)?;
    // Evictions are those of policy/v1beta1, whose budgets are gone.
    expected.older = (known.name == "eviction").then_some("policy/v1beta1");
    let object = codec::object(request, expected, options.validation)?;
    match info.subresource.as_str() {
        "binding" => {
            server.registry.bind(request, kind, namespace, object, &options).await?;
            created(request)
        }
        "eviction" => {
            server.registry.evict(request, namespace, &info.name, object, options.dry_run).await?;
            created(request)
        }
        "token" => {
            let token = token_request::create(server, request, namespace, &info.name, object).await?;
            response::value(request, StatusCode::CREATED, &token)
        }
        _ => Err(ApiError::no_such_path()),
    }
}
