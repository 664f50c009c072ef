use super::*;
use crate::decode::{self, Limits};
use crate::test_data;
use proptest::prelude::*;
use serde_json::json;

/// Every object of Kubernetes' own round trip data whose kind is served: bytes to value, value to bytes.
#[test]
fn kubernetes_round_trip_data_agrees() {
    let Some(data) = test_data::path("api-objects") else { return };
    let mut checked = 0;
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let object: Value = serde_json::from_slice(&text).unwrap();
        let text_of = |field: &str| object[field].as_str().unwrap_or_default();
        let Ok(of) = type_of(text_of("apiVersion"), text_of("kind")) else { continue };
        let changed = path.with_extension("after_roundtrip.json");
        if changed.exists() || path.to_string_lossy().contains("after_roundtrip") {
            continue;
        }
        let expected = decode::json(&text, of, Limits::default()).unwrap().value;
        let bytes = std::fs::read(path.with_extension("pb")).unwrap();
        let decoded = decode(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(decoded, expected, "{}", path.display());
        let encoded = encode(&expected).unwrap();
        assert_eq!(decode(&encoded).unwrap(), expected, "{}", path.display());
        checked += 1;
    }
    assert!(checked > 60, "only {checked} kinds were compared");
}

#[track_caller]
fn check(object: Value) {
    let bytes = encode(&object).unwrap();
    assert_eq!(decode(&bytes).unwrap(), object);
}

#[test]
fn zeros_that_mean_something_survive() {
    check(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 0, "selector": {}, "template": {"spec": {
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "", "ports": [{"containerPort": 0}], "env": [{"name": "A"}]}],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "c", "optional": false}}]}}}}),
    );
    check(
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    check(
        json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1, "targetPort": 0}, {"port": 2, "targetPort": "web"}, {"port": 3, "targetPort": -1}]}}),
    );
}

#[test]
fn zeros_that_mean_nothing_are_dropped() {
    // metadata.namespace and spec.hostNetwork as Go sends them: always, even when empty.
    let mut meta = Writer::default();
    meta.bytes(1, b"a");
    meta.bytes(3, b"");
    meta.bytes(8, b"");
    let mut spec = Writer::default();
    spec.varint(11, 0);
    let mut pod = Writer::default();
    pod.bytes(1, meta.as_slice());
    pod.bytes(2, spec.as_slice());
    let mut kind = Writer::default();
    kind.bytes(1, b"v1");
    kind.bytes(2, b"Pod");
    let mut envelope = Writer::default();
    envelope.raw(MAGIC);
    envelope.bytes(1, kind.as_slice());
    envelope.bytes(2, pod.as_slice());
    assert_eq!(
        decode(envelope.as_slice()).unwrap(),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}})
    );
}

#[test]
fn special_messages_round_trip() {
    check(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": [
        {"name": "v1", "served": false, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"a": {"items": {"type": "string"}, "additionalProperties": {"type": "integer"}, "default": {"x": [1, null]}, "enum": ["a", 1, null]},
                "b": {"items": [{"type": "string"}], "additionalProperties": false, "dependencies": {"c": ["d"]}}}}}}]}}),
    );
    check(
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "a", "extra": {"k": ["v", "w"]}}, "status": {"allowed": false}}),
    );
    check(
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background", "preconditions": {"uid": "u"}}),
    );
    check(
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"renewTime": "2024-01-01T00:00:00.000001Z", "holderIdentity": ""}}),
    );
    check(
        json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}]}),
    );
}

#[test]
fn what_is_no_message_is_refused() {
    #[track_caller]
    fn refused(bytes: &[u8], text: &str) {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    refused(b"", "expected prefix [107 56 115 0]");
    refused(b"{}", "expected prefix");
    refused(b"k8s\0", "no kind \"\" is registered for version \"\"");
    refused(b"k8s\0\x0a\x7f", "unexpected EOF");
    refused(b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "integer overflow");
    let good = encode(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "abc"}})).unwrap();
    for length in 4..good.len() {
        let _ = decode(&good[..length]);
    }
    assert!(matches!(encode(&json!({"apiVersion": "x/v1", "kind": "Y"})), Err(Error::UnknownKind { .. })));
    assert!(encode(&json!({"apiVersion": "v1", "kind": "Pod", "spec": 1})).is_err());
    assert!(encode(&json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "?"}})).is_err());
}

#[test]
fn nesting_is_bounded() {
    let mut schema = json!({});
    for _ in 0..200 {
        schema = json!({"not": schema});
    }
    let object = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}});
    assert!(encode(&object).unwrap_err().to_string().contains("exceeded max depth"));
}

#[test]
fn durations_read_and_write() {
    #[track_caller]
    fn check(text: &str, nanos: Option<i64>, canonical: &str) {
        assert_eq!(duration::parse(text), nanos, "{text}");
        if let Some(nanos) = nanos {
            assert_eq!(duration::format(nanos), canonical);
            assert_eq!(duration::parse(canonical), Some(nanos));
        }
    }
    check("1h30m", Some(5_400_000_000_000), "1h30m0s");
    check("1.5s", Some(1_500_000_000), "1.5s");
    check("-2ms", Some(-2_000_000), "-2ms");
    check("1500us", Some(1_500_000), "1.5ms");
    check("0", Some(0), "0s");
    check("100ns", Some(100), "100ns");
    for bad in ["", "1", "s", "1x", "1..5s", "-", "99999999999h", "9999999999999999999s"] {
        check(bad, None, "");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut body = MAGIC.to_vec();
        let mut kind = Writer::default();
        kind.bytes(1, b"v1");
        kind.bytes(2, b"Pod");
        let mut envelope = Writer::default();
        envelope.bytes(1, kind.as_slice());
        envelope.bytes(2, &bytes);
        body.extend(envelope.into_vec());
        let _ = decode(&body);
        let _ = decode(&bytes);
    }
}
