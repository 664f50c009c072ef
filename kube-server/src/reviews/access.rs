//! May somebody do something?

use crate::authorization::Decision;
use crate::identity::UserInfo;
use crate::request_info::RequestInfo;
use crate::server::Server;
use kubekit_core::catalog::Resource;
use kubekit_core::field::{Error, ErrorList, Path};
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};

pub(super) fn of_self(server: &Server, user: &UserInfo, object: &Value) -> Result<Value, ApiError> {
    let spec = &object["spec"];
    let mut errors = validate_attributes(spec);
    errors.extend(validate_metadata(object, None, "must be empty"));
    if !errors.is_empty() {
        return Err(ApiError::invalid("authorization.k8s.io", "SelfSubjectAccessReview", "", &errors));
    }
    Ok(status(&server.decide(user, &attributes(spec))))
}

pub(super) fn of_subject(server: &Server, resource: &Resource, object: &Value) -> Result<Value, ApiError> {
    let spec = &object["spec"];
    let mut errors = validate_subject(spec);
    errors.extend(validate_metadata(object, None, "must be empty"));
    if !errors.is_empty() {
        return Err(ApiError::invalid(resource.group, resource.kind, "", &errors));
    }
    Ok(status(&server.decide(&subject(spec), &attributes(spec))))
}

fn validate_subject(spec: &Value) -> ErrorList {
    let mut errors = validate_attributes(spec);
    let is_empty = |field: &str| spec[field].as_str().unwrap_or_default().is_empty();
    if is_empty("user") && spec["groups"].as_array().is_none_or(Vec::is_empty) {
        let path = Path::new("spec").child("user");
        errors.push(Error::invalid(
            &path,
            &spec["user"].as_str().unwrap_or_default().into(),
            "at least one of user or group must be specified",
        ));
    }
    errors
}

pub(super) fn of_local_subject(
    server: &Server,
    resource: &Resource,
    namespace: &str,
    object: &Value,
) -> Result<Value, ApiError> {
    let spec = &object["spec"];
    let path = Path::new("spec");
    let mut errors = validate_subject(spec);
    errors.extend(validate_metadata(object, Some("namespace"), "must be empty except for namespace"));
    let asked = spec["resourceAttributes"]["namespace"].as_str().unwrap_or_default();
    if spec["resourceAttributes"].is_object() && asked != namespace {
        let path = path.child("resourceAttributes").child("namespace");
        errors.push(Error::invalid(&path, &asked.into(), "must match metadata.namespace"));
    }
    if !spec["nonResourceAttributes"].is_null() {
        let path = path.child("nonResourceAttributes");
        errors.push(Error::invalid(&path, &spec["nonResourceAttributes"], "disallowed on this kind of request"));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(resource.group, resource.kind, "", &errors));
    }
    Ok(status(&server.decide(&subject(spec), &attributes(spec))))
}

/// A review is not stored: who gives it a name, labels or the like is mistaken. Empty fields are as absent.
fn validate_metadata(object: &Value, except: Option<&str>, detail: &str) -> Option<Error> {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(given) => !given,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    let metadata = &object["metadata"];
    let mut given = metadata.as_object().into_iter().flatten().filter(|(_, value)| !is_empty(value));
    given
        .any(|(field, _)| field != "managedFields" && Some(field.as_str()) != except)
        .then(|| Error::invalid(&Path::new("metadata"), metadata, detail))
}

fn validate_attributes(spec: &Value) -> ErrorList {
    let given = |field: &str| !spec[field].is_null();
    match (given("resourceAttributes"), given("nonResourceAttributes")) {
        (true, true) => vec![Error::invalid(
            &Path::new("spec").child("nonResourceAttributes"),
            &spec["nonResourceAttributes"],
            "cannot be specified in combination with resourceAttributes",
        )],
        (false, false) => vec![Error::invalid(
            &Path::new("spec").child("resourceAttributes"),
            &Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )],
        _ => ErrorList::new(),
    }
}

/// The request that a review asks about.
fn attributes(spec: &Value) -> RequestInfo {
    let resource = &spec["resourceAttributes"];
    if resource.is_null() {
        let text = |field: &str| spec["nonResourceAttributes"][field].as_str().unwrap_or_default().to_owned();
        return RequestInfo { verb: text("verb"), path: text("path"), ..RequestInfo::default() };
    }
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    RequestInfo {
        version: text("version").to_owned(),
        subresource: text("subresource").to_owned(),
        field_selector: field_selector(&resource["fieldSelector"]),
        ..RequestInfo::resource(text("verb"), text("group"), text("resource"), text("namespace"), text("name"))
    }
}

/// The selector as text; requirements that no text of equalities can say are left out, which asks for more.
fn field_selector(selector: &Value) -> String {
    if let Some(raw) = selector["rawSelector"].as_str() {
        return raw.to_owned();
    }
    let requirements = selector["requirements"].as_array().into_iter().flatten();
    let terms = requirements.filter_map(|requirement| {
        let values = requirement["values"].as_array()?;
        match (requirement["operator"].as_str()?, values.as_slice()) {
            ("In", [one]) => Some(format!("{}={}", requirement["key"].as_str()?, one.as_str()?)),
            _ => None,
        }
    });
    terms.collect::<Vec<_>>().join(",")
}

/// The user that a review asks about. Groups are taken as given: the asker says all of them.
fn subject(spec: &Value) -> UserInfo {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    UserInfo {
        name: spec["user"].as_str().unwrap_or_default().to_owned(),
        uid: spec["uid"].as_str().unwrap_or_default().to_owned(),
        groups: list(&spec["groups"]),
        extra: spec["extra"].as_object().unwrap_or(&Map::new()).iter().map(|(k, v)| (k.clone(), list(v))).collect(),
    }
}

fn status(decision: &Decision) -> Value {
    let (allowed, denied, reason) = match decision {
        Decision::Allow(reason) => (true, false, reason),
        Decision::NoOpinion(reason) => (false, false, reason),
        Decision::Deny(reason) => (false, true, reason),
    };
    let mut status = json!({ "allowed": allowed });
    if denied {
        status["denied"] = json!(true);
    }
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    status
}
