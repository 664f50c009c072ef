//! Field sets as text: read and written without a JSON value in between, and held against a set without being read at all.
//!
//! Half of a stored object is its managedFields, and most writes change nothing of most managers' fields.

use super::set::Set;
use crate::encode;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Appends the JSON form of a set.
pub(super) fn append(set: &Set, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    if set.here && !set.is_leaf() {
        out.extend_from_slice(b"\".\":{},");
    }
    for (element, below) in set.below() {
        encode::text(element, out);
        out.push(b':');
        append(below, out);
        out.push(b',');
    }
    if out.len() > start {
        out.pop();
    }
    out.push(b'}');
}

/// Reads a set in the form that [`append`] writes; the root itself is never a member. `None` where it is not one.
pub(super) fn read(text: &str) -> Option<Set> {
    let mut set = Read.deserialize(&mut serde_json::Deserializer::from_str(text)).ok()?;
    set.here = false;
    Some(set)
}

/// Whether a set in its JSON form has a path of `set`; not so where it cannot be read.
pub(super) fn meets(set: &Set, text: &str) -> bool {
    Meets(set).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap_or(false)
}

struct Read;

impl<'de> DeserializeSeed<'de> for Read {
    type Value = Set;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Set, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Read {
    type Value = Set;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Set, A::Error> {
        let mut set = Set::default();
        let mut bare = true;
        while let Some(element) = access.next_key::<String>()? {
            bare = false;
            let below = access.next_value_seed(Self)?;
            match element.as_bytes() {
                b"." => set.here = true,
                [b'f' | b'k' | b'v' | b'i', b':', ..] => {
                    set.put(element, below);
                }
                _ => return Err(A::Error::custom("not an element of a field set")),
            }
        }
        set.here |= bare;
        Ok(set)
    }
}

/// Goes through a set's JSON form beside a set, and passes over what is only in the first.
struct Meets<'a>(&'a Set);

impl<'de> DeserializeSeed<'de> for Meets<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Meets<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<bool, A::Error> {
        let (mut found, mut bare, mut marked) = (false, true, false);
        while let Some(element) = access.next_key_seed(Element(self.0))? {
            bare = false;
            match element {
                Found::Mark => {
                    marked = true;
                    access.next_value::<IgnoredAny>()?;
                }
                Found::Both(below) => found |= access.next_value_seed(Meets(below))?,
                Found::Other => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found || (self.0.here && (bare || marked)))
    }
}

/// Looks an element up in a set, without a copy of its text.
struct Element<'a>(&'a Set);

enum Found<'a> {
    /// `.`: the path that ends here.
    Mark,
    /// In the set, too, and what is below it there.
    Both(&'a Set),
    Other,
}

impl<'de, 'a> DeserializeSeed<'de> for Element<'a> {
    type Value = Found<'a>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Found<'a>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Element<'a> {
    type Value = Found<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an element of a field set")
    }

    fn visit_str<E>(self, element: &str) -> Result<Found<'a>, E> {
        Ok(match self.0.get(element) {
            _ if element == "." => Found::Mark,
            Some(below) => Found::Both(below),
            None => Found::Other,
        })
    }
}

#[cfg(test)]
mod tests;
