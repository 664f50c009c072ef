//! The four patches.

use crate::harness::{CONFIG_MAPS, Harness, config_map, deployment};
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn json_merge_and_strategic() {
    let h = Harness::new().await;
    h.made(DEPLOYMENTS, deployment("d")).await;
    let uri = &format!("{DEPLOYMENTS}/d");
    let patched = h.patch(uri, "json", &json!([{"op": "replace", "path": "/spec/replicas", "value": 5}])).await.ok();
    assert_eq!((&patched["spec"]["replicas"], &patched["metadata"]["generation"]), (&json!(5), &json!(2)));
    let patched = h.patch(uri, "merge", &json!({"metadata": {"labels": {"x": "y"}}})).await.ok();
    assert_eq!(patched["metadata"]["generation"], 2, "metadata does not count");
    let change = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}});
    let patched = h.patch(uri, "strategic", &change).await.ok();
    let containers = patched["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!((containers.len(), &containers[0]["image"]), (1, &json!("nginx:2")));
    let change = json!({"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "side"}]}}}});
    let patched = h.patch(uri, "strategic", &change).await.ok();
    assert_eq!(patched["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn patches_that_do_not_apply() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let failed = h.patch(uri, "json", &json!([{"op": "test", "path": "/data/a", "value": "9"}])).await;
    assert_eq!(failed.code, 422, "{}", failed.text);
    assert_eq!(h.patch(uri, "json", &json!({"not": "a list"})).await.code, 400);
    assert_eq!(h.patch(uri, "merge", &json!([1])).await.code, 400);
    assert_eq!(h.patch(uri, "merge", &json!({"metadata": {"name": "b"}})).await.code, 400);
    assert_eq!(h.patch(uri, "merge", &json!({"kind": "Secret"})).await.code, 400);
    assert_eq!(h.patch(&format!("{CONFIG_MAPS}/z"), "merge", &json!({})).await.code, 404);
    let stale = h.patch(uri, "merge", &json!({"metadata": {"resourceVersion": "1"}, "data": {"b": "c"}})).await;
    assert_eq!(stale.code, 409, "{}", stale.text);
    h.patch(uri, "application/json", &json!({})).await.refused(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
         application/apply-patch+yaml",
    );
}

#[tokio::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    let h = Harness::new().await;
    let made = h.made(CONFIG_MAPS, config_map("a")).await;
    let same = h.patch(&format!("{CONFIG_MAPS}/a"), "merge", &json!({"data": {"a": "1"}})).await.ok();
    assert_eq!(same, made);
}

#[tokio::test]
async fn unknown_fields_of_a_patch() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let strict = h.patch(&format!("{CONFIG_MAPS}/a?fieldValidation=Strict"), "merge", &json!({"nope": 1})).await;
    let text = r#" "" is invalid: patch: Invalid value: "{\"nope\":1}": strict decoding error: unknown field "nope""#;
    strict.refused(422, "Invalid", text);
    let warned = h.patch(&format!("{CONFIG_MAPS}/a"), "merge", &json!({"nope": 1})).await;
    assert_eq!(warned.headers["warning"], r#"299 - "unknown field \"nope\"""#);
}

/// What a merge patch does not name is left alone; what it names is checked as in an update.
#[tokio::test]
async fn a_patch_is_checked_where_it_says_something() {
    let h = Harness::new().await;
    h.made(DEPLOYMENTS, deployment("d")).await;
    let uri = &format!("{DEPLOYMENTS}/d");
    let before = h.get(uri).await.ok();
    for kind in ["merge", "strategic"] {
        let wrong = h.patch(uri, kind, &json!({"spec": {"replicas": "three"}})).await;
        assert_eq!(wrong.code, 422, "{}", wrong.text);
        assert!(wrong.text.contains("DeploymentSpec.spec.replicas of type int32"), "{}", wrong.text);
        let strict = h.patch(&format!("{uri}?fieldValidation=Strict"), kind, &json!({"spec": {"nope": 1}})).await;
        assert!(strict.text.contains(r#"unknown field \"spec.nope\""#), "{}", strict.text);
        let warned = h.patch(uri, kind, &json!({"spec": {"nope": 1}, "metadata": {"labels": {"k": kind}}})).await;
        assert_eq!(warned.headers["warning"], r#"299 - "unknown field \"spec.nope\"""#);
        let patched = warned.ok();
        assert_eq!(patched["metadata"]["labels"]["k"], kind);
        assert_eq!(patched["spec"], before["spec"]);
    }
    let status =
        h.patch(&format!("{uri}/status"), "strategic", &json!({"status": {"replicas": 3}, "spec": null})).await.ok();
    assert_eq!((&status["status"]["replicas"], &status["spec"]), (&json!(3), &before["spec"]));
}

#[tokio::test]
async fn fields_of_the_object_itself_can_be_removed_and_replaced() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let without = h.patch(uri, "merge", &json!({"data": null, "binaryData": {"b": "aGk="}})).await.ok();
    assert_eq!((without.get("data"), &without["binaryData"]), (None, &json!({"b": "aGk="})));
    let kept = json!({"$retainKeys": ["apiVersion", "kind", "metadata", "data"], "data": {"c": "d"}});
    let kept = h.patch(uri, "strategic", &kept).await.ok();
    assert_eq!((kept.get("binaryData"), &kept["data"]), (None, &json!({"c": "d"})));
}

#[tokio::test]
async fn a_patch_that_makes_no_such_object() {
    let h = Harness::new().await;
    let made = h.made(DEPLOYMENTS, deployment("d")).await;
    let uri = &format!("{DEPLOYMENTS}/d");
    for (kind, patch, value) in [
        ("strategic", json!({"spec": {"replicas": "x", "paused": null}}), "map[spec:map[paused:<nil> replicas:x]]"),
        ("merge", json!({"spec": {"replicas": "x"}}), r#"{\"spec\":{\"replicas\":\"x\"}}"#),
        (
            "json",
            json!([{"op": "add", "path": "/spec/replicas", "value": "x"}]),
            r#"[{\"op\":\"add\",\"path\":\"/spec/replicas\",\"value\":\"x\"}]"#,
        ),
    ] {
        let answer = h.patch(uri, kind, &patch).await;
        let what = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
        answer.refused(422, "Invalid", &format!(" \"\" is invalid: patch: Invalid value: \"{value}\": {what}"));
        assert_eq!(answer.body["details"]["causes"][0]["field"], "patch");
    }
    assert_eq!(h.get(uri).await.ok(), made, "nothing has changed");
}

/// The managers of an object, each with its subresource and its fields as text.
fn owners(object: &Value) -> Vec<(String, String)> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owner = |entry: &Value| {
        format!("{}/{}", entry["manager"].as_str().unwrap(), entry["subresource"].as_str().unwrap_or_default())
    };
    let mut owners: Vec<(String, String)> =
        entries.map(|entry| (owner(entry), entry["fieldsV1"].to_string())).collect();
    owners.sort();
    owners
}

/// Ownership is the same whether a patch says nothing of it, and it stays encoded, or a JSON patch might change it.
#[tokio::test]
async fn patches_of_every_kind_own_what_they_change() {
    let mut found = Vec::new();
    for kind in ["merge", "strategic", "json"] {
        let h = Harness::new().await;
        h.made(DEPLOYMENTS, deployment("d")).await;
        let uri = &format!("{DEPLOYMENTS}/d");
        let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
        let (labels, replicas) = match kind {
            "json" => (add("/metadata/labels", json!({"x": "y"})), add("/spec/replicas", json!(7))),
            _ => (json!({"metadata": {"labels": {"x": "y"}}}), json!({"spec": {"replicas": 7}})),
        };
        h.patch(&format!("{uri}?fieldManager=one"), kind, &labels).await.ok();
        h.patch(&format!("{uri}?fieldManager=two"), kind, &replicas).await.ok();
        let status = json!({"status": {"replicas": 1}});
        h.patch(&format!("{uri}/status?fieldManager=three"), "merge", &status).await.ok();
        let object = h.get(uri).await.ok();
        let names: Vec<String> = owners(&object).into_iter().map(|(owner, _)| owner).collect();
        assert!(["one/", "two/", "three/status"].iter().all(|owner| names.contains(&(*owner).to_owned())), "{names:?}");
        found.push(owners(&object));
        // A second time nothing changes, and nothing is written.
        let again = h.patch(&format!("{uri}?fieldManager=two"), kind, &replicas).await.ok();
        assert_eq!(again, object);
    }
    assert_eq!(found[0], found[1]);
    assert_eq!(found[1], found[2]);
}

#[tokio::test]
async fn apply_creates_owns_and_conflicts() {
    let h = Harness::new().await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let missing = h.patch(uri, "apply", &config_map("a")).await;
    missing.refused(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
    );
    let created = h.patch(&format!("{uri}?fieldManager=one"), "apply", &config_map("a")).await;
    assert_eq!(created.code, 201, "{}", created.text);
    let managed = &created.body["metadata"]["managedFields"][0];
    assert_eq!((&managed["manager"], &managed["operation"]), (&json!("one"), &json!("Apply")));
    let again = h.patch(&format!("{uri}?fieldManager=one"), "apply", &config_map("a")).await;
    assert_eq!((again.code, &again.body), (200, &created.body), "the same again is not written");
    let mut other = config_map("a");
    other["data"]["a"] = json!("2");
    let conflict = h.patch(&format!("{uri}?fieldManager=two"), "apply", &other).await;
    assert_eq!((conflict.code, &conflict.body["reason"]), (409, &json!("Conflict")), "{}", conflict.text);
    assert_eq!(conflict.body["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let forced = h.patch(&format!("{uri}?fieldManager=two&force=true"), "apply", &other).await;
    assert_eq!((forced.code, &forced.body["data"]["a"]), (200, &json!("2")), "{}", forced.text);
    h.patch(&format!("{uri}?force=true"), "merge", &json!({})).await.refused(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
    );
}
