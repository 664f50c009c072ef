use super::*;
use crate::environment::Random;
use crate::field::{ErrorList, Path};
use crate::rules::NameRule;
use serde_json::json;

#[derive(Debug)]
struct Zero;

impl Random for Zero {
    fn next_u64(&self) -> u64 {
        0
    }
}

fn context(namespace: &str) -> CreateContext<'_> {
    CreateContext { namespace, has_generation: true, now: jiff::Timestamp::UNIX_EPOCH, random: &Zero }
}

#[track_caller]
fn check_errors(found: ErrorList, expected: &[&str]) {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\ndoes not begin with\n{expected}");
    }
}

#[test]
fn creates_fill_in_what_the_system_owns() {
    let mut object = json!({"metadata": {"generateName": "web-", "uid": "mine", "generation": 7,
        "deletionTimestamp": "2024-01-01T00:00:00Z", "deletionGracePeriodSeconds": 3, "selfLink": "/x"}});
    prepare_create(&mut object, &context("ns")).unwrap();
    assert_eq!(
        object,
        json!({"metadata": {"generateName": "web-", "name": "web-bbbbb", "namespace": "ns", "generation": 1,
            "uid": "00000000-0000-4000-8000-000000000000", "creationTimestamp": "1970-01-01T00:00:00Z"}})
    );
    let mut object = json!({"metadata": {"name": "a", "namespace": "x"}});
    prepare_create(&mut object, &context("")).unwrap();
    assert_eq!(object["metadata"].get("namespace"), None, "cluster scope has none");
}

#[test]
fn creates_refuse_another_namespace_and_a_version() {
    let refused = prepare_create(&mut json!({"metadata": {"namespace": "a"}}), &context("b")).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message.as_str()),
        (400, "the namespace of the provided object does not match the namespace sent on the request")
    );
    let refused = prepare_create(&mut json!({"metadata": {"resourceVersion": "1"}}), &context("b")).unwrap_err();
    let text = "resourceVersion should not be set on objects to be created";
    assert_eq!((refused.code(), refused.message.as_str()), (500, text));
    assert!(prepare_create(&mut json!({"metadata": {"resourceVersion": "0"}}), &context("b")).is_ok(), "none at all");
}

#[test]
fn an_update_leaves_no_empty_list_or_map_behind() {
    let old = json!({"metadata": {"uid": "u", "labels": {"a": "b"}, "ownerReferences": [{"uid": "o"}]}});
    let mut new = json!({"metadata": {"uid": "u", "labels": {}, "ownerReferences": [], "finalizers": ["a/b"]}});
    prepare_update(&mut new, &old);
    assert_eq!(new, json!({"metadata": {"uid": "u", "finalizers": ["a/b"]}}));
}

#[test]
fn updates_keep_what_the_system_owns() {
    let old = json!({"metadata": {"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "t", "generation": 2,
        "deletionTimestamp": "d", "deletionGracePeriodSeconds": 30}});
    let mut new = json!({"metadata": {"name": "a", "generation": 9, "creationTimestamp": null}});
    prepare_update(&mut new, &old);
    assert_eq!(new, old);
    let mut new = json!({"metadata": {"uid": "other", "generation": 1}});
    prepare_update(&mut new, &json!({"metadata": {"uid": "u"}}));
    assert_eq!(new, json!({"metadata": {"uid": "other"}}), "a uid that was given is left to validation");
}

#[test]
fn generations_count_changes_outside_metadata_and_status() {
    #[track_caller]
    fn check(new: Value, advances: bool) {
        let old = json!({"kind": "X", "metadata": {"generation": 4}, "spec": {"a": 1}, "status": {}});
        let mut new = new;
        advance_generation(&mut new, &old);
        assert_eq!(new["metadata"]["generation"], if advances { json!(5) } else { json!(4) }, "{new}");
    }
    check(json!({"metadata": {"generation": 4, "labels": {}}, "spec": {"a": 1}, "status": {"b": 1}}), false);
    check(json!({"metadata": {"generation": 4}, "spec": {"a": 2}}), true);
    check(json!({"metadata": {"generation": 4}}), true);
    check(json!({"metadata": {"generation": 4}, "spec": {"a": 1}, "data": {}}), true);
}

#[track_caller]
fn check_new(metadata: Value, expected: &[&str]) {
    check_errors(validate(&metadata, true, NameRule::Subdomain, &Path::new("metadata")), expected);
}

#[test]
fn new_metadata_is_validated() {
    check_new(
        json!({"name": "a.b-1", "namespace": "n", "labels": {"x/y": "z", "e": ""}, "finalizers": ["a.b/c", "orphan"]}),
        &[],
    );
    check_new(
        json!({}),
        &["metadata.name: Required value: name or generateName is required", "metadata.namespace: Required value"],
    );
    check_new(
        json!({"name": "a", "namespace": "a.b"}),
        &["metadata.namespace: Invalid value: \"a.b\": must not contain dots"],
    );
    check_new(
        json!({"name": "A", "namespace": "a_b", "generateName": "x_"}),
        &[
            "metadata.generateName: Invalid value: \"x_\": a lowercase RFC 1123 subdomain must consist of",
            "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "metadata.namespace: Invalid value: \"a_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ],
    );
    check_new(
        json!({"name": "a", "namespace": "n", "labels": {"-": "b c"}, "annotations": {"a b": "x"}, "generation": -1}),
        &[
            "metadata.generation: Invalid value: -1: must be greater than or equal to 0",
            "metadata.labels: Invalid value: \"-\": name part must consist of alphanumeric characters",
            "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of",
            "metadata.annotations: Invalid value: \"a b\": name part must consist of",
        ],
    );
    check_new(
        json!({"name": "a", "namespace": "n", "annotations": {"a": "x".repeat(262_144)}}),
        &["metadata.annotations: Too long: may not be more than 262144 bytes"],
    );
    check_new(
        json!({"name": "a", "namespace": "n", "finalizers": ["mine", "orphan", "foregroundDeletion"], "managedFields": [{"operation": "Patch"}],
            "ownerReferences": [{"controller": true, "apiVersion": "v1", "kind": "Event", "name": "e"},
                {"controller": true, "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}),
        &[
            "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
            "metadata.ownerReferences: Invalid value: {",
            "metadata.ownerReferences: Invalid value: [",
            "metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified",
            "metadata.finalizers: Invalid value: [\"mine\",\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set",
            "metadata.managedFields[0].operation: Invalid value: \"Patch\": must be `Apply` or `Update`",
        ],
    );
    let cluster = json!({"name": "a", "namespace": "n"});
    check_errors(
        validate(&cluster, false, NameRule::Subdomain, &Path::new("metadata")),
        &["metadata.namespace: Forbidden: not allowed on this type"],
    );
}

#[test]
fn updated_metadata_is_validated() {
    let old = json!({"name": "a", "uid": "u", "generation": 2, "deletionTimestamp": "d", "finalizers": ["a/b"]});
    let path = Path::new("metadata");
    let mut new = old.clone();
    new["resourceVersion"] = json!("1");
    check_errors(validate_update(&new, &old, &path), &[]);
    check_errors(
        validate_update(
            &json!({"name": "b", "uid": "u", "generation": 1, "deletionTimestamp": "d", "finalizers": ["c/d", "a/b"]}),
            &old,
            &path,
        ),
        &[
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\"}",
            "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
            "metadata.generation: Invalid value: 1: must not be decremented",
            "metadata.name: Invalid value: \"b\": field is immutable",
        ],
    );
}

#[track_caller]
fn check_syntax(rule: fn(&str) -> Vec<String>, good: &[&str], bad: &[&str]) {
    for text in good {
        assert_eq!(rule(text), Vec::<String>::new(), "{text}");
    }
    for text in bad {
        assert!(!rule(text).is_empty(), "{text}");
    }
}

#[test]
fn character_rules() {
    let long = "a".repeat(64);
    let long = long.as_str();
    check_syntax(syntax::dns1123_label, &["a", "0", "a-b", "1a"], &["", "A", "-a", "a-", "a.b", long, "ä"]);
    check_syntax(syntax::dns1123_subdomain, &["a", "a.b", long], &["", ".", "a.", "a..b", "a_b", "-a.b"]);
    check_syntax(syntax::dns1035_label, &["a", "a1", "a-1"], &["", "1a", "a-", "A", long]);
    check_syntax(syntax::wildcard_dns1123_subdomain, &["*.a", "*.a.b"], &["*", "a.b", "*a.b", "*.*.a"]);
    check_syntax(syntax::qualified_name, &["a", "A_b.c", "x.y/Z"], &["", "/a", "a/", "a/b/c", "X/a", "-a", long]);
    check_syntax(syntax::label_value, &["", "a", "A.b_c-1"], &["-", "a ", "a/b", long]);
    check_syntax(syntax::path_segment_name, &["a:b", "Ä", "a b"], &[".", "..", "a/b", "a%b"]);
    check_syntax(
        syntax::canonical_ip,
        &["10.0.0.1", "fd00::1", "::"],
        &["", "a", "10.0.0.01", "10.0.0", "fd00:0::1", "FD00::1", "::ffff:1.2.3.4", "[::1]"],
    );
    check_syntax(syntax::env_var_name, &["A", "a.b-c", "1", "a b"], &["", "a=b", "ä"]);
    check_syntax(syntax::config_map_key, &["a", ".a", "A-b_c.d"], &["", ".", "..", "..a", "a/b"]);
    check_syntax(syntax::port_name, &["http", "a1", "1a"], &["", "1", "Http", "a--b", "-a", "a-", "abcdefghijklmnop"]);
    assert!(syntax::port_number(0).len() == 1 && syntax::port_number(65535).is_empty());
    assert!(
        syntax::name(NameRule::Label, "web-", true).is_empty()
            && !syntax::name(NameRule::Label, "web-", false).is_empty()
    );
}
