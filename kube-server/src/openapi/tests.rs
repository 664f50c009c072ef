use super::*;
use std::collections::BTreeSet;

fn core() -> Value {
    document("", "v1")
}

/// Every `$ref` in a document.
fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        found.insert(target);
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_document_is_closed_and_described() {
    for (name, document) in DOCUMENTS.iter() {
        let value: Value = serde_json::from_slice(&document.bytes()).unwrap();
        let schemas = value["components"]["schemas"].as_object().unwrap();
        let mut found = BTreeSet::new();
        references(&value, &mut found);
        assert!(!found.is_empty(), "{name}");
        for target in found {
            let schema = target.strip_prefix("#/components/schemas/").unwrap();
            assert!(schemas.get(schema).is_some_and(Value::is_object), "{name}: {target}");
        }
        for resource in resources(document.group, document.version) {
            let schema = &schemas[resource.schema];
            assert!(schema["description"].is_string(), "{}: no description", resource.schema);
            let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
            let kinds = schema["x-kubernetes-group-version-kind"].as_array().unwrap();
            assert!(kinds.contains(&kind), "{}", resource.schema);
        }
    }
}

#[test]
fn schemas_say_how_lists_merge() {
    let document = core();
    let container = &document["components"]["schemas"]["io.k8s.api.core.v1.Container"];
    let ports = &container["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
    assert_eq!(ports["x-kubernetes-list-type"], "map");
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert_eq!(ports["items"]["$ref"], "#/components/schemas/io.k8s.api.core.v1.ContainerPort");
    assert!(ports["description"].as_str().unwrap().starts_with("List of ports"));
    assert_eq!(container["properties"]["args"]["x-kubernetes-list-type"], "atomic");
    assert_eq!(container["required"], json!(["name"]));
    let lifecycle = &container["properties"]["lifecycle"];
    assert_eq!(lifecycle["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Lifecycle");
    let int_or_string = &document["components"]["schemas"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
    assert_eq!(int_or_string["format"], "int-or-string");
}

#[test]
fn operations_carry_what_kubectl_looks_for() {
    let document = document("apps", "v1");
    let item = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let patch = &item["patch"];
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    assert_eq!(patch["x-kubernetes-group-version-kind"], kind);
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
    let types: Vec<&String> = patch["requestBody"]["content"].as_object().unwrap().keys().collect();
    assert!(types.iter().any(|t| *t == "application/apply-patch+yaml"), "{types:?}");
    let scale = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"];
    let kind = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
    assert_eq!(scale["x-kubernetes-group-version-kind"], kind);
    assert!(document["paths"]["/apis/apps/v1/deployments"]["get"].is_object());
    assert_eq!(item["get"]["operationId"], "readAppsV1NamespacedDeployment");
    let exec = &core()["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/exec"]["post"];
    assert_eq!(exec["x-kubernetes-action"], "connect");
}

#[test]
fn hashes_are_stable_and_differ() {
    let hashes: BTreeSet<&str> = DOCUMENTS.values().map(|document| document.hash.as_str()).collect();
    assert_eq!(hashes.len(), DOCUMENTS.len());
    assert!(hashes.iter().all(|hash| hash.len() == 128));
}

#[test]
fn structure_agrees_with_kubernetes() {
    let root = std::env::var("KUBEKIT_DATA")
        .map(std::path::PathBuf::from)
        .unwrap_or_else(|_| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    let Ok(text) = std::fs::read_to_string(root.join("openapi/kubernetes-1.36-swagger.json")) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "reference data is absent");
        println!("skipped: reference data is absent");
        return;
    };
    let theirs: Value = serde_json::from_str(&text).unwrap();
    let ours = swagger::document();
    let extension = |schema: &Value, name: &str| schema[format!("x-kubernetes-{name}")].clone();
    let mut differences = Vec::new();
    for (name, schema) in ours["definitions"].as_object().unwrap() {
        let Some(their) = theirs["definitions"].get(name) else { continue };
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let their = &their["properties"][field];
            for what in ["patch-strategy", "patch-merge-key", "list-map-keys"] {
                if extension(property, what) != extension(their, what) {
                    differences.push(format!("{name}.{field}: {what}"));
                }
            }
        }
        let required = |schema: &Value| -> BTreeSet<String> {
            schema["required"].as_array().into_iter().flatten().map(ToString::to_string).collect()
        };
        if required(schema) != required(their) {
            differences.push(format!("{name}: required {:?} {:?}", required(schema), required(their)));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}

#[test]
fn version_2_says_the_same_in_its_own_words() {
    let document = swagger::document();
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    let parameters = patch["parameters"].as_array().unwrap();
    assert_eq!(parameters[0]["in"], "body");
    assert_eq!(parameters[0]["schema"]["$ref"], "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
    let validation = parameters.iter().find(|p| p["name"] == "fieldValidation").unwrap();
    assert_eq!((&validation["in"], &validation["type"]), (&json!("query"), &json!("string")));
    assert_eq!(patch["responses"]["200"]["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.Pod");
    let definitions = &document["definitions"];
    assert_eq!(definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["format"], "int-or-string");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for target in found {
        assert!(definitions[target.strip_prefix("#/definitions/").unwrap()].is_object(), "{target}");
    }
}

#[test]
fn protobuf_carries_names_types_and_extensions() {
    let document = json!({
        "swagger": "2.0",
        "info": {"title": "T", "version": "v"},
        "definitions": {"A": {"type": "object", "x-k": [1]}},
    });
    // Document { swagger, info { title, version }, paths {}, definitions { { "A", { type { "object" }, "x-k": yaml } } } }
    let expected = b"\x0a\x032.0\x12\x06\x0a\x01T\x12\x01v\x42\x00\x4a\x21\x0a\x1f\x0a\x01A\x12\x1a\
        \xb2\x01\x08\x0a\x06object\xfa\x01\x0c\x0a\x03x-k\x12\x05\x12\x03[1]";
    assert_eq!(gnostic::encode(&document), expected);
}
