//! The four ways to change a part of an object.

use serde::Serialize;

/// A patch of one of the types that the API server takes. `T` is what it is made of: `serde_json::Value`, a typed
/// object, or a reference to either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch<T> {
    /// RFC 6902: a list of operations.
    Json(T),
    /// RFC 7386: fields replace fields, null removes, lists are replaced whole.
    Merge(T),
    /// As merge, but lists merge by their keys. Built-in kinds only.
    Strategic(T),
    /// Server-side apply: what the field manager wants to own. Needs a field manager.
    Apply(T),
}

impl<T: Serialize> Patch<T> {
    /// The content type that says which it is.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json-patch+json",
            Self::Merge(_) => "application/merge-patch+json",
            Self::Strategic(_) => "application/strategic-merge-patch+json",
            Self::Apply(_) => "application/apply-patch+yaml",
        }
    }

    /// The body: JSON, which is YAML too.
    pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Json(body) | Self::Merge(body) | Self::Strategic(body) | Self::Apply(body) => {
                serde_json::to_vec(body)
            }
        }
    }
}
