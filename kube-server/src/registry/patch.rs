//! Patch: JSON patch, merge patch, strategic merge patch, apply.

use super::Registry;
use super::update::{Changed, Ownership};
use super::write::Subject;
use crate::codec::{self, Expected};
use crate::options::{FieldValidation, WriteOptions};
use crate::request::Request;
use kubekit_core::decode::{self, Limits};
use kubekit_core::field::{Error as FieldError, Path};
use kubekit_core::status::{ApiError, Reason};
use kubekit_core::{apply, patch};
use kubekit_store::Entry;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A patch whose body has been read.
#[derive(Debug)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// With merge keys and directives.
    Strategic(Value),
    /// A configuration to apply.
    Apply(Value),
}

impl Patch {
    /// Whether a request is an apply.
    pub(crate) fn is_apply(request: &Request) -> bool {
        codec::media_type(request) == "application/apply-patch+yaml"
    }

    /// Reads the patch in the request's body.
    ///
    /// # Errors
    /// 415 for other media types; 400 where the body is no patch.
    pub(crate) fn read(request: &Request, expected: Expected) -> Result<Self, ApiError> {
        let limits = Limits::default();
        let fail = |error: decode::Error| error.to_api_error(expected.kind, expected.version);
        let json = || decode::raw_json(&request.body, limits).map_err(fail);
        match codec::media_type(request) {
            "application/json-patch+json" => Ok(Self::Json(json()?)),
            "application/merge-patch+json" => Ok(Self::Merge(json()?)),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic(json()?)),
            "application/apply-patch+yaml" => Ok(Self::Apply(decode::raw_yaml(&request.body, limits).map_err(fail)?)),
            _ => Err(ApiError::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ])),
        }
    }

    /// The object after a patch that is not an apply, checked against its type.
    ///
    /// # Errors
    /// Where the patch does not apply, or makes what is no such object.
    pub(crate) fn onto(
        &self,
        request: &Request,
        old: &Value,
        expected: Expected,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let mut patched = match self {
            Self::Json(operations) => patch::json(old, operations)?,
            Self::Merge(change) => {
                must_be_object(change)?;
                let mut patched = old.clone();
                patch::merge(&mut patched, change.clone());
                patched
            }
            Self::Strategic(change) => {
                must_be_object(change)?;
                patch::strategic(old.clone(), change.clone(), expected.schema)?
            }
            Self::Apply(_) => return Err(ApiError::internal("an apply is no patch of an object")),
        };
        for field in ["apiVersion", "kind"] {
            if patched.get(field) != old.get(field) {
                return Err(ApiError::bad_request(format!(
                    "{field} does not match the object that is patched: {}",
                    patched.get(field).unwrap_or(&Value::Null)
                )));
            }
        }
        let rest = self.untouched(&mut patched);
        let decoded = decode::value(patched, expected.schema).map_err(|error| self.refused(&error.to_string()))?;
        if options.validation == FieldValidation::Strict && !decoded.problems.is_empty() {
            return Err(self.refused(&format!("strict decoding error: {}", decoded.problems.join(", "))));
        }
        let mut object = codec::settle(request, decoded, expected, options.validation)?;
        if let Some(object) = object.as_object_mut() {
            object.extend(rest);
        }
        Ok(object)
    }

    /// Whether the patch may read or write managedFields: not where it merges and says nothing of them.
    fn ownership(&self) -> Ownership {
        let (Self::Merge(Value::Object(change)) | Self::Strategic(Value::Object(change))) = self else {
            return Ownership::Within;
        };
        let silent = |fields: &Map<String, Value>| {
            !fields.keys().any(|field| field.starts_with('$') || field == "managedFields")
        };
        let metadata = match change.get("metadata") {
            None => true,
            Some(Value::Object(metadata)) => silent(metadata),
            Some(_) => false,
        };
        if metadata && silent(change) { Ownership::Apart } else { Ownership::Within }
    }

    /// Takes those fields out of a patched object of which the patch says nothing: they are as they are stored, and what is
    /// stored has been checked.
    fn untouched(&self, patched: &mut Value) -> Map<String, Value> {
        let (Self::Merge(Value::Object(change)) | Self::Strategic(Value::Object(change)), Value::Object(object)) =
            (self, patched)
        else {
            return Map::new();
        };
        // Directives of a strategic merge patch are about the whole object.
        if change.keys().any(|field| field.starts_with('$')) {
            return Map::new();
        }
        let (touched, rest) = std::mem::take(object).into_iter().partition(|(field, _)| change.contains_key(field));
        *object = touched;
        rest
    }

    /// 422: what the patch makes is no such object.
    fn refused(&self, what: &str) -> ApiError {
        let patch = match self {
            Self::Strategic(change) => go_text(change),
            Self::Json(change) | Self::Merge(change) | Self::Apply(change) => change.to_string(),
        };
        ApiError::invalid("", "", "", &[FieldError::invalid(&Path::new("patch"), &Value::String(patch), what)])
    }
}

/// A value as Go prints it: `map[spec:map[replicas:x]]`.
fn go_text(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::Object(map) => {
            format!("map[{}]", joined(map.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect()))
        }
        Value::Array(list) => format!("[{}]", joined(list.iter().map(go_text).collect())),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

fn must_be_object(patch: &Value) -> Result<(), ApiError> {
    if patch.is_object() {
        return Ok(());
    }
    Err(ApiError::bad_request("the body of the patch is not an object"))
}

impl Registry {
    /// Patches an object; an apply creates it where it does not exist, as far as `may_create` lets it, and then says
    /// `true`.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) async fn patch(
        &self,
        subject: Subject<'_>,
        patch: Patch,
        options: &WriteOptions,
        may_create: impl Fn() -> Result<(), ApiError>,
    ) -> Result<(Arc<Entry>, bool), ApiError> {
        let expected = Expected::of(subject.kind.served);
        let request = subject.request;
        if let Patch::Apply(configuration) = patch {
            return self.apply(subject, configuration, options, may_create).await;
        }
        let entry = self
            .modify(subject, options, patch.ownership(), |old| {
                Ok(Changed { object: patch.onto(request, old, expected, options)?, tracked: false })
            })
            .await?;
        Ok((entry, false))
    }

    async fn apply(
        &self,
        subject: Subject<'_>,
        configuration: Value,
        options: &WriteOptions,
        may_create: impl Fn() -> Result<(), ApiError>,
    ) -> Result<(Arc<Entry>, bool), ApiError> {
        let expected = Expected::of(subject.kind.served);
        let mut configuration = check_configuration(subject, configuration, expected, options)?;
        subject.check_names(&mut configuration)?;
        let api_version = expected.api_version();
        let create_allowed = subject.part.subresource().is_empty();
        loop {
            let writer = self.writer(&api_version, subject.part, options);
            let exists = self.entry(&subject.key()).await?.is_some();
            if !exists && create_allowed {
                may_create()?;
                if let Some(uid) = configuration["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty()) {
                    return Err(subject.conflict(&format!(
                        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                    )));
                }
                let object = apply::apply(None, &configuration, expected.schema, writer, options.force)?;
                match self.create_tracked(subject, object, options, |_, _| None).await {
                    Err(error) if error.reason == Reason::AlreadyExists => continue,
                    other => return Ok((other?, true)),
                }
            }
            let applied = self
                .modify(subject, options, Ownership::Within, |old| {
                    let object = apply::apply(Some(old), &configuration, expected.schema, writer, options.force)?;
                    Ok(Changed { object, tracked: true })
                })
                .await;
            match applied {
                Err(error) if error.reason == Reason::NotFound && create_allowed => {
                    // It went away between the two looks.
                }
                other => return Ok((other?, false)),
            }
        }
    }
}

/// An apply configuration, checked against its type: it must name its kind.
fn check_configuration(
    subject: Subject<'_>,
    configuration: Value,
    expected: Expected,
    options: &WriteOptions,
) -> Result<Value, ApiError> {
    let given = |field: &str| configuration.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (given("apiVersion"), given("kind"));
    if kind.is_empty() || api_version.is_empty() {
        return Err(ApiError::bad_request(
            "error getting GVK from patch object: apiVersion and kind must be set in the applied configuration",
        ));
    }
    if api_version != expected.api_version() || kind != expected.kind {
        return Err(ApiError::bad_request(format!(
            "incorrect group, version or kind: expected {}, Kind={}, got {api_version}, Kind={kind}",
            expected.api_version(),
            expected.kind
        )));
    }
    let decoded = decode::value(configuration, expected.schema)
        .map_err(|error| error.to_api_error(expected.kind, expected.version))?;
    codec::settle(subject.request, decoded, expected, options.validation)
}
