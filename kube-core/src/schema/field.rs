//! One field of a type: its shape and how it is merged, listed and numbered.

use super::Shape;

/// How a list is merged by server-side apply. Source: KEP-555, `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// One value, owned as a whole. What a list without a list type is.
    Atomic,
    /// Unordered scalars, each owned by itself.
    Set,
    /// Structs, told apart by the values of these fields.
    Map(&'static [&'static str]),
}

/// How strategic merge patch treats a field. Source: `x-kubernetes-patch-strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists are merged instead of replaced.
    pub merge: bool,
    /// A struct is replaced instead of merged.
    pub replace: bool,
    /// Keys that the patch does not name are dropped.
    pub retain_keys: bool,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The JSON name.
    pub name: &'static str,
    /// What its values look like.
    pub shape: Shape,
    /// Present even when empty (no `omitempty`).
    pub required: bool,
    /// Zero and absent are two things (a Go pointer), so a zero is kept when it is read from protobuf.
    pub pointer: bool,
    /// How server-side apply merges it, where it is a list.
    pub list: ListKind,
    /// Merged and owned as one value, where it is a map or struct.
    pub atomic: bool,
    /// How strategic merge patch treats it.
    pub patch: PatchStrategy,
    /// The field by which strategic merge patch tells elements apart; empty for none.
    pub merge_key: &'static str,
    /// The protobuf field number; 0 where protobuf does not know the field.
    pub number: u32,
}

impl Field {
    /// An optional field with no ways of its own.
    pub const fn new(name: &'static str, shape: Shape, number: u32) -> Self {
        Self {
            name,
            shape,
            required: false,
            pointer: false,
            list: ListKind::Atomic,
            atomic: false,
            patch: PatchStrategy { merge: false, replace: false, retain_keys: false },
            merge_key: "",
            number,
        }
    }

    /// Present even when empty.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Zero and absent are two things.
    #[must_use]
    pub const fn pointer(mut self) -> Self {
        self.pointer = true;
        self
    }

    /// A list of distinct scalars.
    #[must_use]
    pub const fn set(mut self) -> Self {
        self.list = ListKind::Set;
        self
    }

    /// A list of structs told apart by `keys`.
    #[must_use]
    pub const fn map(mut self, keys: &'static [&'static str]) -> Self {
        self.list = ListKind::Map(keys);
        self
    }

    /// Owned as one value.
    #[must_use]
    pub const fn atomic(mut self) -> Self {
        self.atomic = true;
        self
    }

    /// Merged by strategic merge patch, elements told apart by `key` (empty: scalars).
    #[must_use]
    pub const fn merge(mut self, key: &'static str) -> Self {
        self.patch.merge = true;
        self.merge_key = key;
        self
    }

    /// Replaced whole by strategic merge patch.
    #[must_use]
    pub const fn replace(mut self) -> Self {
        self.patch.replace = true;
        self
    }

    /// Keys that a strategic merge patch does not name are dropped.
    #[must_use]
    pub const fn retain_keys(mut self) -> Self {
        self.patch.retain_keys = true;
        self
    }
}
