//! How a value is merged and owned: as one, by field, by key, by element.

use crate::encode;
use crate::schema::{Field, ListKind, Shape, Type};
use serde_json::Value;
use smallvec::SmallVec;

/// The form of a value, by its place in the schema.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// One value: scalars and what is atomic.
    Leaf,
    /// Field by field.
    Struct(&'static Type),
    /// Key by key.
    Map(Shape),
    /// A list of structs, told apart by these fields.
    Keyed(&'static [&'static str], &'static Type),
    /// A list of distinct scalars.
    Set,
    /// No schema: objects are merged by key, lists are one value.
    Deduced,
}

impl Form {
    /// The form of a field's values.
    pub(super) fn of_field(field: &Field) -> Self {
        match (field.shape, field.list) {
            _ if field.atomic => Self::Leaf,
            (Shape::List(Shape::Object(element)), ListKind::Map(keys)) => Self::Keyed(keys, element),
            (Shape::List(_), ListKind::Set) => Self::Set,
            (shape, _) => Self::of_shape(shape),
        }
    }

    /// The form of values of a shape that no field says more about.
    pub(super) fn of_shape(shape: Shape) -> Self {
        match shape {
            Shape::Object(of) if !of.atomic => Self::Struct(of),
            Shape::Map(of) => Self::Map(*of),
            _ => Self::Leaf,
        }
    }

    /// The form of what is under a name in a value of this form.
    pub(super) fn under(self, name: &str) -> Self {
        match self {
            Self::Struct(of) => match of.field(name) {
                Some(field) => Self::of_field(field),
                None if of.open => Self::Deduced,
                None => Self::Leaf,
            },
            Self::Map(of) => Self::of_shape(of),
            Self::Deduced => Self::Deduced,
            Self::Leaf | Self::Keyed(..) | Self::Set => Self::Leaf,
        }
    }

    /// Whether being there is something to own by itself: a map or list, but not a struct.
    pub(super) fn is_marked(self) -> bool {
        matches!(self, Self::Map(_) | Self::Keyed(..) | Self::Set | Self::Deduced)
    }
}

/// The element of a field set that stands for a field or key.
pub(super) fn name_element(name: &str) -> String {
    let mut element = String::with_capacity(2 + name.len());
    element.push_str("f:");
    element.push_str(name);
    element
}

/// The element that stands for a scalar of a set.
pub(super) fn value_element(value: &Value) -> String {
    let mut element = b"v:".to_vec();
    encode::value(value, &mut element);
    String::from_utf8(element).expect("JSON is text")
}

/// The first key that a struct of a keyed list lacks.
pub(super) fn missing_key(keys: &[&'static str], value: &Value) -> Option<&'static str> {
    keys.iter().copied().find(|key| *key != "protocol" && value.get(key).is_none())
}

/// The element that stands for a struct of a keyed list.
pub(super) fn keyed_element(keys: &[&'static str], value: &Value) -> String {
    let mut sorted: SmallVec<[&'static str; 4]> = SmallVec::from_slice(keys);
    sorted.sort_unstable();
    let mut element = Vec::with_capacity(48);
    element.extend_from_slice(b"k:{");
    for key in sorted {
        let before = element.len();
        if before > b"k:{".len() {
            element.push(b',');
        }
        match value.get(key) {
            Some(found) => encode::field(key, found, &mut element),
            // The one key of built-in kinds that has a default.
            None if key == "protocol" => element.extend_from_slice(b"\"protocol\":\"TCP\""),
            None => element.truncate(before),
        }
    }
    element.push(b'}');
    String::from_utf8(element).expect("JSON is text")
}
