//! Messages into JSON values.

use super::wire::{Reader, is_bytes};
use super::{Error, duration};
use crate::decode::{format_micro_time, format_time};
use crate::schema::{Field, Shape, Type};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Reads the fields of a message into `object`.
pub(super) fn message(
    of: &'static Type,
    reader: &mut Reader<'_>,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Error> {
    let depth = below(of.name, depth)?;
    while let Some((number, wire)) = reader.tag(of.short_name())? {
        if let Some(field) = of.numbered(number) {
            let at = Place { of, field };
            read_field(&at, reader, wire, object, depth)?;
        } else if let Some((_, embedded)) = of.inlined.iter().find(|(at, _)| *at == number) {
            message(embedded, &mut Reader::new(reader.bytes(wire, embedded.short_name())?), object, depth)?;
        } else {
            reader.skip(wire, of.short_name())?;
        }
    }
    Ok(())
}

struct Place {
    of: &'static Type,
    field: &'static Field,
}

impl Place {
    fn name(&self) -> String {
        format!("{}.{}", self.of.short_name(), self.field.name)
    }
}

fn below(at: &str, depth: usize) -> Result<usize, Error> {
    depth.checked_sub(1).ok_or_else(|| Error::malformed(at, "exceeded max depth"))
}

fn read_field(
    at: &Place,
    reader: &mut Reader<'_>,
    wire: u8,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Error> {
    let field = at.field;
    match field.shape {
        Shape::List(of) => {
            if let Value::Array(list) = slot(object, field, || Value::Array(Vec::new())) {
                elements(*of, at, reader, wire, list, depth)?;
            }
        }
        Shape::Map(of) => {
            let entry = reader.bytes(wire, field.name)?;
            if let Value::Object(map) = slot(object, field, || Value::Object(Map::new())) {
                let (key, value) = entry_of(*of, at, entry, depth)?;
                map.insert(key, value);
            }
        }
        Shape::Object(of) => {
            let bytes = reader.bytes(wire, field.name)?;
            // A message that comes in two parts is one message.
            if let Value::Object(map) = slot(object, field, || Value::Object(Map::new())) {
                message(of, &mut Reader::new(bytes), map, depth)?;
            }
        }
        shape => {
            let value = value(shape, at, reader, wire, depth)?;
            if value.is_null() || (is_zero(shape, &value) && !field.pointer && !field.required) {
                object.remove(field.name);
            } else {
                object.insert(field.name.to_owned(), value);
            }
        }
    }
    Ok(())
}

fn slot<'a>(object: &'a mut Map<String, Value>, field: &Field, empty: fn() -> Value) -> &'a mut Value {
    object.entry(field.name).or_insert_with(empty)
}

/// Whether it is what Go leaves out of JSON. Numbers, texts and flags only: structs never are.
fn is_zero(shape: Shape, value: &Value) -> bool {
    match shape {
        Shape::String | Shape::Bytes => value == "",
        Shape::Int32 | Shape::Int64 | Shape::Number => value.as_f64() == Some(0.0),
        Shape::Boolean => value == false,
        _ => false,
    }
}

fn elements(
    of: Shape,
    at: &Place,
    reader: &mut Reader<'_>,
    wire: u8,
    list: &mut Vec<Value>,
    depth: usize,
) -> Result<(), Error> {
    if is_bytes(wire) && matches!(of, Shape::Int32 | Shape::Int64 | Shape::Boolean) {
        let mut packed = Reader::new(reader.bytes(wire, at.field.name)?);
        while !packed.is_empty() {
            list.push(integral(of, packed.raw_varint(at.field.name)?));
        }
        return Ok(());
    }
    list.push(value(of, at, reader, wire, depth)?);
    Ok(())
}

fn entry_of(of: Shape, at: &Place, bytes: &[u8], depth: usize) -> Result<(String, Value), Error> {
    let (mut key, mut found) = (String::new(), None);
    let mut entry = Reader::new(bytes);
    while let Some((number, wire)) = entry.tag(at.field.name)? {
        match (number, of) {
            (1, _) => key = entry.string(wire, at.field.name)?.to_owned(),
            // Protobuf has no lists as values of a map, so they are wrapped in a message.
            (2, Shape::List(element)) => {
                let mut wrapped = Reader::new(entry.bytes(wire, at.field.name)?);
                let mut list = Vec::new();
                while let Some((_, wire)) = wrapped.tag(at.field.name)? {
                    elements(*element, at, &mut wrapped, wire, &mut list, depth)?;
                }
                found = Some(Value::Array(list));
            }
            (2, _) => found = Some(value(of, at, &mut entry, wire, depth)?),
            _ => entry.skip(wire, at.field.name)?,
        }
    }
    let empty = || match of {
        Shape::Object(_) => Value::Object(Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Quantity => "0".into(),
        _ => "".into(),
    };
    Ok((key, found.unwrap_or_else(empty)))
}

fn integral(shape: Shape, raw: u64) -> Value {
    match shape {
        Shape::Boolean => (raw != 0).into(),
        // Negative numbers are sent as 64 bits whatever their type.
        Shape::Int32 => {
            #[expect(clippy::cast_possible_truncation, reason = "an int32 is the low half of its varint")]
            let low = raw.cast_signed() as i32;
            low.into()
        }
        _ => raw.cast_signed().into(),
    }
}

fn value(shape: Shape, at: &Place, reader: &mut Reader<'_>, wire: u8, depth: usize) -> Result<Value, Error> {
    let name = at.field.name;
    match shape {
        Shape::String => Ok(reader.string(wire, name)?.into()),
        Shape::Int32 | Shape::Int64 | Shape::Boolean => Ok(integral(shape, reader.varint(wire, name)?)),
        Shape::Number => Ok(f64::from_bits(reader.fixed64(wire, name)?).into()),
        Shape::Bytes => Ok(BASE64_STANDARD.encode(reader.bytes(wire, name)?).into()),
        Shape::Object(of) => {
            let mut object = Map::new();
            message(of, &mut Reader::new(reader.bytes(wire, name)?), &mut object, depth)?;
            Ok(Value::Object(object))
        }
        _ => special(shape, at, reader.bytes(wire, name)?, depth),
    }
}

/// Messages that stand for something else in JSON.
fn special(shape: Shape, at: &Place, bytes: &[u8], depth: usize) -> Result<Value, Error> {
    let mut parts = Parts::default();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.tag(at.field.name)? {
        let slot = match number {
            1 => &mut parts.first,
            2 => &mut parts.second,
            3 => &mut parts.third,
            _ => {
                reader.skip(wire, at.field.name)?;
                continue;
            }
        };
        slot.push(if is_bytes(wire) {
            Part::Bytes(reader.bytes(wire, at.field.name)?)
        } else {
            Part::Number(reader.varint(wire, at.field.name)?.cast_signed())
        });
    }
    let malformed = |what: &str| Error::malformed(at.name(), what);
    match shape {
        Shape::Quantity => {
            let text = parts.first.text().ok_or_else(|| malformed("not UTF-8"))?;
            crate::decode::canonical_quantity(text).map_err(|e| malformed(&e))
        }
        Shape::IntOrString if parts.first.number() == 0 => Ok(parts.second.number().into()),
        Shape::IntOrString => Ok(parts.third.text().ok_or_else(|| malformed("not UTF-8"))?.into()),
        Shape::Time | Shape::MicroTime => time(shape, &parts).ok_or_else(|| malformed("time out of range")),
        Shape::Duration => Ok(duration::format(parts.first.number()).into()),
        Shape::FieldsV1 | Shape::RawExtension | Shape::Json => match parts.first.bytes() {
            [] => Ok(Value::Null),
            raw => serde_json::from_slice(raw).map_err(|e| malformed(&e.to_string())),
        },
        Shape::SchemaOrBool(_) if parts.second.0.is_empty() => Ok((parts.first.number() != 0).into()),
        Shape::SchemaOrBool(of) => schema(of, parts.second.bytes(), depth),
        Shape::SchemaOrArray(of) | Shape::SchemaOrStrings(of) if !parts.first.0.is_empty() => {
            schema(of, parts.first.bytes(), depth)
        }
        Shape::SchemaOrArray(of) => parts.second.0.iter().map(|part| schema(of, part.bytes(), depth)).collect(),
        Shape::SchemaOrStrings(_) => parts
            .second
            .0
            .iter()
            .map(|part| std::str::from_utf8(part.bytes()).map(Value::from).map_err(|_| malformed("not UTF-8")))
            .collect(),
        _ => Err(malformed("no such message")),
    }
}

fn schema(of: &'static Type, bytes: &[u8], depth: usize) -> Result<Value, Error> {
    let mut object = Map::new();
    message(of, &mut Reader::new(bytes), &mut object, depth)?;
    Ok(Value::Object(object))
}

/// Nothing, or Go's zero time, is no time.
fn time(shape: Shape, parts: &Parts<'_>) -> Option<Value> {
    const GO_ZERO: i64 = -62_135_596_800;
    let (seconds, nanos) = (parts.first.number(), i32::try_from(parts.second.number()).ok()?);
    if (parts.first.0.is_empty() && parts.second.0.is_empty()) || seconds == GO_ZERO {
        return Some(Value::Null);
    }
    let time = Timestamp::new(seconds, nanos).ok()?;
    Some(if shape == Shape::Time { format_time(time).into() } else { format_micro_time(time).into() })
}

#[derive(Default)]
struct Parts<'a> {
    first: Values<'a>,
    second: Values<'a>,
    third: Values<'a>,
}

#[derive(Default)]
struct Values<'a>(Vec<Part<'a>>);

enum Part<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

impl<'a> Part<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }
}

/// The last value of a field counts, as everywhere in protobuf.
impl<'a> Values<'a> {
    fn push(&mut self, part: Part<'a>) {
        self.0.push(part);
    }

    fn bytes(&self) -> &'a [u8] {
        self.0.last().map_or(&[], Part::bytes)
    }

    fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()).ok()
    }

    fn number(&self) -> i64 {
        match self.0.last() {
            Some(Part::Number(number)) => *number,
            _ => 0,
        }
    }
}
