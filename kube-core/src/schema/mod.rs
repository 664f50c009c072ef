//! The schema table: what fields every built-in type has, of what type, and how each is merged, listed and sent.
//!
//! The data is generated (`cargo xtask tables`) into static tables that cost nothing at start-up. Types refer to each
//! other by address, so walking an object beside its type needs no look-ups. Decoding, patching, server-side apply and
//! the protobuf transcoder all walk this one table.

mod field;
mod generated;
mod shape;

pub use field::{Field, ListKind, PatchStrategy};
pub use shape::Shape;

use std::fmt;

/// One type: a named set of fields.
#[derive(Clone, Copy)]
pub struct Type {
    /// The full name, as OpenAPI has it: `io.k8s.api.core.v1.Pod`.
    pub name: &'static str,
    /// The fields, sorted by name.
    pub fields: &'static [Field],
    /// Indices into `fields` of those that protobuf knows, in the order of their field numbers.
    pub wire: &'static [u8],
    /// Structs embedded in this one: flat in JSON, one message under this number in protobuf.
    pub inlined: &'static [(u32, &'static Type)],
    /// Merged and owned as one value (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Keeps fields that the table does not name: custom resources without a schema.
    pub open: bool,
}

impl Type {
    /// The field with this JSON name. Names match exactly, case included.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.position(name).map(|i| &self.fields[i])
    }

    /// The index of a field in `fields`.
    pub fn position(&self, name: &str) -> Option<usize> {
        // Length and first byte tell almost all names apart: scanning the largest type that way takes less than half of a
        // search that compares text at every step.
        let first = name.as_bytes().first();
        self.fields.iter().position(|field| {
            field.name.len() == name.len() && field.name.as_bytes().first() == first && field.name == name
        })
    }

    /// The field with this protobuf number.
    pub fn numbered(&self, number: u32) -> Option<&'static Field> {
        self.wire
            .binary_search_by(|&i| self.fields[usize::from(i)].number.cmp(&number))
            .ok()
            .map(|i| &self.fields[usize::from(self.wire[i])])
    }

    /// The name without its package: `Pod`.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The name as Go prints it in errors: `v1.Pod`.
    pub fn go_name(&self) -> &'static str {
        let dots = self.name.rmatch_indices('.').nth(1);
        dots.map_or(self.name, |(at, _)| &self.name[at + 1..])
    }
}

impl fmt::Debug for Type {
    // Types refer to each other in circles, so a type prints its name only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Type").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Type {}

/// The type with this full name (`io.k8s.api.core.v1.Pod`).
pub fn lookup(name: &str) -> Option<&'static Type> {
    generated::TYPES.binary_search_by(|t| t.name.cmp(name)).ok().map(|i| generated::TYPES[i])
}

/// The type of a kind. Lists (`PodList`), options (`DeleteOptions`) and `Status` included.
pub fn of_kind(group: &str, version: &str, kind: &str) -> Option<&'static Type> {
    generated::KINDS
        .binary_search_by(|(g, v, k, _)| (*g, *v, *k).cmp(&(group, version, kind)))
        .ok()
        .map(|i| generated::KINDS[i].3)
}

/// Every type, sorted by name.
pub fn types() -> &'static [&'static Type] {
    generated::TYPES
}

/// Every kind with its type: group, version, kind, type; sorted.
pub fn kinds() -> &'static [(&'static str, &'static str, &'static str, &'static Type)] {
    generated::KINDS
}

/// The type of a custom resource whose schema is not known: metadata is typed, the rest is kept as it is.
pub static CUSTOM: Type = Type {
    name: "io.k8s.apiextensions.custom.Custom",
    fields: &[
        Field::new("apiVersion", Shape::String, 0),
        Field::new("kind", Shape::String, 0),
        Field::new("metadata", Shape::Object(&generated::OBJECT_META), 0),
    ],
    wire: &[],
    inlined: &[],
    atomic: false,
    open: true,
};

#[cfg(test)]
mod tests;
