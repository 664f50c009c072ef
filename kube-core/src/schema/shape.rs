//! What a value looks like in JSON and in protobuf.

use super::Type;
use std::fmt;

/// The JSON type of a field, and with it its form in protobuf.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    String,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// A double.
    Number,
    /// A boolean.
    Boolean,
    /// Bytes: base64 in JSON.
    Bytes,
    /// A quantity: a string in canonical form; numbers are read too.
    Quantity,
    /// An integer or a string.
    IntOrString,
    /// RFC 3339, seconds.
    Time,
    /// RFC 3339, microseconds.
    MicroTime,
    /// A Go duration: `1h30m0s`.
    Duration,
    /// The field set of a managedFields entry: any JSON object.
    FieldsV1,
    /// An embedded object of any kind (`RawExtension`).
    RawExtension,
    /// Any JSON value.
    Json,
    /// A JSON schema or a boolean.
    SchemaOrBool(&'static Type),
    /// A JSON schema or a list of them.
    SchemaOrArray(&'static Type),
    /// A JSON schema or a list of strings.
    SchemaOrStrings(&'static Type),
    /// A struct.
    Object(&'static Type),
    /// A list.
    List(&'static Shape),
    /// A map with string keys.
    Map(&'static Shape),
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.go_name())
    }
}

impl Shape {
    /// The type as Go prints it in errors: `[]v1.Container`, `map[string]string`, `int32`.
    pub fn go_name(self) -> String {
        match self {
            Self::String => "string".into(),
            Self::Int32 => "int32".into(),
            Self::Int64 => "int64".into(),
            Self::Number => "float64".into(),
            Self::Boolean => "bool".into(),
            Self::Bytes => "[]uint8".into(),
            Self::Quantity => "resource.Quantity".into(),
            Self::IntOrString => "intstr.IntOrString".into(),
            Self::Time => "v1.Time".into(),
            Self::MicroTime => "v1.MicroTime".into(),
            Self::Duration => "v1.Duration".into(),
            Self::FieldsV1 => "v1.FieldsV1".into(),
            Self::RawExtension => "runtime.RawExtension".into(),
            Self::Json => "interface {}".into(),
            Self::SchemaOrBool(_) => "v1.JSONSchemaPropsOrBool".into(),
            Self::SchemaOrArray(_) => "v1.JSONSchemaPropsOrArray".into(),
            Self::SchemaOrStrings(_) => "v1.JSONSchemaPropsOrStringArray".into(),
            Self::Object(of) => of.go_name().into(),
            Self::List(of) => format!("[]{}", of.go_name()),
            Self::Map(of) => format!("map[string]{}", of.go_name()),
        }
    }

    /// The struct type, where values of this shape are structs.
    pub fn object(self) -> Option<&'static Type> {
        match self {
            Self::Object(of) => Some(of),
            _ => None,
        }
    }
}
