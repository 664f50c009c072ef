//! Bytes to values and back: JSON, YAML, protobuf.

use crate::negotiate::{Format, MEDIA_TYPES};
use crate::options::FieldValidation;
use crate::request::Request;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use kubekit_core::decode::{self, Decoded, Limits};
use kubekit_core::protobuf;
use kubekit_core::schema::Type;
use kubekit_core::status::ApiError;
use serde_json::Value;
use std::borrow::Cow;

/// What a body must hold: a kind in a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// API group.
    pub(crate) group: &'static str,
    /// API version.
    pub(crate) version: &'static str,
    /// Kind.
    pub(crate) kind: &'static str,
    /// Its type.
    pub(crate) schema: &'static Type,
    /// An older `apiVersion` that clients still send, of the same form.
    pub(crate) older: Option<&'static str>,
}

impl Expected {
    /// The kind of a resource.
    pub(crate) fn of(resource: &'static kubekit_core::catalog::Resource) -> Self {
        Self {
            group: resource.group,
            version: resource.version,
            kind: resource.kind,
            schema: resource.schema_type(),
            older: None,
        }
    }

    /// A kind that has no resource of its own, such as `Scale`.
    pub(crate) fn named(group: &'static str, version: &'static str, kind: &'static str) -> Option<Self> {
        let schema = kubekit_core::schema::of_kind(group, version, kind)?;
        Some(Self { group, version, kind, schema, older: None })
    }

    /// `apps/v1`.
    pub(crate) fn api_version(&self) -> Cow<'static, str> {
        match self.group {
            "" => Cow::Borrowed(self.version),
            group => Cow::Owned(format!("{group}/{}", self.version)),
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Json,
    Yaml,
    Protobuf,
}

fn syntax(request: &Request) -> Result<Syntax, ApiError> {
    match media_type(request) {
        // Kubernetes takes a body without a type for JSON.
        "" | "application/json" => Ok(Syntax::Json),
        "application/yaml" => Ok(Syntax::Yaml),
        protobuf::MEDIA_TYPE => Ok(Syntax::Protobuf),
        _ => Err(ApiError::unsupported_media_type(&MEDIA_TYPES)),
    }
}

/// The media type of the body, without parameters.
pub(crate) fn media_type(request: &Request) -> &str {
    request.header(&CONTENT_TYPE).split(';').next().unwrap_or_default().trim()
}

/// The object in the request's body, with apiVersion and kind, checked against its type.
///
/// # Errors
/// 400, 413 or 415 where it is no such object.
pub(crate) fn object(request: &Request, expected: Expected, validation: FieldValidation) -> Result<Value, ApiError> {
    let decoded = decode(request, expected)?;
    let mut value = settle(request, decoded, expected, validation)?;
    check_kind(&mut value, expected)?;
    Ok(value)
}

/// The body, checked against a type, in whatever syntax it is.
fn decode(request: &Request, expected: Expected) -> Result<Decoded, ApiError> {
    let limits = Limits { bytes: usize::MAX };
    let decoded = match syntax(request)? {
        Syntax::Json => decode::json(&request.body, expected.schema, limits),
        Syntax::Yaml => decode::yaml(&request.body, expected.schema, limits),
        Syntax::Protobuf => {
            let value = protobuf::decode(&request.body).map_err(|error| ApiError::bad_request(error.to_string()))?;
            // What protobuf carries as JSON, and how deep messages nest, is for the schema to judge as in any body.
            decode::value(value, expected.schema)
        }
    };
    decoded.map_err(|error| error.to_api_error(expected.kind, expected.version))
}

/// The value of a decoded body, after its problems have been reported as the client asked for.
///
/// # Errors
/// 400 where there are problems and validation is strict.
pub(crate) fn settle(
    request: &Request,
    decoded: Decoded,
    expected: Expected,
    validation: FieldValidation,
) -> Result<Value, ApiError> {
    match validation {
        FieldValidation::Strict if !decoded.problems.is_empty() => {
            return Err(decode::strict_error(expected.kind, expected.version, &decoded.problems));
        }
        FieldValidation::Warn => decoded.problems.into_iter().for_each(|problem| request.warn(problem)),
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    Ok(decoded.value)
}

/// Fills in apiVersion and kind, or refuses those of another kind.
fn check_kind(value: &mut Value, expected: Expected) -> Result<(), ApiError> {
    let Some(map) = value.as_object_mut() else {
        return Err(ApiError::bad_request("the body of the request is not an object"));
    };
    let api_version = map.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
    let wanted = expected.api_version();
    if !kind.is_empty() && kind != expected.kind {
        let text = format!(
            "{kind} in version {:?} cannot be handled as a {}: converting ({}.{kind}) to ({}.{}): unknown conversion",
            if api_version.is_empty() { &wanted } else { api_version },
            expected.kind,
            api_version.rsplit('/').next().unwrap_or_default(),
            if expected.group.is_empty() { "core" } else { expected.group.split('.').next().unwrap_or_default() },
            expected.kind,
        );
        return Err(ApiError::bad_request(text));
    }
    let is_older = expected.older == Some(api_version);
    if !api_version.is_empty() && api_version != wanted && !is_older {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    let (unversioned, unnamed) = (api_version.is_empty() || is_older, kind.is_empty());
    if unversioned {
        map.insert("apiVersion".to_owned(), Value::String(wanted.into_owned()));
    }
    if unnamed {
        map.insert("kind".to_owned(), Value::String(expected.kind.to_owned()));
    }
    Ok(())
}

/// The `DeleteOptions` in the request's body, where there is one.
///
/// # Errors
/// 400 or 415 where it is no such object.
pub(crate) fn delete_options(request: &Request) -> Result<Option<Value>, ApiError> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let expected = Expected::named("", "v1", "DeleteOptions").ok_or_else(ApiError::no_such_path)?;
    let value = decode(request, expected)?.value;
    if let Some(kind) = value.get("kind").and_then(Value::as_str)
        && kind != "DeleteOptions"
    {
        return Err(ApiError::bad_request(format!("decoded object cannot be converted to DeleteOptions: {kind}")));
    }
    Ok(Some(value))
}

/// An object in a format. What has no protobuf form becomes JSON's: clients that accept nothing else get a Status that
/// says so.
pub(crate) fn encode(format: Format, value: &Value) -> Bytes {
    let json = |value: &Value| {
        let mut bytes = Vec::with_capacity(1024);
        kubekit_core::encode::value(value, &mut bytes);
        bytes
    };
    match format {
        Format::Json { pretty: false } => json(value).into(),
        Format::Json { pretty: true } => {
            let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value encodes");
            bytes.push(b'\n');
            bytes.into()
        }
        Format::Yaml => serde_saphyr::to_string(value).expect("a JSON value is YAML").into(),
        Format::Protobuf => protobuf::encode(value).unwrap_or_else(|_| json(value)).into(),
    }
}
