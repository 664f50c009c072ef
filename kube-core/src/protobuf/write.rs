//! JSON values into messages.

use super::wire::Writer;
use super::{Error, duration};
use crate::schema::{Field, Shape, Type};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Writes the fields of `object` in the order of their numbers.
pub(super) fn message(
    of: &'static Type,
    object: &Map<String, Value>,
    writer: &mut Writer,
    depth: usize,
) -> Result<(), Error> {
    let depth = depth.checked_sub(1).ok_or_else(|| Error::malformed(of.short_name(), "exceeded max depth"))?;
    for &(number, embedded) in of.inlined {
        if has_any(embedded, object) {
            let mut inner = Writer::default();
            message(embedded, object, &mut inner, depth)?;
            writer.bytes(number, inner.as_slice());
        }
    }
    for &index in of.wire {
        let field = &of.fields[usize::from(index)];
        if let Some(value) = object.get(field.name).filter(|value| !value.is_null()) {
            write_field(of, field, value, writer, depth)?;
        }
    }
    Ok(())
}

fn has_any(of: &'static Type, object: &Map<String, Value>) -> bool {
    of.fields.iter().any(|field| object.contains_key(field.name))
}

fn write_field(
    of: &'static Type,
    field: &'static Field,
    value: &Value,
    writer: &mut Writer,
    depth: usize,
) -> Result<(), Error> {
    let wrong = || Error::malformed(format!("{}.{}", of.short_name(), field.name), format!("not a {:?}", field.shape));
    match field.shape {
        Shape::List(element) => {
            for value in value.as_array().ok_or_else(wrong)? {
                write(*element, field.number, value, writer, depth, &wrong)?;
            }
        }
        Shape::Map(element) => {
            for (key, value) in value.as_object().ok_or_else(wrong)? {
                let mut entry = Writer::default();
                entry.bytes(1, key.as_bytes());
                match element {
                    Shape::List(element) => {
                        let mut wrapped = Writer::default();
                        for value in value.as_array().ok_or_else(wrong)? {
                            write(**element, 1, value, &mut wrapped, depth, &wrong)?;
                        }
                        entry.bytes(2, wrapped.as_slice());
                    }
                    _ => write(*element, 2, value, &mut entry, depth, &wrong)?,
                }
                writer.bytes(field.number, entry.as_slice());
            }
        }
        shape => write(shape, field.number, value, writer, depth, &wrong)?,
    }
    Ok(())
}

fn write(
    shape: Shape,
    number: u32,
    value: &Value,
    writer: &mut Writer,
    depth: usize,
    wrong: &dyn Fn() -> Error,
) -> Result<(), Error> {
    match shape {
        Shape::String => writer.bytes(number, value.as_str().ok_or_else(wrong)?.as_bytes()),
        Shape::Int32 | Shape::Int64 => writer.varint(number, value.as_i64().ok_or_else(wrong)?.cast_unsigned()),
        Shape::Boolean => writer.varint(number, value.as_bool().ok_or_else(wrong)?.into()),
        Shape::Number => writer.fixed64(number, value.as_f64().ok_or_else(wrong)?.to_bits()),
        Shape::Bytes => {
            let text = value.as_str().ok_or_else(wrong)?;
            writer.bytes(number, &BASE64_STANDARD.decode(text).map_err(|_| wrong())?);
        }
        _ => {
            let mut inner = Writer::default();
            write_message(shape, value, &mut inner, depth, wrong)?;
            writer.bytes(number, inner.as_slice());
        }
    }
    Ok(())
}

fn write_message(
    shape: Shape,
    value: &Value,
    inner: &mut Writer,
    depth: usize,
    wrong: &dyn Fn() -> Error,
) -> Result<(), Error> {
    let object = || value.as_object().ok_or_else(wrong);
    let text = || value.as_str().ok_or_else(wrong);
    match shape {
        Shape::Object(of) => message(of, object()?, inner, depth)?,
        Shape::Quantity => inner.bytes(1, text()?.as_bytes()),
        Shape::IntOrString => match value {
            Value::String(text) => {
                inner.varint(1, 1);
                inner.varint(2, 0);
                inner.bytes(3, text.as_bytes());
            }
            _ => {
                inner.varint(1, 0);
                inner.varint(2, value.as_i64().ok_or_else(wrong)?.cast_unsigned());
                inner.bytes(3, b"");
            }
        },
        // No time at all, as an element of a list or map.
        Shape::Time | Shape::MicroTime if value.is_null() => {}
        Shape::Time | Shape::MicroTime => {
            let time: Timestamp = text()?.parse().map_err(|_| wrong())?;
            inner.varint(1, time.as_second().cast_unsigned());
            inner.varint(2, i64::from(time.subsec_nanosecond()).cast_unsigned());
        }
        Shape::Duration => inner.varint(1, duration::parse(text()?).ok_or_else(wrong)?.cast_unsigned()),
        Shape::FieldsV1 | Shape::RawExtension | Shape::Json => inner.bytes(1, value.to_string().as_bytes()),
        Shape::SchemaOrBool(of) => match value {
            Value::Bool(allows) => inner.varint(1, (*allows).into()),
            _ => {
                inner.varint(1, 1);
                write(Shape::Object(of), 2, value, inner, depth, wrong)?;
            }
        },
        Shape::SchemaOrArray(of) | Shape::SchemaOrStrings(of) => match value {
            Value::Array(list) => {
                let element = if matches!(shape, Shape::SchemaOrArray(_)) { Shape::Object(of) } else { Shape::String };
                for value in list {
                    write(element, 2, value, inner, depth, wrong)?;
                }
            }
            _ => write(Shape::Object(of), 1, value, inner, depth, wrong)?,
        },
        _ => return Err(wrong()),
    }
    Ok(())
}
