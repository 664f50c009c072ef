//! Request bodies into JSON values, checked against the schema table in the same pass.
//!
//! [`json`] and [`yaml`] parse and check; [`value`] checks what a patch made. Fields that the schema does not know are
//! dropped and reported, duplicates are reported, values of a wrong type are errors in the words of Go's decoder.

use crate::schema::Type;
use crate::status::ApiError;
use serde_json::Value;

/// Bounds of what is decoded.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest body in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 3 MiB, as Kubernetes.
    fn default() -> Self {
        Self { bytes: 3 * 1024 * 1024 }
    }
}

/// A decoded body.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, without fields that its type does not have and without nulls.
    pub value: Value,
    /// What strict validation objects to, in the order of the body: `unknown field "spec.foo"`,
    /// `duplicate field "spec.replicas"`. At most 100.
    pub problems: Vec<String>,
}

/// Why a body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is longer than allowed.
    #[error("Request entity too large: limit is {limit}")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is no JSON or YAML, or nested too deep.
    #[error("{0}")]
    Syntax(String),
    /// A field has a value of a wrong type; in the words of Go's decoder.
    #[error("{0}")]
    Type(String),
}

impl Error {
    /// The answer to the client: 400, or 413 for a body that is too long. `kind` and `version` (without the group) are
    /// those of the object that was expected.
    pub fn to_api_error(&self, kind: &str, version: &str) -> ApiError {
        let _ = (kind, version);
        todo!()
    }
}

/// Decodes and checks a JSON body.
///
/// # Errors
/// See [`Error`].
pub fn json(bytes: &[u8], schema: &'static Type, limits: Limits) -> Result<Decoded, Error> {
    let _ = (bytes, schema, limits);
    todo!()
}

/// Decodes and checks a YAML body (one document).
///
/// # Errors
/// See [`Error`].
pub fn yaml(bytes: &[u8], schema: &'static Type, limits: Limits) -> Result<Decoded, Error> {
    let _ = (bytes, schema, limits);
    todo!()
}

/// Checks a value that was made by a patch or conversion.
///
/// # Errors
/// See [`Error`].
pub fn value(value: Value, schema: &'static Type) -> Result<Decoded, Error> {
    let _ = (value, schema);
    todo!()
}

/// Decodes a JSON body without a schema: patches. Nulls are kept.
///
/// # Errors
/// See [`Error`].
pub fn raw_json(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
    let _ = (bytes, limits);
    todo!()
}

/// Decodes a YAML body without a schema: apply configurations of any kind. Nulls are kept.
///
/// # Errors
/// See [`Error`].
pub fn raw_yaml(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
    let _ = (bytes, limits);
    todo!()
}

/// The answer to a client that asked for strict field validation: 400 with every problem.
pub fn strict_error(kind: &str, version: &str, problems: &[String]) -> ApiError {
    let _ = (kind, version, problems);
    todo!()
}
