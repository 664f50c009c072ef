//! What a server does with a create, a patch, an apply and a delete, step by step, with nothing but this crate.

use jiff::Timestamp;
use kubekit_core::apply::{self, Writer};
use kubekit_core::decode::{self, Limits};
use kubekit_core::deletion::{self, Decision};
use kubekit_core::environment::Random;
use kubekit_core::field::Path;
use kubekit_core::meta::{self, CreateContext};
use kubekit_core::{catalog, patch, protobuf};
use serde_json::{Value, json};

#[derive(Debug)]
struct Fixed;

impl Random for Fixed {
    fn next_u64(&self) -> u64 {
        7
    }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a time")
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, api_version: "apps/v1", subresource: "", now: now() }
}

fn created(body: &[u8]) -> Value {
    let resource = catalog::find("apps", "v1", "deployments").expect("a built-in resource");
    let decoded = decode::json(body, resource.schema_type(), Limits::default()).expect("a good body");
    assert_eq!(decoded.problems, Vec::<String>::new());
    let mut object = decoded.value;
    let context = CreateContext { namespace: "default", has_generation: true, now: now(), random: &Fixed };
    meta::prepare_create(&mut object, &context).expect("a good object");
    resource.rules.prepare_create(&mut object);
    resource.rules.default(&mut object);
    let mut errors = meta::validate(&object["metadata"], true, resource.rules.name_rule(), &Path::new("metadata"));
    errors.extend(resource.rules.validate(&object));
    assert_eq!(errors, []);
    apply::track(None, &mut object, resource.schema_type(), writer("tester"));
    object
}

const BODY: &[u8] = br#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generateName":"web-"},
    "spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
    "spec":{"containers":[{"name":"a","image":"i:1"}]}}}}"#;

#[test]
fn a_create_fills_in_what_the_author_left_out() {
    let object = created(BODY);
    let metadata = &object["metadata"];
    assert!(metadata["name"].as_str().is_some_and(|name| name.len() == "web-".len() + 5));
    assert_eq!((&metadata["namespace"], &metadata["generation"]), (&json!("default"), &json!(1)));
    assert_eq!(metadata["creationTimestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(metadata["managedFields"][0]["manager"], "tester");
}

#[test]
fn a_patched_object_is_checked_like_a_body() {
    let resource = catalog::find("apps", "v1", "deployments").expect("a built-in resource");
    let old = created(BODY);
    let change =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "i:2", "imagee": "x"}]}}}});
    let patched = patch::strategic(old.clone(), change, resource.schema_type()).unwrap();
    let decoded = decode::value(patched, resource.schema_type()).unwrap();
    assert_eq!(decoded.problems, [r#"unknown field "spec.template.spec.containers[0].imagee""#]);
    let mut new = decoded.value;
    meta::prepare_update(&mut new, &old);
    meta::advance_generation(&mut new, &old);
    assert_eq!(new["metadata"]["generation"], 2);
    apply::track(Some(&old), &mut new, resource.schema_type(), writer("patcher"));
    let refused = apply::apply(
        Some(&new),
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "i:3"}]}}}}),
        resource.schema_type(),
        writer("applier"),
        false,
    )
    .unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"patcher\" using apps/v1: .spec.template.spec.containers[name=\"a\"].image"
    );
}

#[test]
fn a_delete_in_the_foreground_waits_for_dependents() {
    let resource = catalog::find("apps", "v1", "deployments").expect("a built-in resource");
    let options = deletion::Options::parse(&json!({"propagationPolicy": "Foreground"})).unwrap();
    let Decision::Mark(mut marked) = deletion::decide(&created(BODY), &options, resource.rules, now()) else {
        panic!("not marked");
    };
    assert_eq!(marked["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(!deletion::completes(&marked));
    marked["metadata"]["finalizers"] = json!([]);
    assert!(deletion::completes(&marked));
}

#[test]
fn objects_travel_in_protobuf() {
    let object = created(BODY);
    assert_eq!(protobuf::decode(&protobuf::encode(&object).unwrap()).unwrap(), object);
}
