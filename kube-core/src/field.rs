//! Errors of validation, each bound to the path of a field (`spec.containers[0].image`), in Kubernetes' words.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation/field`, whose texts clients match on.

use smallvec::SmallVec;
use std::fmt;

/// Bytes of a path that need no allocation: rules walk an object far more often than they report something, and most
/// paths of built-in kinds fit.
const INLINE_BYTES: usize = 96;

/// The path of a field: `spec.containers[0].ports[http].name`.
#[derive(Default, PartialEq, Eq)]
pub struct Path(SmallVec<[u8; INLINE_BYTES]>);

impl Path {
    /// The path of a top-level field; an empty name is the object itself.
    pub fn new(name: &str) -> Self {
        Self(SmallVec::from_slice(name.as_bytes()))
    }

    /// The path of a field below this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self::new(name) } else { self.and(&[b".", name.as_bytes()]) }
    }

    /// The path of an element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.and(&[b"[", itoa::Buffer::new().format(index).as_bytes(), b"]"])
    }

    /// The path of an entry of this map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.and(&[b"[", key.as_bytes(), b"]"])
    }

    /// Made at every step of a walk: put together in place, and copied once.
    fn and(&self, parts: &[&[u8]]) -> Self {
        let mut path = [0; INLINE_BYTES];
        let mut end = 0;
        for part in std::iter::once(&self.0[..]).chain(parts.iter().copied()) {
            let Some(room) = path.get_mut(end..end + part.len()) else {
                return Self(SmallVec::from_vec([&[&self.0[..]][..], parts].concat().concat()));
            };
            room.copy_from_slice(part);
            end += part.len();
        }
        Self(SmallVec::from_buf_and_len(path, end))
    }

    /// The path as text.
    ///
    /// # Panics
    /// Never: paths are made of text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("paths are made of text")
    }
}

impl Clone for Path {
    fn clone(&self) -> Self {
        self.and(&[])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "<nil>" } else { self.as_str() })
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({:?})", self.as_str())
    }
}

/// What kind of error it is. The `reason` of a Status cause, and the head of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `FieldValueRequired`: "Required value".
    Required,
    /// `FieldValueInvalid`: "Invalid value".
    Invalid,
    /// `FieldValueNotSupported`: "Unsupported value".
    NotSupported,
    /// `FieldValueDuplicate`: "Duplicate value".
    Duplicate,
    /// `FieldValueForbidden`: "Forbidden".
    Forbidden,
    /// `FieldValueNotFound`: "Not found".
    NotFound,
    /// `FieldValueTooLong`: "Too long".
    TooLong,
    /// `FieldValueTooMany`: "Too many".
    TooMany,
    /// `FieldValueTypeInvalid`: "Invalid value".
    TypeInvalid,
    /// `InternalError`: "Internal error".
    Internal,
}

impl ErrorKind {
    /// The `reason` of the Status cause.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }
}

/// One error on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// The field.
    pub path: Path,
    /// The text after the path, complete: `Invalid value: "A": must be lower case`.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Errors in the order in which they were found.
pub type ErrorList = Vec<Error>;

impl Error {
    fn new(kind: ErrorKind, path: &Path, message: String) -> Self {
        Self { kind, path: path.clone(), message }
    }

    /// The field must be set.
    pub fn required(path: &Path, detail: &str) -> Self {
        Self::new(ErrorKind::Required, path, with_detail("Required value", detail))
    }

    /// The field's value breaks a rule; `value` is shown as Kubernetes shows it (strings quoted, the rest as JSON).
    pub fn invalid(path: &Path, value: &serde_json::Value, detail: &str) -> Self {
        Self::new(ErrorKind::Invalid, path, with_detail(&format!("Invalid value: {value}"), detail))
    }

    /// As [`Error::invalid`], where the detail says what the value is wrong about and the value would not help.
    pub fn invalid_without_value(path: &Path, detail: &str) -> Self {
        Self::new(ErrorKind::Invalid, path, with_detail("Invalid value", detail))
    }

    /// The field's value is not one of those supported, which are listed sorted.
    pub fn not_supported(path: &Path, value: &serde_json::Value, supported: &[&str]) -> Self {
        let mut sorted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        sorted.sort();
        Self::new(
            ErrorKind::NotSupported,
            path,
            format!("Unsupported value: {value}: supported values: {}", sorted.join(", ")),
        )
    }

    /// Another element of the list has this value.
    pub fn duplicate(path: &Path, value: &serde_json::Value) -> Self {
        Self::new(ErrorKind::Duplicate, path, format!("Duplicate value: {value}"))
    }

    /// The field may not be set, or not be changed, here.
    pub fn forbidden(path: &Path, detail: &str) -> Self {
        Self::new(ErrorKind::Forbidden, path, with_detail("Forbidden", detail))
    }

    /// What the field names does not exist.
    pub fn not_found(path: &Path, value: &serde_json::Value) -> Self {
        Self::new(ErrorKind::NotFound, path, format!("Not found: {value}"))
    }

    /// The value is longer than `max_bytes`.
    pub fn too_long(path: &Path, max_bytes: usize) -> Self {
        Self::new(ErrorKind::TooLong, path, format!("Too long: may not be more than {max_bytes} bytes"))
    }

    /// The list has more than `max` elements.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let items = if max == 1 { "item" } else { "items" };
        Self::new(ErrorKind::TooMany, path, format!("Too many: {actual}: must have at most {max} {items}"))
    }
}

fn with_detail(head: &str, detail: &str) -> String {
    if detail.is_empty() { head.to_owned() } else { format!("{head}: {detail}") }
}

#[cfg(test)]
mod tests;
