//! Joins OpenAPI and protobuf into types with fields, as they will be written.

use super::facts::{Facts, WireField};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A type to write.
#[derive(Debug)]
pub(crate) struct Type {
    /// The OpenAPI name.
    pub(crate) name: String,
    pub(crate) atomic: bool,
    pub(crate) fields: Vec<Field>,
    /// Go's embedded structs: one message in protobuf, flat in JSON.
    pub(crate) inlined: Vec<(u32, String)>,
}

/// A field to write.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The shape as source text.
    pub(crate) shape: String,
    pub(crate) number: u32,
    /// Calls that follow `Field::new`.
    pub(crate) marks: String,
}

/// Everything to write.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) types: BTreeMap<String, Type>,
    /// group, version, kind, type.
    pub(crate) kinds: BTreeSet<(String, String, String, String)>,
}

const PREFIX: &str = "#/definitions/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

impl Model {
    /// Those of these fields that no type has, as `Type.field`.
    pub(crate) fn without(&self, fields: &BTreeSet<(String, String)>) -> Vec<String> {
        let has = |of: &str, field: &str| {
            let named = self.types.values().filter(|known| names(&known.name).contains(&of));
            named.into_iter().any(|known| known.fields.iter().any(|known| known.name == field))
        };
        fields.iter().filter(|(of, field)| !has(of, field)).map(|(of, field)| format!("{of}.{field}")).collect()
    }
}

/// What a type is called in the table of pointers: `EndpointPort`, or `discovery.v1.EndpointPort`.
fn names(name: &str) -> [&str; 2] {
    let short = name.rsplit('.').next().unwrap_or_default();
    let versioned = name.rmatch_indices('.').nth(2).map_or(name, |(dot, _)| &name[dot + 1..]);
    [short, versioned]
}

/// Versions that are served though they are not yet generally available.
const EARLY: &[(&str, &str)] = &[("scheduling.k8s.io", "v1alpha2")];

/// Joins the facts, for every type that a served kind can contain.
pub(crate) fn build(facts: &Facts) -> Model {
    let mut kinds = BTreeSet::new();
    let mut queue = Vec::new();
    for (name, definition) in &facts.definitions {
        for gvk in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let part = |key: &str| gvk[key].as_str().unwrap_or_default().to_owned();
            let stable = part("version")[1..].chars().all(|c| c.is_ascii_digit());
            let early = EARLY.contains(&(part("group").as_str(), part("version").as_str()));
            if stable || early {
                kinds.insert((part("group"), part("version"), part("kind"), name.clone()));
                queue.push(name.clone());
            }
        }
    }
    let mut types = BTreeMap::new();
    while let Some(name) = queue.pop() {
        if types.contains_key(&name) || special(&name).is_some() {
            continue;
        }
        let definition = &facts.definitions[&name];
        references(definition, &mut queue);
        for made in join(facts, &name, definition) {
            types.insert(made.name.clone(), made);
        }
    }
    Model { types, kinds }
}

fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str) {
                into.push(name.trim_start_matches(PREFIX).to_owned());
            }
            map.values().for_each(|v| references(v, into));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, into)),
        _ => {}
    }
}

/// The shape of types that are no structs in JSON.
fn special(name: &str) -> Option<String> {
    let schema = static_path(&format!("{EXTENSIONS}.JSONSchemaProps"));
    let (package, short) = name.rsplit_once('.')?;
    Some(match (package, short) {
        ("io.k8s.apimachinery.pkg.api.resource", "Quantity") => "Shape::Quantity".into(),
        ("io.k8s.apimachinery.pkg.util.intstr", "IntOrString") => "Shape::IntOrString".into(),
        ("io.k8s.apimachinery.pkg.runtime", "RawExtension") => "Shape::RawExtension".into(),
        (META, "Time") => "Shape::Time".into(),
        (META, "MicroTime") => "Shape::MicroTime".into(),
        (META, "Duration") => "Shape::Duration".into(),
        (META, "FieldsV1") => "Shape::FieldsV1".into(),
        (META, "Patch") => "Shape::Json".into(),
        (EXTENSIONS, "JSON") => "Shape::Json".into(),
        (EXTENSIONS, "JSONSchemaPropsOrBool") => format!("Shape::SchemaOrBool(&{schema})"),
        (EXTENSIONS, "JSONSchemaPropsOrArray") => format!("Shape::SchemaOrArray(&{schema})"),
        (EXTENSIONS, "JSONSchemaPropsOrStringArray") => format!("Shape::SchemaOrStrings(&{schema})"),
        _ => return None,
    })
}

/// The module of a type: `core_v1`.
pub(crate) fn module(name: &str) -> String {
    let mut parts = name.rsplit('.').skip(1);
    let (version, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{group}_{version}")
}

/// The static of a type: `POD_SPEC`.
pub(crate) fn static_name(name: &str) -> String {
    let short: Vec<char> = name.rsplit('.').next().unwrap_or_default().chars().collect();
    let mut out = String::new();
    for (i, c) in short.iter().enumerate() {
        let follows_lower = i > 0 && (short[i - 1].is_lowercase() || short[i - 1].is_ascii_digit());
        let starts_word = i > 0 && short.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (follows_lower || starts_word) {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// The path of a type's static from any generated module.
pub(crate) fn static_path(name: &str) -> String {
    format!("super::{}::{}", module(name), static_name(name))
}

fn shape(property: &Value) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        let name = reference.trim_start_matches(PREFIX);
        return special(name).unwrap_or_else(|| format!("Shape::Object(&{})", static_path(name)));
    }
    match (property["type"].as_str().unwrap_or_default(), property["format"].as_str().unwrap_or_default()) {
        ("array", _) => format!("Shape::List(&{})", shape(&property["items"])),
        ("object", _) => format!("Shape::Map(&{})", shape(&property["additionalProperties"])),
        ("string", "byte") => "Shape::Bytes".into(),
        ("string", _) => "Shape::String".into(),
        ("integer", "int32") => "Shape::Int32".into(),
        ("integer", _) => "Shape::Int64".into(),
        ("number", _) => "Shape::Number".into(),
        ("boolean", _) => "Shape::Boolean".into(),
        other => panic!("a property of type {other:?}"),
    }
}

fn normal(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn package(name: &str) -> (String, String) {
    let wire = name.replacen("io.k8s.", "k8s.io.", 1).replace('-', "_");
    let (package, message) = wire.rsplit_once('.').unwrap_or_default();
    (package.to_owned(), message.to_owned())
}

/// The type, and the types of the structs embedded in it.
fn join(facts: &Facts, name: &str, definition: &Value) -> Vec<Type> {
    let required: BTreeSet<&str> =
        definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = definition["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, property)| Field {
            name: field.clone(),
            shape: shape(property),
            number: 0,
            marks: marks(
                property,
                required.contains(field.as_str()),
                names(name).iter().any(|of| facts.pointers.contains(&((*of).to_owned(), field.clone()))),
            ),
        })
        .collect();
    let atomic = definition["x-kubernetes-map-type"] == "atomic";
    let mut whole = Type { name: name.to_owned(), atomic, fields, inlined: Vec::new() };
    let mut embedded = Vec::new();
    number(facts, &mut whole, &package(name), &mut embedded);
    embedded.push(whole);
    embedded
}

/// Fills in field numbers; fields that a leftover message covers become a type of their own, by which they are sent.
fn number(facts: &Facts, whole: &mut Type, message: &(String, String), embedded: &mut Vec<Type>) {
    let Some(wire) = facts.messages.get(message) else { return };
    for field in &mut whole.fields {
        if let Some(found) = wire.iter().find(|w| normal(&w.name) == normal(&field.name)) {
            field.number = found.number;
        }
    }
    for WireField { number: at, of, name, .. } in wire {
        let inner = (message.0.clone(), of.clone());
        let taken = whole.fields.iter().any(|f| normal(&f.name) == normal(name));
        let Some(inner_fields) = facts.messages.get(&inner).filter(|_| !taken) else { continue };
        let covered: Vec<&Field> =
            whole.fields.iter().filter(|f| f.number == 0 && covers(facts, &inner.0, inner_fields, &f.name)).collect();
        if covered.is_empty() {
            continue;
        }
        let mut part = Type {
            name: format!("{}.Embedded{of}In{}", whole.name.rsplit_once('.').unwrap_or_default().0, message.1),
            atomic: false,
            fields: covered
                .iter()
                .map(|f| Field { name: f.name.clone(), shape: f.shape.clone(), number: 0, marks: f.marks.clone() })
                .collect(),
            inlined: Vec::new(),
        };
        number(facts, &mut part, &inner, embedded);
        whole.inlined.push((*at, part.name.clone()));
        embedded.push(part);
    }
}

fn covers(facts: &Facts, package: &str, fields: &[WireField], name: &str) -> bool {
    fields.iter().any(|w| {
        normal(&w.name) == normal(name)
            || (fields.len() < 3
                && facts
                    .messages
                    .get(&(package.to_owned(), w.of.clone()))
                    .is_some_and(|inner| inner.iter().any(|i| normal(&i.name) == normal(name))))
    })
}

fn marks(property: &Value, required: bool, pointer: bool) -> String {
    let text = |key: &str| property[key].as_str().unwrap_or_default();
    let mut marks = String::new();
    if required {
        marks.push_str(".required()");
    }
    if pointer {
        marks.push_str(".pointer()");
    }
    match text("x-kubernetes-list-type") {
        "set" => marks.push_str(".set()"),
        "map" => marks.push_str(&format!(".map(&{})", property["x-kubernetes-list-map-keys"])),
        _ => {}
    }
    if text("x-kubernetes-map-type") == "atomic" {
        marks.push_str(".atomic()");
    }
    for strategy in text("x-kubernetes-patch-strategy").split(',') {
        match strategy {
            "merge" => marks.push_str(&format!(".merge({:?})", text("x-kubernetes-patch-merge-key"))),
            "replace" => marks.push_str(".replace()"),
            "retainKeys" => marks.push_str(".retain_keys()"),
            _ => {}
        }
    }
    marks
}
