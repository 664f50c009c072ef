//! Request bodies into JSON values, checked against the schema table in the same pass.
//!
//! [`json`] and [`yaml`] parse and check; [`value`] checks what a patch made. Fields that the schema does not know are
//! dropped and reported, duplicates are reported, values of a wrong type are errors in the words of Go's decoder.
//! Nulls are dropped, as Go reads them as absent. Quantities and times come out in their canonical form.

mod check;
mod error;
mod place;
mod raw;
mod scalar;

pub use error::{Error, strict_error};
pub(crate) use scalar::quantity as canonical_quantity;
pub use scalar::{format_micro_time, format_time};

use crate::schema::{Shape, Type};
use check::Check;
use place::{Findings, Place};
use raw::Raw;
use serde::de::{DeserializeSeed, Deserializer};
use serde_json::Value;

/// How deep values may nest, which bounds every recursion over them. Kubernetes allows 10,000 in JSON; the deepest
/// built-in objects (JSON schemas in definitions of custom resources) stay far below this.
///
/// `serde_json` reads 127 levels, here and in every client written in Rust, and what is stored comes back with more around
/// it: as an item of a list or an event, and with a record of ownership, which is five levels further down and one deeper.
pub const DEPTH_MAX: usize = 100;

/// The same for YAML, whose reader needs some 17 KB of stack a level in a debug build: half of a thread's 2 MB.
const YAML_DEPTH_MAX: usize = 64;

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

/// Decodes and checks a JSON body.
///
/// # Errors
/// See [`Error`].
pub fn json(bytes: &[u8], schema: &'static Type, limits: Limits) -> Result<Decoded, Error> {
    check_size(bytes, limits)?;
    // Text that was checked once as a whole need not be checked string by string.
    match std::str::from_utf8(bytes) {
        Ok(text) => whole(serde_json::Deserializer::from_str(text), schema, bytes),
        Err(_) => whole(serde_json::Deserializer::from_slice(bytes), schema, bytes),
    }
}

fn whole<'de, R: serde_json::de::Read<'de>>(
    mut reader: serde_json::Deserializer<R>,
    schema: &'static Type,
    bytes: &[u8],
) -> Result<Decoded, Error> {
    let decoded = checked(&mut reader, schema, |e| error::json(&e, bytes))?;
    reader.end().map_err(|e| error::json(&e, bytes))?;
    Ok(decoded)
}

/// Decodes and checks a YAML body (one document).
///
/// # Errors
/// See [`Error`].
pub fn yaml(bytes: &[u8], schema: &'static Type, limits: Limits) -> Result<Decoded, Error> {
    check_size(bytes, limits)?;
    let findings = Findings::default();
    let value = serde_saphyr::with_deserializer_from_slice_with_options(bytes, yaml_options(), |reader| {
        Check { shape: Shape::Object(schema), place: Place::ROOT, findings: &findings }.deserialize(reader)
    });
    finish(value.map_err(|e| error::yaml(&e, bytes)), findings)
}

/// Checks a value that was made by a patch or a conversion.
///
/// # Errors
/// See [`Error`].
pub fn value(value: Value, schema: &'static Type) -> Result<Decoded, Error> {
    checked(value, schema, |e| error::json(&e, b""))
}

/// Decodes a JSON body without a schema: patches. Nulls are kept.
///
/// # Errors
/// See [`Error`].
pub fn raw_json(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
    check_size(bytes, limits)?;
    serde_json::from_slice(bytes).map_err(|e| error::json(&e, bytes))
}

/// Decodes a YAML body without a schema: apply configurations of any kind. Nulls are kept. JSON is YAML, and is read
/// the fast way.
///
/// # Errors
/// See [`Error`].
pub fn raw_yaml(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
    check_size(bytes, limits)?;
    if bytes.iter().find(|c| !c.is_ascii_whitespace()) == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(value);
    }
    serde_saphyr::with_deserializer_from_slice_with_options(bytes, yaml_options(), |reader| {
        Raw { levels: DEPTH_MAX }.deserialize(reader)
    })
    .map_err(|e| error::yaml(&e, bytes))
}

fn check_size(bytes: &[u8], limits: Limits) -> Result<(), Error> {
    if bytes.len() > limits.bytes { Err(Error::TooLarge { limit: limits.bytes }) } else { Ok(()) }
}

fn checked<'de, D: Deserializer<'de>>(
    reader: D,
    schema: &'static Type,
    syntax: impl Fn(D::Error) -> Error,
) -> Result<Decoded, Error> {
    let findings = Findings::default();
    let value = Check { shape: Shape::Object(schema), place: Place::ROOT, findings: &findings }.deserialize(reader);
    finish(value.map_err(syntax), findings)
}

fn finish(value: Result<Value, Error>, findings: Findings) -> Result<Decoded, Error> {
    match (value, findings.failure.into_inner()) {
        (Ok(value), _) => Ok(Decoded { value, problems: findings.problems.into_inner() }),
        (Err(_), Some(failure)) => Err(Error::Type(failure)),
        (Err(error), None) => Err(error),
    }
}

/// Aliases are allowed as far as a configuration needs them; a document that unfolds to far more than it is long is
/// refused by the budget.
fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: YAML_DEPTH_MAX, flow_nesting_limit: YAML_DEPTH_MAX, max_documents: 1, max_nodes: 500_000, max_aliases: 1000 },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        // `mode: 0400` is YAML 1.1, which Kubernetes reads.
        legacy_octal_numbers: true,
    }
}

#[cfg(test)]
mod tests;
