//! `serviceaccounts/token`: tokens for service accounts, for a time and an audience, bound to an object that must exist.
//!
//! Source: `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/apis/authentication/validation`.

use crate::admission::{self, AdmissionRequest, Operation};
use crate::keys;
use crate::request::Request;
use crate::server::{Server, ServiceAccounts};
use crate::tokens::{Audience, BoundTo, Claims, Kubernetes};
use kubekit_core::environment::Random;
use kubekit_core::field::{Error, ErrorList, Path};
use kubekit_core::status::ApiError;
use kubekit_store::ReadAt;
use serde_json::{Value, json};
use std::sync::Arc;

const SECONDS_DEFAULT: i64 = 3600;
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;

/// Issues a token for a ServiceAccount.
///
/// # Errors
/// 404 where the account or the object to bind to is missing, 422 where the time is out of bounds, 409 where the object has
/// another uid, 403 where admission refuses.
pub(crate) async fn create(
    server: &Arc<Server>,
    request: &Request,
    namespace: &str,
    name: &str,
    mut object: Value,
) -> Result<Value, ApiError> {
    let Some(ServiceAccounts { issuer, .. }) = &server.service_accounts else {
        return Err(ApiError::no_such_path());
    };
    check_names(&object["metadata"], namespace, name)?;
    let account = get(server, "serviceaccounts", namespace, name).await?;
    fill_in(&mut object, issuer.audiences());
    let errors = validate(&object["spec"]);
    if !errors.is_empty() {
        return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &errors));
    }
    admit(server, request, namespace, name, &mut object).await?;
    let mut kubernetes = Kubernetes {
        namespace: namespace.to_owned(),
        serviceaccount: BoundTo { name: name.to_owned(), uid: uid(&account) },
        ..Kubernetes::default()
    };
    bind(server, request, &object["spec"]["boundObjectRef"], name, &mut kubernetes).await?;
    let now = server.registry.clock.now().as_second();
    let seconds = object["spec"]["expirationSeconds"].as_i64().unwrap_or(SECONDS_DEFAULT);
    let audiences = object["spec"]["audiences"].as_array().into_iter().flatten();
    let claims = Claims {
        aud: Audience::Many(audiences.filter_map(|a| a.as_str().map(str::to_owned)).collect()),
        exp: now.saturating_add(seconds),
        iat: now,
        iss: issuer.url().to_owned(),
        jti: token_id(&*server.registry.random),
        sub: kubernetes.user_name(),
        nbf: now,
        kubernetes,
    };
    let time = |second| jiff::Timestamp::from_second(second).map_err(ApiError::internal);
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["creationTimestamp"] = json!(time(now)?.to_string());
    object["status"] = json!({ "token": issuer.sign(&claims), "expirationTimestamp": time(claims.exp)?.to_string() });
    Ok(object)
}

/// The request may name the account that it is for, and no other.
fn check_names(metadata: &Value, namespace: &str, name: &str) -> Result<(), ApiError> {
    let given = |field: &str| metadata[field].as_str().filter(|text| !text.is_empty());
    if let Some(other) = given("name").filter(|given| *given != name) {
        let path = Path::new("metadata").child("name");
        let error = Error::invalid(&path, &json!(other), "must match the service account name if specified");
        return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", name, &[error]));
    }
    if given("namespace").is_some_and(|given| given != namespace) {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

fn fill_in(object: &mut Value, audiences: &[String]) {
    let spec = &mut object["spec"];
    if spec["audiences"].as_array().is_none_or(Vec::is_empty) {
        spec["audiences"] = json!(audiences);
    }
    if spec["expirationSeconds"].is_null() {
        spec["expirationSeconds"] = json!(SECONDS_DEFAULT);
    }
    if spec["boundObjectRef"].is_null() {
        // As Kubernetes answers: the field is there, and null.
        spec["boundObjectRef"] = Value::Null;
    }
}

fn validate(spec: &Value) -> ErrorList {
    let path = Path::new("spec").child("expirationSeconds");
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(SECONDS_DEFAULT);
    let mut errors = ErrorList::new();
    if seconds < SECONDS_MIN {
        errors.push(Error::invalid(&path, &json!(seconds), "may not specify a duration less than 10 minutes"));
    }
    if seconds > SECONDS_MAX {
        errors.push(Error::invalid(&path, &json!(seconds), "may not specify a duration larger than 2^32 seconds"));
    }
    errors
}

async fn admit(
    server: &Server,
    request: &Request,
    namespace: &str,
    name: &str,
    object: &mut Value,
) -> Result<(), ApiError> {
    let Some(resource) = kubekit_core::catalog::find("", "v1", "serviceaccounts") else { return Ok(()) };
    let mut admission = AdmissionRequest {
        user: &request.user,
        operation: Operation::Create,
        resource,
        subresource: "token",
        namespace,
        name,
        object: Some(object),
        old: None,
        dry_run: request.query.get("dryRun").is_some(),
    };
    admission::admit(&server.registry, &mut admission).await
}

/// Binds the token to the object that the request names.
async fn bind(
    server: &Server,
    request: &Request,
    reference: &Value,
    account: &str,
    kubernetes: &mut Kubernetes,
) -> Result<(), ApiError> {
    if reference.is_null() {
        return Ok(());
    }
    let text = |field: &str| reference[field].as_str().unwrap_or_default().to_owned();
    let (version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
    let namespace = kubernetes.namespace.clone();
    let bound_to = |found: &Value| BoundTo { name: name.clone(), uid: uid(found) };
    let found = match (version.as_str(), kind.as_str()) {
        ("v1", "Pod") => {
            let pod = get(server, "pods", &namespace, &name).await?;
            if pod["spec"]["serviceAccountName"] != account {
                return Err(ApiError::bad_request(format!(
                    "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                )));
            }
            let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
            require_own_pod(request, account, node)?;
            if !node.is_empty() {
                let found = get(server, "nodes", "", node).await.map(|node| uid(&node)).unwrap_or_default();
                kubernetes.node = Some(BoundTo { name: node.to_owned(), uid: found });
            }
            kubernetes.pod = Some(bound_to(&pod));
            pod
        }
        ("v1", "Secret") => {
            let secret = get(server, "secrets", &namespace, &name).await?;
            kubernetes.secret = Some(bound_to(&secret));
            secret
        }
        ("v1", "Node") => {
            let node = get(server, "nodes", "", &name).await?;
            kubernetes.node = Some(bound_to(&node));
            node
        }
        _ => {
            let (group, version) = version.split_once('/').unwrap_or(("", &version));
            return Err(ApiError::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}"
            )));
        }
    };
    let wanted = text("uid");
    if !wanted.is_empty() && wanted != uid(&found) {
        return Err(ApiError::conflict(
            "",
            &kind,
            &name,
            &format!(
                "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have \
                 been deleted and then recreated"
            ),
        ));
    }
    Ok(())
}

/// A node agent gets tokens for the pods that are bound to its node only.
fn require_own_pod(request: &Request, account: &str, node: &str) -> Result<(), ApiError> {
    match request.user.name.strip_prefix("system:node:") {
        Some(own) if own != node && request.user.groups.iter().any(|group| group == "system:nodes") => {
            let detail = "node requested token bound to a pod scheduled on a different node";
            Err(ApiError::forbidden("", "serviceaccounts", account, detail))
        }
        _ => Ok(()),
    }
}

async fn get(server: &Server, resource: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let key = keys::object_key("", resource, namespace, name);
    let entry = server.store().get(&key, ReadAt::Latest).await.map_err(ApiError::internal)?;
    let entry = entry.ok_or_else(|| ApiError::not_found("", resource, name))?;
    serde_json::from_slice(&entry.value.bytes).map_err(ApiError::internal)
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// A random id, by which an audit finds the token again; not a secret.
fn token_id(random: &dyn Random) -> String {
    let bytes = (u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
