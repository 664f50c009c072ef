//! Types of the schema table as JSON schemas, with all that they refer to.

use super::descriptions::Descriptions;
use kubekit_core::catalog::Resource;
use kubekit_core::schema::{self, Field, ListKind, Shape, Type};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/// Kinds of `meta/v1` that every operation refers to.
const SHARED: &[&str] = &["DeleteOptions", "Status"];

/// A version of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 2.0: knows no alternatives, and lets a description stand beside a reference.
    V2,
    /// 3.0
    V3,
}

/// Schemas that are being collected.
pub(super) struct Schemas {
    dialect: Dialect,
    descriptions: Descriptions,
    /// Group, version, kind by type name.
    kinds: BTreeMap<&'static str, BTreeSet<(&'static str, &'static str, &'static str)>>,
    done: BTreeMap<String, Value>,
    queue: Vec<&'static Type>,
}

impl Schemas {
    /// None yet.
    pub(super) fn new(dialect: Dialect) -> Self {
        let mut kinds: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (group, version, kind, of) in schema::kinds() {
            kinds.entry(of.name).or_default().insert((*group, *version, *kind));
        }
        Self { dialect, descriptions: Descriptions::default(), kinds, done: BTreeMap::new(), queue: Vec::new() }
    }

    /// Adds what the operations on a resource refer to.
    pub(super) fn add_resource(&mut self, resource: &'static Resource) {
        self.descriptions.add(resource.schema);
        self.queue.push(resource.schema_type());
        self.queue.extend(schema::lookup(&format!("{}List", resource.schema)));
        for subresource in resource.subresources {
            if let Some(of) = schema::of_kind(subresource.group, subresource.version, subresource.kind) {
                self.descriptions.add(of.name);
                self.queue.push(of);
            }
        }
        for name in SHARED {
            let name = format!("{META}.{name}");
            self.descriptions.add(&name);
            self.queue.extend(schema::lookup(&name));
        }
        let text = "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.";
        self.scalar(&format!("{META}.Patch"), json!({ "type": "object", "description": text }));
        self.drain();
    }

    /// The schemas by name.
    pub(super) fn finish(self) -> Map<String, Value> {
        self.done.into_iter().collect()
    }

    fn drain(&mut self) {
        while let Some(of) = self.queue.pop() {
            if self.done.contains_key(of.name) {
                continue;
            }
            // Taken before it is made, for types that refer to themselves.
            self.done.insert(of.name.to_owned(), Value::Null);
            let schema = self.object(of);
            self.done.insert(of.name.to_owned(), schema);
        }
    }

    fn object(&mut self, of: &'static Type) -> Value {
        let described = self.descriptions.of(of.name).cloned().or_else(|| list_description(of)).unwrap_or_default();
        let mut schema = Map::new();
        if let Some(description) = described.get("description") {
            schema.insert("description".to_owned(), description.clone());
        }
        schema.insert("type".to_owned(), json!("object"));
        let mut properties = Map::new();
        for field in of.fields {
            let description = described["properties"][field.name].get("description").cloned();
            properties.insert(field.name.to_owned(), self.property(field, description));
        }
        if !properties.is_empty() {
            schema.insert("properties".to_owned(), Value::Object(properties));
        }
        let required: Vec<&str> = of.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if let Some(kinds) = self.kinds.get(of.name) {
            let kinds = kinds.iter().map(|(g, v, k)| json!({ "group": g, "version": v, "kind": k }));
            schema.insert("x-kubernetes-group-version-kind".to_owned(), kinds.collect());
        }
        if of.atomic {
            schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        if of.open {
            schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        }
        Value::Object(schema)
    }

    fn property(&mut self, field: &'static Field, description: Option<Value>) -> Value {
        let mut schema = match self.shape(field.shape) {
            Value::Object(map) if map.contains_key("$ref") && description.is_some() && self.dialect == Dialect::V3 => {
                // Nothing may stand beside a reference, so it is wrapped.
                Map::from_iter([("allOf".to_owned(), json!([Value::Object(map)]))])
            }
            Value::Object(map) => map,
            _ => Map::new(),
        };
        if let Some(description) = description {
            schema.insert("description".to_owned(), description);
        }
        if matches!(field.shape, Shape::List(_)) {
            let (kind, keys) = match field.list {
                ListKind::Atomic => ("atomic", &[][..]),
                ListKind::Set => ("set", &[][..]),
                ListKind::Map(keys) => ("map", keys),
            };
            schema.insert("x-kubernetes-list-type".to_owned(), json!(kind));
            if !keys.is_empty() {
                schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
            }
        } else if field.atomic {
            schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        let strategies =
            [("merge", field.patch.merge), ("replace", field.patch.replace), ("retainKeys", field.patch.retain_keys)];
        let strategies: Vec<&str> = strategies.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        if !strategies.is_empty() {
            schema.insert("x-kubernetes-patch-strategy".to_owned(), json!(strategies.join(",")));
        }
        if !field.merge_key.is_empty() {
            schema.insert("x-kubernetes-patch-merge-key".to_owned(), json!(field.merge_key));
        }
        Value::Object(schema)
    }

    fn shape(&mut self, shape: Shape) -> Value {
        match shape {
            Shape::String => json!({ "type": "string" }),
            Shape::Int32 => json!({ "type": "integer", "format": "int32" }),
            Shape::Int64 => json!({ "type": "integer", "format": "int64" }),
            Shape::Number => json!({ "type": "number", "format": "double" }),
            Shape::Boolean => json!({ "type": "boolean" }),
            Shape::Bytes => json!({ "type": "string", "format": "byte" }),
            Shape::Object(of) => {
                self.queue.push(of);
                self.reference(of.name)
            }
            Shape::List(of) => json!({ "type": "array", "items": self.shape(*of) }),
            Shape::Map(of) => json!({ "type": "object", "additionalProperties": self.shape(*of) }),
            Shape::Quantity => self.scalar(
                "io.k8s.apimachinery.pkg.api.resource.Quantity",
                json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
            ),
            Shape::IntOrString => self.scalar(
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" }),
            ),
            Shape::Time => self.scalar(&format!("{META}.Time"), json!({ "type": "string", "format": "date-time" })),
            Shape::MicroTime => {
                self.scalar(&format!("{META}.MicroTime"), json!({ "type": "string", "format": "date-time" }))
            }
            Shape::Duration => self.scalar(&format!("{META}.Duration"), json!({ "type": "string" })),
            Shape::FieldsV1 => self.scalar(&format!("{META}.FieldsV1"), json!({ "type": "object" })),
            Shape::RawExtension => {
                self.scalar("io.k8s.apimachinery.pkg.runtime.RawExtension", json!({ "type": "object" }))
            }
            Shape::Json => self.scalar(&format!("{EXTENSIONS}.JSON"), json!({})),
            Shape::SchemaOrBool(of) => self.scalar_beside(of, "JSONSchemaPropsOrBool"),
            Shape::SchemaOrArray(of) => self.scalar_beside(of, "JSONSchemaPropsOrArray"),
            Shape::SchemaOrStrings(of) => self.scalar_beside(of, "JSONSchemaPropsOrStringArray"),
        }
    }

    /// A type that is written as something simpler than a struct.
    fn scalar(&mut self, name: &str, mut schema: Value) -> Value {
        if !self.done.contains_key(name) {
            if self.dialect == Dialect::V2 && schema.get("oneOf").is_some() {
                let format = schema["format"].clone();
                schema = json!({ "type": "string" });
                if !format.is_null() {
                    schema["format"] = format;
                }
            }
            if let Some(description) = self.descriptions.of(name).and_then(|described| described.get("description")) {
                schema["description"] = description.clone();
            }
            self.done.insert(name.to_owned(), schema);
        }
        self.reference(name)
    }

    fn scalar_beside(&mut self, of: &'static Type, name: &str) -> Value {
        self.queue.push(of);
        self.scalar(&format!("{EXTENSIONS}.{name}"), json!({}))
    }

    fn reference(&self, name: &str) -> Value {
        let prefix = match self.dialect {
            Dialect::V2 => "#/definitions/",
            Dialect::V3 => "#/components/schemas/",
        };
        json!({ "$ref": format!("{prefix}{name}") })
    }
}

/// k8s-openapi has one generic type for lists, without words of its own.
fn list_description(of: &Type) -> Option<Value> {
    let kind = of.short_name().strip_suffix("List").filter(|_| of.field("items").is_some())?;
    Some(json!({ "description": format!("{kind}List is a list of {kind} objects.") }))
}
