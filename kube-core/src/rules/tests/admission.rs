//! What is wrong with what extends the API server, with classes of priority, storage and runtimes, and with revisions.

use super::*;

/// Errors of a webhook configuration whose webhook has these fields, without the webhook's path.
#[track_caller]
fn check_webhook(fields: Value, expected: &[&str]) {
    let mut webhook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                             "clientConfig": {"url": "https://example.com"}});
    merge(&mut webhook, fields);
    let full: Vec<String> = expected.iter().map(|text| format!("webhooks[0].{text}")).collect();
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        check(
            object("admissionregistration.k8s.io/v1", kind, json!({"webhooks": [webhook]})),
            &full.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn webhooks() {
    check_webhook(json!({}), &[]);
    check_webhook(
        json!({"name": "example.com"}),
        &["name: Invalid value: \"example.com\": should be a domain with at least three segments separated by dots"],
    );
    check_webhook(
        json!({"sideEffects": null, "admissionReviewVersions": []}),
        &[
            "sideEffects: Required value: must specify one of None, NoneOnDryRun",
            "admissionReviewVersions: Required value: must specify one of v1, v1beta1",
        ],
    );
    check_webhook(
        json!({"sideEffects": "Some", "timeoutSeconds": 31, "failurePolicy": "Retry"}),
        &[
            "timeoutSeconds: Invalid value: 31: must be between 1 and 30, inclusive",
            "failurePolicy: Unsupported value: \"Retry\": supported values: \"Fail\", \"Ignore\"",
            "sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
        ],
    );
    check_webhook(
        json!({"clientConfig": {"service": {"name": "s", "namespace": "n"}}}),
        &["clientConfig: Required value: exactly one of url or service is required"],
    );
}

#[test]
fn definitions() {
    let definition = |name: &str, spec: Value| {
        let mut definition = object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({"spec": {"group": "example.com", "scope": "Namespaced",
                "names": {"kind": "CronTab", "plural": "crontabs", "singular": "crontab", "listKind": "CronTabList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}),
        );
        definition["metadata"]["name"] = name.into();
        merge(&mut definition["spec"], spec);
        definition
    };
    check(definition("crontabs.example.com", json!({})), &[]);
    check(
        definition("crontabs", json!({})),
        &["metadata.name: Invalid value: \"crontabs\": must be spec.names.plural+\".\"+spec.group"],
    );
    let two = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
                     {"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]);
    let errors = texts(&{
        let object = created(definition("crontabs.example.com", json!({"versions": two})));
        rules(&object).validate(&object)
    });
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].ends_with("must have exactly one version marked as storage version"), "{errors:?}");
}

#[test]
fn classes_of_priority() {
    let class = |name: &str, fields: Value| {
        let mut class = object("scheduling.k8s.io/v1", "PriorityClass", fields);
        class["metadata"]["name"] = name.into();
        class
    };
    check(class("system-node-critical", json!({"value": 2_000_001_000})), &[]);
    let refused = |fields: Value| {
        let object = created(class("system-node-critical", fields));
        texts(&rules(&object).validate(&object)).concat()
    };
    assert!(refused(json!({"value": 5})).contains("value of system-node-critical PriorityClass must be 2000001000"));
    assert!(
        refused(json!({"value": 2_000_001_000, "globalDefault": true}))
            .contains("globalDefault of system-node-critical PriorityClass must be false")
    );
    check_update(
        class("a", json!({"value": 1, "preemptionPolicy": "Never"})),
        json!({"description": "d", "globalDefault": true}),
        &[],
    );
}

#[test]
fn classes_of_storage() {
    let class = |fields: Value| {
        let mut class = object("storage.k8s.io/v1", "StorageClass", json!({"provisioner": "example.com/p"}));
        merge(&mut class, fields);
        class
    };
    check(class(json!({"parameters": {"type": "ssd"}, "allowVolumeExpansion": true})), &[]);
    check(
        class(json!({"parameters": {"": "x"}, "reclaimPolicy": "Recycle", "volumeBindingMode": "Later"})),
        &[
            "parameters: Invalid value: \"\": field can not be empty.",
            "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"",
            "volumeBindingMode: Unsupported value: \"Later\": supported values: \"Immediate\", \"WaitForFirstConsumer\"",
        ],
    );
    check_update(
        class(json!({"parameters": {"type": "ssd"}})),
        json!({"parameters": {"type": "hdd"}, "allowVolumeExpansion": true}),
        &["parameters: Forbidden: updates to parameters are forbidden."],
    );
    check_update(class(json!({})), json!({"mountOptions": ["ro"], "allowVolumeExpansion": true}), &[]);
}

#[test]
fn rules_of_roles() {
    let role = |rule: Value| object("rbac.authorization.k8s.io/v1", "ClusterRole", json!({"rules": [rule]}));
    check(role(json!({"verbs": ["*"], "nonResourceURLs": ["*"]})), &[]);
    check(
        role(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "nonResourceURLs": ["/healthz"]})),
        &[
            "rules[0].nonResourceURLs: Invalid value: [\"/healthz\"]: rules cannot apply to both regular resources and non-resource URLs",
        ],
    );
    let bound = |subject: Value| {
        object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [subject]}),
        )
    };
    check(bound(json!({"kind": "User", "name": ""})), &["subjects[0].name: Required value"]);
    check(
        bound(json!({"kind": "Group", "name": "g", "apiGroup": "example.com"})),
        &["subjects[0].apiGroup: Unsupported value: \"example.com\": supported values: \"rbac.authorization.k8s.io\""],
    );
    check(
        bound(json!({"kind": "ServiceAccount", "name": "A", "namespace": "n"})),
        &[
            "subjects[0].name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
}

#[test]
fn classes_of_runtimes() {
    let class = |fields: Value| object("node.k8s.io/v1", "RuntimeClass", fields);
    check(class(json!({"handler": "runsc", "overhead": {"podFixed": {"memory": "120Mi"}}})), &[]);
    check(class(json!({"handler": "a.b"})), &["handler: Invalid value: \"a.b\": must not contain dots"]);
    check(
        class(json!({"handler": "runsc", "scheduling": {"tolerations": [{"operator": "Equal"}]}})),
        &[
            "scheduling.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        ],
    );
    check_update(
        class(json!({"handler": "runsc"})),
        json!({"handler": "kata"}),
        &["handler: Invalid value: \"kata\": field is immutable"],
    );
}

#[test]
fn revisions() {
    let revision = |fields: Value| object("apps/v1", "ControllerRevision", fields);
    check(revision(json!({"revision": 1, "data": {"spec": {}}})), &[]);
    check(
        revision(json!({"revision": -1})),
        &["data: Required value: data is mandatory", "revision: Invalid value: -1: must be greater than or equal to 0"],
    );
    check_update(
        revision(json!({"revision": 1, "data": {"spec": {}}})),
        json!({"revision": 2, "data": {"spec": {"a": 1}}}),
        &["data: Invalid value: {\"spec\":{\"a\":1}}: field is immutable"],
    );
    check_update(revision(json!({"revision": 1, "data": {"spec": {}}})), json!({"revision": 2}), &[]);
}
