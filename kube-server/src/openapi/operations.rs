//! Paths and their operations, as far as clients read them: actions, kinds, parameters, bodies.

use kubekit_core::catalog::{Resource, Subresource};
use kubekit_core::schema;
use serde_json::{Map, Value, json};

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const MEDIA_TYPES: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const ANY: &[&str] = &["*/*"];
const PATCH_TYPES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Query parameters by name: type and what they do.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("allowWatchBookmarks", "boolean", "allowWatchBookmarks requests watch events with type \"BOOKMARK\"."),
    ("continue", "string", "The continue option should be set when retrieving more results from the server."),
    ("fieldSelector", "string", "A selector to restrict the list of returned objects by their fields."),
    ("labelSelector", "string", "A selector to restrict the list of returned objects by their labels."),
    ("limit", "integer", "limit is a maximum number of responses to return for a list call."),
    (
        "resourceVersion",
        "string",
        "resourceVersion sets a constraint on what resource versions a request may be served from.",
    ),
    ("resourceVersionMatch", "string", "resourceVersionMatch determines how resourceVersion is applied to list calls."),
    (
        "sendInitialEvents",
        "boolean",
        "sendInitialEvents may be set together with watch=true to begin with the present state.",
    ),
    ("timeoutSeconds", "integer", "Timeout for the list/watch call."),
    ("watch", "boolean", "Watch for changes to the described resources and return them as a stream of notifications."),
    ("dryRun", "string", "When present, indicates that modifications should not be persisted. Valid values are: All."),
    (
        "fieldManager",
        "string",
        "fieldManager is a name associated with the actor or entity that is making these changes.",
    ),
    (
        "fieldValidation",
        "string",
        "fieldValidation instructs the server on how to handle objects containing unknown or duplicate fields. Valid values are: Ignore, Warn, Strict.",
    ),
    (
        "force",
        "boolean",
        "Force is going to \"force\" Apply requests. It means user will re-acquire conflicting fields owned by other people.",
    ),
    ("gracePeriodSeconds", "integer", "The duration in seconds before the object should be deleted."),
    ("orphanDependents", "boolean", "Deprecated: please use the PropagationPolicy."),
    (
        "propagationPolicy",
        "string",
        "Whether and how garbage collection will be performed: Orphan, Background or Foreground.",
    ),
];

const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const APPLY: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];
const DELETE_COLLECTION: &[&str] = &[
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "labelSelector",
    "limit",
    "orphanDependents",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
];

/// One operation on its way into the document.
struct Operation<'a> {
    method: &'static str,
    action: &'static str,
    /// `replace` in `replaceAppsV1NamespacedDeployment`.
    id: &'a str,
    parameters: &'static [&'static str],
    /// Media types and schema of the request's body.
    body: Option<(&'static [&'static str], &'a str)>,
    /// Schema of the answer.
    answer: &'a str,
    created: bool,
}

/// Adds the paths of a resource.
pub(super) fn add(paths: &mut Map<String, Value>, resource: &'static Resource) {
    let base = match resource.group {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    let scope = if resource.is_namespaced() { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{base}{scope}/{}", resource.plural);
    let item = format!("{collection}/{{name}}");
    let kind = Kind { group: resource.group, version: resource.version, kind: resource.kind };
    let list = format!("{}List", resource.schema);
    for verb in resource.verbs {
        let Some((operation, on_item)) = operation(verb, resource.schema, &list) else { continue };
        let path = if on_item { &item } else { &collection };
        insert(paths, path, resource, &kind, "", &operation);
        if *verb == "list" && resource.is_namespaced() {
            let everywhere = format!("{base}/{}", resource.plural);
            insert(paths, &everywhere, resource, &kind, "ForAllNamespaces", &operation);
        }
    }
    for subresource in resource.subresources {
        add_subresource(paths, &format!("{item}/{}", subresource.name), resource, subresource);
    }
}

fn add_subresource(
    paths: &mut Map<String, Value>,
    path: &str,
    resource: &'static Resource,
    subresource: &'static Subresource,
) {
    let kind = Kind { group: subresource.group, version: subresource.version, kind: subresource.kind };
    let schema = schema::of_kind(kind.group, kind.version, kind.kind).map_or("", |of| of.name);
    let streams = matches!(subresource.name, "exec" | "attach" | "portforward" | "proxy");
    let suffix = capitalized(subresource.name);
    for verb in subresource.verbs {
        let Some((mut operation, _)) = operation(verb, schema, "") else { continue };
        if streams {
            operation = Operation { action: "connect", id: "connect", body: None, answer: "", ..operation };
        }
        insert(paths, path, resource, &kind, &suffix, &operation);
    }
}

/// What a verb does to a schema, and whether it does it to one object.
fn operation<'a>(verb: &str, schema: &'a str, list: &'a str) -> Option<(Operation<'a>, bool)> {
    let read = Operation {
        method: "get",
        action: "get",
        id: "read",
        parameters: &[],
        body: None,
        answer: schema,
        created: false,
    };
    Some(match verb {
        "get" => (read, true),
        "list" => (Operation { action: "list", id: "list", parameters: LIST, answer: list, ..read }, false),
        "create" => (write("post", "create", WRITE, (ANY, schema), read), false),
        "update" => (write("put", "replace", WRITE, (ANY, schema), read), true),
        "patch" => (write("patch", "patch", APPLY, (PATCH_TYPES, PATCH), read), true),
        "delete" => (remove("delete", "delete", DELETE, read), true),
        "deletecollection" => (remove("deletecollection", "deleteCollection", DELETE_COLLECTION, read), false),
        _ => return None,
    })
}

/// An operation that writes an object and answers with it.
fn write<'a>(
    method: &'static str,
    id: &'static str,
    parameters: &'static [&'static str],
    body: (&'static [&'static str], &'a str),
    read: Operation<'a>,
) -> Operation<'a> {
    Operation { method, action: method, id, parameters, body: Some(body), created: true, ..read }
}

/// An operation that deletes, and answers with a Status.
fn remove<'a>(
    action: &'static str,
    id: &'static str,
    parameters: &'static [&'static str],
    read: Operation<'a>,
) -> Operation<'a> {
    let body = Some((ANY, DELETE_OPTIONS));
    Operation { method: "delete", action, id, parameters, body, answer: STATUS, ..read }
}

struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

fn insert(
    paths: &mut Map<String, Value>,
    path: &str,
    resource: &Resource,
    kind: &Kind,
    suffix: &str,
    operation: &Operation<'_>,
) {
    let item = paths.entry(path).or_insert_with(|| json!({ "parameters": path_parameters(path) }));
    let group = resource.group.split('.').next().filter(|name| !name.is_empty()).unwrap_or("core");
    let tag = format!("{group}_{}", resource.version);
    let scope = if path.contains("{namespace}") { "Namespaced" } else { "" };
    let id = format!(
        "{}{}{}{scope}{}{suffix}",
        operation.id,
        capitalized(group),
        capitalized(resource.version),
        resource.kind
    );
    let mut object = json!({
        "tags": [tag],
        "description": format!("{} {}", operation.id, resource.kind),
        "operationId": id,
        "responses": responses(operation),
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
    });
    if !operation.parameters.is_empty() {
        object["parameters"] = operation.parameters.iter().map(|name| query_parameter(name)).collect();
    }
    if let Some((media_types, schema)) = operation.body.filter(|(_, schema)| !schema.is_empty()) {
        object["requestBody"] = json!({ "content": content(media_types, schema) });
    }
    item[operation.method] = object;
}

fn responses(operation: &Operation<'_>) -> Value {
    let answer = |description: &str| match operation.answer {
        "" => json!({ "description": description }),
        schema => json!({ "description": description, "content": content(MEDIA_TYPES, schema) }),
    };
    let mut responses = json!({ "200": answer("OK"), "401": { "description": "Unauthorized" } });
    if operation.created && operation.action != "connect" {
        responses["201"] = answer("Created");
    }
    responses
}

fn content(media_types: &[&str], schema: &str) -> Map<String, Value> {
    let schema = json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } });
    media_types.iter().map(|media_type| ((*media_type).to_owned(), schema.clone())).collect()
}

fn query_parameter(name: &str) -> Value {
    let (_, kind, description) =
        PARAMETERS.iter().find(|(known, _, _)| *known == name).copied().unwrap_or((name, "string", ""));
    json!({ "name": name, "in": "query", "description": description, "schema": { "type": kind, "uniqueItems": true } })
}

fn path_parameters(path: &str) -> Vec<Value> {
    let known =
        [("name", "name of the object"), ("namespace", "object name and auth scope, such as for teams and projects")];
    let mut parameters: Vec<Value> = known
        .iter()
        .filter(|(name, _)| path.contains(&format!("{{{name}}}")))
        .map(|(name, description)| {
            json!({
                "name": name,
                "in": "path",
                "description": description,
                "required": true,
                "schema": { "type": "string", "uniqueItems": true },
            })
        })
        .collect();
    parameters.push(json!({
        "name": "pretty",
        "in": "query",
        "description": "If 'true', then the output is pretty printed.",
        "schema": { "type": "string", "uniqueItems": true },
    }));
    parameters
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}
