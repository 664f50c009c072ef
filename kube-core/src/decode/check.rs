//! The pass that parses and checks at once: a serde seed that knows the shape of the value before it.

use super::place::{Findings, Place, Step};
use super::raw::Raw;
use super::{DEPTH_MAX, scalar};
use crate::schema::{Field, Shape, Type};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Reads a value of a shape. Null stands for an absent value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'a> {
    pub(super) shape: Shape,
    pub(super) place: Place<'a>,
    pub(super) findings: &'a Findings,
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl Check<'_> {
    fn wrong<E: Error>(&self, found: &str) -> E {
        self.findings.wrong_type(&self.place, found, self.shape)
    }

    fn too_deep<E: Error>(&self) -> Result<(), E> {
        if self.place.depth >= DEPTH_MAX { Err(E::custom("exceeded max depth")) } else { Ok(()) }
    }

    fn raw(&self) -> Raw {
        // A record of ownership is as deep as what it tells of, wherever it stands, and has an empty object for each leaf.
        let here =
            if self.shape == Shape::FieldsV1 { DEPTH_MAX + 1 } else { DEPTH_MAX.saturating_sub(self.place.depth) };
        Raw { levels: here }
    }

    fn integer<E: Error>(&self, value: i64) -> Result<Value, E> {
        let fits = match self.shape {
            Shape::Int32 => i32::try_from(value).is_ok(),
            Shape::IntOrString if i32::try_from(value).is_err() => {
                let text = format!("json: cannot unmarshal number {value} into Go value of type int32");
                return Err(self.findings.fail(text));
            }
            Shape::Int64 | Shape::IntOrString | Shape::Number | Shape::Json | Shape::RawExtension => true,
            Shape::Quantity => return self.quantity(&value.to_string()),
            _ => return Err(self.wrong("number")),
        };
        if fits { Ok(value.into()) } else { Err(self.wrong(&format!("number {value}"))) }
    }

    fn quantity<E: Error>(&self, text: &str) -> Result<Value, E> {
        scalar::quantity(text).map_err(|e| self.findings.fail(e))
    }

    fn structure<'de, A: MapAccess<'de>>(self, of: &'static Type, mut access: A) -> Result<Value, A::Error> {
        self.too_deep()?;
        let mut map = Map::new();
        // No type has more fields than this set has places, which a test holds.
        let mut seen = 0_u128;
        while let Some(name) = access.next_key_seed(Name { of })? {
            let (field, index) = match name {
                Named::Field(field, index) => (field, index),
                Named::Other(name) if of.open => {
                    let value = access.next_value_seed(self.raw())?;
                    if map.insert(name.clone(), value).is_some() {
                        self.findings.problem("duplicate", &self.place, &name);
                    }
                    continue;
                }
                Named::Other(name) => {
                    access.next_value::<IgnoredAny>()?;
                    self.findings.problem("unknown", &self.place, &name);
                    continue;
                }
            };
            let value = access.next_value_seed(Check {
                shape: field.shape,
                place: self.place.below(Step::Field(field.name, of)),
                findings: self.findings,
            })?;
            if seen & 1 << index != 0 {
                self.findings.problem("duplicate", &self.place, field.name);
            }
            seen |= 1 << index;
            match value {
                Value::Null => map.remove(field.name),
                value if is_left_out(of, field, &value) => map.remove(field.name),
                value => map.insert(field.name.to_owned(), value),
            };
        }
        Ok(Value::Object(map))
    }

    fn map<'de, A: MapAccess<'de>>(self, of: Shape, mut access: A) -> Result<Value, A::Error> {
        self.too_deep()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let place = self.place.below(Step::Key(&key));
            let value = access.next_value_seed(Check { shape: of, place, findings: self.findings })?;
            if map.contains_key(&key) {
                self.findings.problem("duplicate", &self.place, &key);
            }
            map.insert(key, if value.is_null() { zero(of) } else { value });
        }
        Ok(Value::Object(map))
    }

    fn list<'de, A: SeqAccess<'de>>(self, of: Shape, mut access: A) -> Result<Value, A::Error> {
        self.too_deep()?;
        let mut list = Vec::new();
        loop {
            let place = self.place.below(Step::Index(list.len()));
            match access.next_element_seed(Check { shape: of, place, findings: self.findings })? {
                Some(Value::Null) => list.push(zero(of)),
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }
}

/// Fields that Go's encoding shows though they are empty, and that the API description does not call required.
const SHOWN_EMPTY: &[(&str, &str)] = &[("Role", "rules"), ("ClusterRole", "rules"), ("EndpointSlice", "ports")];

/// Whether a field is left out because it is empty (`omitempty`): nobody can tell an empty list or map from none.
fn is_left_out(of: &Type, field: &Field, value: &Value) -> bool {
    let empty = match (field.shape, value) {
        (Shape::List(_), Value::Array(list)) => list.is_empty(),
        (Shape::Map(_), Value::Object(map)) => map.is_empty(),
        _ => false,
    };
    let shown = || SHOWN_EMPTY.iter().any(|(name, field_name)| of.name.ends_with(name) && field.name == *field_name);
    empty && !field.required && !shown()
}

/// What Go makes of a null in a list or map, where absence is no choice.
fn zero(shape: Shape) -> Value {
    match shape {
        Shape::String | Shape::Bytes => "".into(),
        Shape::Int32 | Shape::Int64 | Shape::Number | Shape::IntOrString => 0.into(),
        Shape::Boolean => false.into(),
        Shape::Quantity => "0".into(),
        Shape::Object(_) | Shape::Map(_) => Value::Object(Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape.go_name())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        match self.shape {
            Shape::Boolean | Shape::SchemaOrBool(_) | Shape::Json | Shape::RawExtension => Ok(Value::Bool(value)),
            Shape::IntOrString => {
                Err(self.findings.fail("json: cannot unmarshal bool into Go value of type int32".to_owned()))
            }
            _ => Err(self.wrong("bool")),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.integer(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        match (i64::try_from(value), self.shape) {
            (Ok(value), _) => self.integer(value),
            (Err(_), Shape::Number | Shape::Json | Shape::RawExtension) => Ok(value.into()),
            (Err(_), Shape::Quantity) => self.quantity(&value.to_string()),
            (Err(_), _) => Err(self.wrong(&format!("number {value}"))),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match self.shape {
            Shape::Number | Shape::Json | Shape::RawExtension => Ok(value.into()),
            Shape::Quantity => self.quantity(&format!("{value}")),
            Shape::Int32 | Shape::Int64 => Err(self.wrong(&format!("number {value:?}"))),
            _ => Err(self.wrong("number")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        match scalar::string(self.shape, value) {
            Some(Ok(value)) => Ok(value),
            Some(Err(text)) => Err(self.findings.fail(text)),
            None => Err(self.wrong("string")),
        }
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        if scalar::is_plain(self.shape) { Ok(Value::String(value)) } else { self.visit_str(&value) }
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        match self.shape {
            Shape::Object(of) | Shape::SchemaOrBool(of) | Shape::SchemaOrArray(of) | Shape::SchemaOrStrings(of) => {
                self.structure(of, access)
            }
            Shape::Map(of) => self.map(*of, access),
            Shape::Json | Shape::RawExtension | Shape::FieldsV1 => self.raw().map(access),
            _ => Err(self.wrong("object")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        match self.shape {
            Shape::List(of) => self.list(*of, access),
            Shape::SchemaOrArray(of) => self.list(Shape::Object(of), access),
            Shape::SchemaOrStrings(_) => self.list(Shape::String, access),
            Shape::Json | Shape::RawExtension => self.raw().list(access),
            _ => Err(self.wrong("array")),
        }
    }
}

/// Reads the name of a field without allocating where the type knows it.
struct Name {
    of: &'static Type,
}

enum Named {
    Field(&'static Field, usize),
    Other(String),
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Named, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Named, E> {
        Ok(match self.of.position(name) {
            Some(index) => Named::Field(&self.of.fields[index], index),
            None => Named::Other(name.to_owned()),
        })
    }
}
