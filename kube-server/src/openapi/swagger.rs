//! OpenAPI v2: all groups in one document, for clients that know no other (`kubectl` before 1.29).

use super::operations;
use super::schemas::{Dialect, Schemas};
use crate::endpoints::version::GIT_VERSION;
use kubekit_core::catalog;
use serde_json::{Map, Value, json};

/// The whole document.
pub(super) fn document() -> Value {
    let mut schemas = Schemas::new(Dialect::V2);
    let mut paths = Map::new();
    for resource in catalog::builtin() {
        schemas.add_resource(resource);
        operations::add(&mut paths, resource);
    }
    for item in paths.values_mut() {
        *item = path_item(item);
    }
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": GIT_VERSION },
        "paths": paths,
        "definitions": schemas.finish(),
    })
}

/// A path item of OpenAPI v3 in the words of v2.
fn path_item(item: &Value) -> Value {
    let mut converted = Map::new();
    for (key, value) in item.as_object().into_iter().flatten() {
        let value = if key == "parameters" { parameters(value, None) } else { operation(value) };
        converted.insert(key.clone(), value);
    }
    Value::Object(converted)
}

fn operation(operation: &Value) -> Value {
    let mut converted = operation.as_object().cloned().unwrap_or_default();
    let body = converted.remove("requestBody");
    let content = body.as_ref().and_then(|body| body["content"].as_object());
    if let Some(content) = content {
        converted.insert("consumes".to_owned(), content.keys().cloned().collect());
    }
    let schema = content.and_then(|content| content.values().next()).map(|media| reference(&media["schema"]));
    if schema.is_some() || converted.contains_key("parameters") {
        let given = converted.remove("parameters").unwrap_or_default();
        converted.insert("parameters".to_owned(), parameters(&given, schema));
    }
    let mut produces = Vec::new();
    for response in converted.get_mut("responses").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
    {
        let Some(content) = response.as_object_mut().and_then(|response| response.remove("content")) else { continue };
        let content = content.as_object().cloned().unwrap_or_default();
        if let Some(media) = content.values().next() {
            response["schema"] = reference(&media["schema"]);
        }
        produces = content.keys().cloned().collect();
    }
    converted.insert("produces".to_owned(), json!(produces));
    converted.insert("schemes".to_owned(), json!(["https"]));
    Value::Object(converted)
}

fn parameters(given: &Value, body: Option<Value>) -> Value {
    let body = body.map(|schema| json!({ "in": "body", "name": "body", "required": true, "schema": schema }));
    let rest = given.as_array().into_iter().flatten().map(|parameter| {
        let mut parameter = parameter.as_object().cloned().unwrap_or_default();
        if let Some(Value::Object(schema)) = parameter.remove("schema") {
            parameter.extend(schema);
        }
        Value::Object(parameter)
    });
    body.into_iter().chain(rest).collect()
}

fn reference(schema: &Value) -> Value {
    let name = schema["$ref"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    json!({ "$ref": format!("#/definitions/{name}") })
}
