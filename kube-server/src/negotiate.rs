//! Which form a client accepts an answer in.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`.

use crate::request::Request;
use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use kubekit_core::status::ApiError;
use serde_json::Value;

/// The media types in which objects come and go.
pub(crate) const MEDIA_TYPES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// A serialization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON; indented for people.
    Json {
        /// Whether to indent.
        pretty: bool,
    },
    /// YAML.
    Yaml,
    /// The protobuf envelope.
    Protobuf,
}

impl Format {
    /// The `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json { .. } => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// An object in this form.
    pub(crate) fn encode(self, value: &Value) -> Bytes {
        crate::codec::encode(self, value)
    }
}

/// What of the objects is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The objects.
    Object,
    /// A Table with their columns.
    Table {
        /// `v1` or `v1beta1`.
        version: &'static str,
    },
    /// Their metadata.
    Partial {
        /// `v1` or `v1beta1`.
        version: &'static str,
    },
}

/// What a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The serialization.
    pub(crate) format: Format,
    /// What of the objects.
    pub(crate) view: View,
}

/// One clause of an `Accept` header.
#[derive(Debug)]
pub(crate) struct Clause<'a> {
    /// `application/json`.
    pub(crate) media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl Clause<'_> {
    /// A parameter's value; empty where absent.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }
}

/// The clauses of an `Accept` header, most wanted first.
pub(crate) fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept
        .split(',')
        .filter(|clause| !clause.trim().is_empty())
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once('=')).collect();
            let quality = parameters.iter().find(|(n, _)| *n == "q").and_then(|(_, q)| q.parse().ok()).unwrap_or(1.0);
            Clause { media_type, parameters, quality }
        })
        .collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses
}

/// What the client of a resource request accepts; JSON where it does not say.
///
/// # Errors
/// 406 where nothing of what it accepts can be given.
pub(crate) fn accept(request: &Request) -> Result<Accepted, ApiError> {
    let header = request.header(&ACCEPT);
    if header.is_empty() || header == "application/json" {
        return Ok(Accepted { format: json(request), view: View::Object });
    }
    let mut accepted = clauses(header).into_iter().filter_map(|clause| acceptable(request, &clause));
    let first = accepted.next().ok_or_else(|| ApiError::not_acceptable(&MEDIA_TYPES))?;
    if first.format != Format::Protobuf {
        return Ok(first);
    }
    // Objects are kept as JSON: who takes both gets that, which costs nothing to make.
    Ok(accepted.find(|other| other.format != Format::Protobuf && other.view == first.view).unwrap_or(first))
}

fn acceptable(request: &Request, clause: &Clause<'_>) -> Option<Accepted> {
    let format = match clause.media_type {
        "application/json" | "*/*" | "application/*" => json(request),
        "application/yaml" => Format::Yaml,
        "application/vnd.kubernetes.protobuf" => Format::Protobuf,
        _ => return None,
    };
    let version = match clause.parameter("v") {
        "" | "v1" => "v1",
        "v1beta1" => "v1beta1",
        _ => return None,
    };
    let view = match (clause.parameter("as"), clause.parameter("g")) {
        ("", _) => View::Object,
        ("Table", "meta.k8s.io") if format != Format::Protobuf => View::Table { version },
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io") => View::Partial { version },
        _ => return None,
    };
    Some(Accepted { format, view })
}

/// The form for errors: never refuses.
pub(crate) fn error_format(request: &Request) -> Format {
    accept(request).map_or(json(request), |accepted| accepted.format)
}

/// JSON, indented where the client is a person: by `pretty`, or by the user agents of curl, Wget and browsers.
pub(crate) fn json(request: &Request) -> Format {
    let pretty = match request.query.get("pretty") {
        Some(value) => value.parse::<bool>().unwrap_or(value == "1" || value.is_empty()),
        None => {
            let agent = request.header(&USER_AGENT);
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|prefix| agent.starts_with(prefix))
        }
    };
    Format::Json { pretty }
}
