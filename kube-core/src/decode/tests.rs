use super::*;
use crate::schema;
use proptest::prelude::*;
use serde_json::json;

fn kind(group: &str, kind: &str) -> &'static Type {
    schema::of_kind(group, "v1", kind).expect("a built-in kind")
}

#[track_caller]
fn check(of: &'static Type, body: &str, expected: Value, problems: &[&str]) {
    let decoded = json(body.as_bytes(), of, Limits::default()).unwrap_or_else(|e| panic!("{body}: {e}"));
    assert_eq!(decoded.value, expected);
    assert_eq!(decoded.problems, problems);
    let again = value(serde_json::from_str(body).unwrap(), of).unwrap();
    assert_eq!(again.value, expected, "a parsed value is checked alike");
    let yaml = yaml(body.as_bytes(), of, Limits::default()).unwrap();
    assert_eq!(yaml.value, expected, "JSON is YAML");
    assert_eq!(yaml.problems, problems, "JSON is YAML");
}

#[track_caller]
fn check_error(of: &'static Type, body: &str, text: &str) {
    let error = json(body.as_bytes(), of, Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), text, "{body}");
}

#[test]
fn known_fields_stay() {
    check(
        kind("apps", "Deployment"),
        r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","creationTimestamp":null,"labels":{"x":"y"}},
            "spec":{"replicas":3,"strategy":{},"template":{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}}}]}}}}"#,
        json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","labels":{"x":"y"}},
            "spec":{"replicas":3,"strategy":{},"template":{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"500m","memory":"1Gi"}}}]}}}}),
        &[],
    );
}

#[test]
fn unknown_and_duplicate_fields_are_told() {
    check(
        kind("apps", "Deployment"),
        r#"{"spec":{"foo":{"a":[1]},"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"name":"a"},{"name":"b","Image":"x"}]}}},
            "metadata":{"labels":{"a":"1","a":"2"}},"metadata":{"name":"n"}}"#,
        json!({"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}},"metadata":{"name":"n"}}),
        &[
            r#"unknown field "spec.foo""#,
            r#"duplicate field "spec.replicas""#,
            r#"unknown field "spec.template.spec.containers[1].Image""#,
            r#"duplicate field "metadata.labels.a""#,
            r#"duplicate field "metadata""#,
        ]
        .into_iter()
        .collect::<Vec<_>>(),
    );
}

#[test]
fn empty_lists_and_maps_are_left_out() {
    check(
        kind("apps", "Deployment"),
        r#"{"spec":{"selector":{"matchLabels":{}},"template":{"spec":{"tolerations":[],"nodeSelector":{},"containers":[],"volumes":[{"name":"a","emptyDir":{}}]}}}}"#,
        json!({"spec":{"selector":{},"template":{"spec":{"containers":[],"volumes":[{"name":"a","emptyDir":{}}]}}}}),
        &[],
    );
    check(kind("", "ConfigMap"), r#"{"data":{},"metadata":{"labels":{}}}"#, json!({"metadata":{}}), &[]);
    check(kind("rbac.authorization.k8s.io", "ClusterRole"), r#"{"rules":[]}"#, json!({"rules":[]}), &[]);
}

#[test]
fn nulls_are_absent_or_zero() {
    check(
        kind("", "ConfigMap"),
        r#"{"data":{"a":null,"b":"c"},"binaryData":null,"metadata":{"finalizers":["x",null]}}"#,
        json!({"data":{"a":"","b":"c"},"metadata":{"finalizers":["x",""]}}),
        &[],
    );
}

#[test]
fn special_shapes() {
    check(
        kind("", "Service"),
        r#"{"metadata":{"creationTimestamp":"2024-01-01T01:00:00.123+01:00"},"spec":{"ports":[{"port":80,"targetPort":"http"},{"port":81,"targetPort":8080}]}}"#,
        json!({"metadata":{"creationTimestamp":"2024-01-01T00:00:00Z"},"spec":{"ports":[{"port":80,"targetPort":"http"},{"port":81,"targetPort":8080}]}}),
        &[],
    );
    check(
        kind("coordination.k8s.io", "Lease"),
        r#"{"spec":{"renewTime":"2024-01-01T00:00:00.5Z"}}"#,
        json!({"spec":{"renewTime":"2024-01-01T00:00:00.500000Z"}}),
        &[],
    );
    check(
        kind("apiextensions.k8s.io", "CustomResourceDefinition"),
        r#"{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"properties":{"a":{"items":{"type":"string"},"additionalProperties":false,"default":{"x":null}}}}}}]}}"#,
        json!({"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"properties":{"a":{"items":{"type":"string"},"additionalProperties":false,"default":{"x":null}}}}}}]}}),
        &[],
    );
    check(
        &schema::CUSTOM,
        r#"{"metadata":{"name":"a","foo":1},"spec":{"any":[null]},"kind":"X"}"#,
        json!({"metadata":{"name":"a"},"spec":{"any":[null]},"kind":"X"}),
        &[r#"unknown field "metadata.foo""#],
    );
}

#[test]
fn wrong_types_are_told_in_gos_words() {
    let deployment = kind("apps", "Deployment");
    for (body, text) in [
        (
            r#"{"spec":{"replicas":"3"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"replicas":3.5}}"#,
            "json: cannot unmarshal number 3.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"replicas":3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"paused":"yes"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            r#"{"spec":[]}"#,
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"env":[{"value":1}]}]}}}}"#,
            "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (r#"[]"#, "json: cannot unmarshal array into Go value of type v1.Deployment"),
        (
            r#"{"metadata":{"creationTimestamp":"never"}}"#,
            r#"parsing time "never" as "2006-01-02T15:04:05Z07:00": cannot parse "never" as "2006""#,
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"one"}}}]}}}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ] {
        check_error(deployment, body, text);
    }
    check_error(kind("", "Secret"), r#"{"data":{"a":"?"}}"#, "illegal base64 data at input byte 0");
}

#[test]
fn answers_to_the_client() {
    let error = json(br#"{"spec":{"replicas":"3"}}"#, kind("apps", "Deployment"), Limits::default()).unwrap_err();
    let answer = error.to_api_error("Deployment", "v1");
    assert_eq!(answer.code(), 400);
    assert_eq!(
        answer.message,
        "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    );
    let error = json(b"{", kind("", "Pod"), Limits::default()).unwrap_err();
    assert_eq!(
        error.to_api_error("Pod", "v1").message,
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input ({)"
    );
    let error = json(b"{}", kind("", "Pod"), Limits { bytes: 1 }).unwrap_err();
    assert_eq!(
        (error.to_api_error("Pod", "v1").code(), error.to_string().as_str()),
        (413, "Request entity too large: limit is 1")
    );
    let strict = strict_error("Pod", "v1", &["unknown field \"a\"".to_owned(), "unknown field \"b\"".to_owned()]);
    assert_eq!(
        strict.message,
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"a\", unknown field \"b\""
    );
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{{\"spec\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for of in [kind("", "Pod"), &schema::CUSTOM] {
        assert!(matches!(json(deep.as_bytes(), of, Limits::default()), Err(Error::Syntax { .. } | Error::Type(_))));
        assert!(yaml(deep.as_bytes(), of, Limits::default()).is_err());
    }
    assert!(raw_json(deep.as_bytes(), Limits::default()).is_err());
    assert!(raw_yaml(deep.as_bytes(), Limits::default()).is_err());
    let nested = format!("{}a: 1", (0..5000).map(|_| "- ").collect::<String>());
    assert!(raw_yaml(nested.as_bytes(), Limits::default()).is_err());
}

#[test]
fn aliases_are_bounded() {
    let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (this, before) in ('b'..='i').zip('a'..='h') {
        laughs += &format!("{this}: &{this} [{}]\n", vec![format!("*{before}"); 9].join(","));
    }
    assert!(raw_yaml(laughs.as_bytes(), Limits::default()).is_err());
    assert!(yaml(laughs.as_bytes(), &schema::CUSTOM, Limits::default()).is_err());
    let fair = "a: &a {x: 1}\nb: *a\n";
    assert_eq!(raw_yaml(fair.as_bytes(), Limits::default()).unwrap(), json!({"a": {"x": 1}, "b": {"x": 1}}));
}

#[test]
fn numbers_that_begin_with_a_zero_are_octal_in_yaml() {
    let body = b"spec:\n  defaultMode: 0400\n  a: 0o17\n  b: 0\n  c: 10\n  d: \"0400\"\n  e: 0.5\n";
    let expected = json!({"spec": {"defaultMode": 256, "a": 15, "b": 0, "c": 10, "d": "0400", "e": 0.5}});
    assert_eq!(raw_yaml(body, Limits::default()).unwrap(), expected);
    let pod = b"spec:\n  volumes:\n  - name: v\n    secret: {secretName: s, defaultMode: 0644}\n";
    let decoded = yaml(pod, kind("", "Pod"), Limits::default()).unwrap();
    assert_eq!(decoded.value["spec"]["volumes"][0]["secret"]["defaultMode"], 420);
}

#[test]
fn yaml_reads_as_kubernetes_means_it() {
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {n: \"1\"}\ndata:\n  b: |\n    text\n";
    let decoded = yaml(body.as_bytes(), kind("", "ConfigMap"), Limits::default()).unwrap();
    assert_eq!(
        decoded.value,
        json!({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"n":"1"}},"data":{"b":"text\n"}})
    );
    let wrong = yaml(b"data:\n  b: 1\n", kind("", "ConfigMap"), Limits::default()).unwrap_err();
    assert_eq!(wrong.to_string(), "json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
    assert_eq!(
        raw_yaml(b"1: a\nb: null\nc: true\nd: 1.5", Limits::default()).unwrap(),
        json!({"1":"a","b":null,"c":true,"d":1.5})
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = json(&bytes, kind("", "Pod"), Limits::default());
        let _ = yaml(&bytes, kind("", "Pod"), Limits::default());
        let _ = raw_yaml(&bytes, Limits::default());
    }

    #[test]
    fn random_values_never_panic(value in arbitrary_value()) {
        for of in [kind("", "Pod"), kind("apps", "Deployment"), kind("", "Secret"), &schema::CUSTOM] {
            let _ = super::value(value.clone(), of);
        }
    }
}

fn arbitrary_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let names = "metadata|spec|status|data|template|containers|labels|replicas|name|volumes|[a-z]{1,3}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}
