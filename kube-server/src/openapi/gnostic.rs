//! OpenAPI v2 in protobuf: the form that `kubectl` before 1.29 insists on.
//!
//! Source: `openapiv2/OpenAPIv2.proto` of github.com/google/gnostic, whose field numbers these are.

use serde_json::{Map, Value};

/// The media type of the form.
pub(super) const MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The media type under which Kubernetes answers.
pub(super) const CONTENT_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// A message of protobuf in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.varint(u64::from(number) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A string field; an absent or empty one is left out.
    fn text(&mut self, number: u32, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u32, list: &Value) {
        for text in list.as_array().into_iter().flatten() {
            self.text(number, text);
        }
    }

    fn boolean(&mut self, number: u32, value: &Value) {
        if value == &Value::Bool(true) {
            self.varint(u64::from(number) << 3);
            self.varint(1);
        }
    }

    fn message(&mut self, number: u32, message: &Self) {
        self.bytes(number, &message.0);
    }

    /// A map is a list of names and values.
    fn named(&mut self, number: u32, name: &str, value: &Self) {
        let mut entry = Self::default();
        entry.bytes(1, name.as_bytes());
        entry.message(2, value);
        self.message(number, &entry);
    }

    /// The fields that begin with `x-`, as YAML (of which JSON is a part).
    fn extensions(&mut self, number: u32, object: &Value) {
        for (name, value) in object.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
            let mut any = Self::default();
            any.bytes(2, value.to_string().as_bytes());
            self.named(number, name, &any);
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Encodes a document of OpenAPI v2.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    message.message(2, &info);
    let mut paths = Message::default();
    for (path, item) in entries(&document["paths"]) {
        paths.named(2, path, &path_item(item));
    }
    message.message(8, &paths);
    let mut definitions = Message::default();
    for (name, value) in entries(&document["definitions"]) {
        definitions.named(1, name, &schema(value));
    }
    message.message(9, &definitions);
    message.0
}

fn path_item(item: &Value) -> Message {
    let mut message = Message::default();
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(value) = item.get(method) {
            message.message(number, &operation(value));
        }
    }
    parameters(&mut message, 9, &item["parameters"]);
    message
}

fn operation(operation: &Value) -> Message {
    let mut message = Message::default();
    message.texts(1, &operation["tags"]);
    message.text(3, &operation["description"]);
    message.text(5, &operation["operationId"]);
    message.texts(6, &operation["produces"]);
    message.texts(7, &operation["consumes"]);
    parameters(&mut message, 8, &operation["parameters"]);
    let mut responses = Message::default();
    for (code, response) in entries(&operation["responses"]) {
        let mut answer = Message::default();
        answer.text(1, &response["description"]);
        if let Some(value) = response.get("schema") {
            let mut item = Message::default();
            item.message(1, &schema(value));
            answer.message(2, &item);
        }
        let mut value = Message::default();
        value.message(1, &answer);
        responses.named(1, code, &value);
    }
    message.message(9, &responses);
    message.texts(10, &operation["schemes"]);
    message.extensions(13, operation);
    message
}

fn parameters(message: &mut Message, number: u32, list: &Value) {
    for parameter in list.as_array().into_iter().flatten() {
        let mut of_kind = Message::default();
        if parameter["in"] == "body" {
            let mut body = Message::default();
            body.text(2, &parameter["name"]);
            body.text(3, &parameter["in"]);
            body.boolean(4, &parameter["required"]);
            body.message(5, &schema(&parameter["schema"]));
            of_kind.message(1, &body);
        } else {
            // Parameters of the query may be empty, which takes a number of those of the path.
            let is_query = parameter["in"] == "query";
            let mut other = Message::default();
            other.boolean(1, &parameter["required"]);
            other.text(2, &parameter["in"]);
            other.text(3, &parameter["description"]);
            other.text(4, &parameter["name"]);
            other.text(if is_query { 6 } else { 5 }, &parameter["type"]);
            other.boolean(if is_query { 20 } else { 19 }, &parameter["uniqueItems"]);
            let mut non_body = Message::default();
            non_body.message(if is_query { 3 } else { 4 }, &other);
            of_kind.message(2, &non_body);
        }
        let mut item = Message::default();
        item.message(1, &of_kind);
        message.message(number, &item);
    }
}

fn schema(schema: &Value) -> Message {
    let mut message = Message::default();
    message.text(1, &schema["$ref"]);
    message.text(2, &schema["format"]);
    message.text(4, &schema["description"]);
    message.texts(19, &schema["required"]);
    if let Some(value) = schema.get("additionalProperties") {
        let mut item = Message::default();
        item.message(1, &self::schema(value));
        message.message(21, &item);
    }
    if schema["type"].is_string() {
        let mut item = Message::default();
        item.text(1, &schema["type"]);
        message.message(22, &item);
    }
    if let Some(value) = schema.get("items") {
        let mut item = Message::default();
        item.message(1, &self::schema(value));
        message.message(23, &item);
    }
    if let Some(properties) = schema.get("properties") {
        let mut item = Message::default();
        for (name, value) in entries(properties) {
            item.named(1, name, &self::schema(value));
        }
        message.message(25, &item);
    }
    message.extensions(31, schema);
    message
}
