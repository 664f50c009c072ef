//! Deletes: at once, in time, by selector, on conditions; and what they answer to options that make no sense.

use crate::harness::{CONFIG_MAPS, Harness, PODS, config_map, pod, request};
use http::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn deletes_keep_their_preconditions() {
    let h = Harness::new().await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let made = h.made(CONFIG_MAPS, config_map("a")).await;
    let (uid, version) = (&made["metadata"]["uid"], &made["metadata"]["resourceVersion"]);
    let answer = h.delete_with(uri, &json!({"preconditions": {"uid": "other"}})).await;
    let text = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (other) does not match the UID in \
         record ({}). The object might have been deleted and then recreated",
        uid.as_str().unwrap()
    );
    answer.refused(409, "Conflict", &text);
    assert_eq!(h.delete_with(uri, &json!({"preconditions": {"resourceVersion": "1"}})).await.code, 409);
    assert_eq!(h.delete(&format!("{uri}?dryRun=All")).await.code, 200);
    assert_eq!(h.get(uri).await.code, 200);
    let options = json!({"preconditions": {"uid": uid, "resourceVersion": version}});
    assert_eq!(h.delete_with(uri, &options).await.code, 200);
    assert_eq!(h.delete(uri).await.code, 404);
}

#[tokio::test]
async fn finalizers_hold_a_deletion() {
    let h = Harness::new().await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let mut object = config_map("a");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    h.made(CONFIG_MAPS, object).await;
    let marked = h.delete(uri).await.ok();
    assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
    assert_eq!(h.get(uri).await.code, 200);
    let patched = h.patch(uri, "merge", &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(patched.code, 200, "{}", patched.text);
    assert_eq!(h.get(uri).await.code, 404);
}

#[tokio::test]
async fn propagation_policies_become_finalizers() {
    let h = Harness::new().await;
    for (name, policy, finalizer) in [("f", "Foreground", "foregroundDeletion"), ("o", "Orphan", "orphan")] {
        h.post(CONFIG_MAPS, &config_map(name)).await.is(StatusCode::CREATED);
        let marked = h.delete_with(&format!("{CONFIG_MAPS}/{name}"), &json!({"propagationPolicy": policy})).await.ok();
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]), "{marked}");
    }
}

#[tokio::test]
async fn pods_are_given_time_to_end() {
    let h = Harness::new().await;
    h.made(PODS, pod("free")).await;
    h.delete(&format!("{PODS}/free")).await.ok();
    assert_eq!(h.get(&format!("{PODS}/free")).await.code, 404);
    let mut bound = pod("bound");
    bound["spec"]["nodeName"] = json!("n1");
    h.made(PODS, bound).await;
    let uri = &format!("{PODS}/bound");
    let marked = h.delete(uri).await.ok();
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    h.delete_with(uri, &json!({"gracePeriodSeconds": 0})).await.ok();
    assert_eq!(h.get(uri).await.code, 404);
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let h = Harness::new().await;
    for (name, app) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut object = config_map(name);
        object["metadata"]["labels"] = json!({"app": app});
        h.post(CONFIG_MAPS, &object).await.is(StatusCode::CREATED);
    }
    let gone = h.delete(&format!("{CONFIG_MAPS}?labelSelector=app%3Dx")).await.ok();
    assert_eq!((&gone["kind"], gone["items"].as_array().map(Vec::len)), (&json!("ConfigMapList"), Some(2)));
    let left = h.get(CONFIG_MAPS).await.ok();
    let names: Vec<&Value> = left["items"].as_array().unwrap().iter().map(|o| &o["metadata"]["name"]).collect();
    assert_eq!(names, ["c"]);
}

#[tokio::test]
async fn options_of_a_wrong_type_delete_nothing() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let head = "DeleteOptions in version \"v1\" cannot be handled as a DeleteOptions: json: cannot unmarshal";
    for (options, what) in [
        (json!({"dryRun": "All"}), "string into Go struct field DeleteOptions.dryRun of type []string"),
        (
            json!({"gracePeriodSeconds": "0"}),
            "string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
        ),
        (json!({"propagationPolicy": 5}), "number into Go struct field DeleteOptions.propagationPolicy of type string"),
        (
            json!({"preconditions": {"uid": 5}}),
            "number into Go struct field Preconditions.preconditions.uid of type string",
        ),
        (json!({"orphanDependents": "no"}), "string into Go struct field DeleteOptions.orphanDependents of type bool"),
    ] {
        for (content_type, body) in
            [("application/json", options.to_string()), ("application/yaml", options.to_string())]
        {
            let answer = h.call(Method::DELETE, uri, content_type, body).await;
            answer.refused(400, "BadRequest", &format!("{head} {what}"));
        }
        assert_eq!(h.delete_with(CONFIG_MAPS, &options).await.code, 400, "{options}");
    }
    assert_eq!(h.get(uri).await.code, 200);
    let unknown = json!({"apiVersion": "policy/v1", "kind": "DeleteOptions", "unknown": true, "dryRun": ["All"]});
    h.delete_with(uri, &unknown).await.ok();
    let protobuf =
        kubekit_core::protobuf::encode(&json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}));
    let answer = h.call(Method::DELETE, uri, "application/vnd.kubernetes.protobuf", protobuf.unwrap()).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    assert_eq!(h.get(uri).await.code, 200, "both were dry runs");
}

#[tokio::test]
async fn options_come_in_the_query_too_and_the_body_wins() {
    let h = Harness::new().await;
    let uri = &format!("{CONFIG_MAPS}/a");
    h.made(CONFIG_MAPS, config_map("a")).await;
    h.delete_with(&format!("{uri}?propagationPolicy=Sideways"), &json!({"dryRun": ["All"]})).await.ok();
    assert_eq!(h.delete(&format!("{uri}?gracePeriodSeconds=x")).await.code, 400);
    assert_eq!(h.delete(&format!("{uri}?propagationPolicy=Sideways")).await.code, 422);
    assert_eq!(h.delete(&format!("{uri}?dryRun=Some")).await.code, 422);
    assert_eq!(h.delete(&format!("{uri}?orphanDependents=true&propagationPolicy=Orphan")).await.code, 422);
    let marked = h.delete(&format!("{uri}?propagationPolicy=Foreground")).await.ok();
    assert_eq!(marked["metadata"]["finalizers"], json!(["foregroundDeletion"]));
}

/// The code of a delete with these options, of an object that something holds or not.
async fn check_code(held: bool, options: Value, code: StatusCode) {
    let h = Harness::new().await;
    let mut object = config_map("a");
    if held {
        object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    }
    h.made(CONFIG_MAPS, object).await;
    h.delete_with(&format!("{CONFIG_MAPS}/a"), &options).await.is(code);
}

#[tokio::test]
async fn a_delete_that_is_not_done_is_accepted_where_that_was_asked_for() {
    check_code(true, json!({"orphanDependents": false}), StatusCode::ACCEPTED).await;
    check_code(true, json!({"orphanDependents": true}), StatusCode::OK).await;
    check_code(true, json!({"propagationPolicy": "Background"}), StatusCode::OK).await;
    check_code(true, json!({}), StatusCode::OK).await;
    check_code(false, json!({"orphanDependents": false}), StatusCode::OK).await;
}

#[tokio::test]
async fn an_end_is_brought_forward_and_never_put_off() {
    let h = Harness::new().await;
    let mut bound = pod("a");
    bound["spec"]["nodeName"] = json!("n1");
    h.made(PODS, bound).await;
    let uri = &format!("{PODS}/a");
    let seconds = |pod: &Value| pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let first = h.delete_with(uri, &json!({"gracePeriodSeconds": 20})).await.ok();
    assert_eq!(seconds(&first), Some(20));
    let later = h.delete_with(uri, &json!({"gracePeriodSeconds": 60})).await.ok();
    assert_eq!(
        (seconds(&later), &later["metadata"]["resourceVersion"]),
        (Some(20), &first["metadata"]["resourceVersion"])
    );
    let sooner = h.delete_with(uri, &json!({"gracePeriodSeconds": 5})).await.ok();
    assert_eq!(seconds(&sooner), Some(5));
    assert!(sooner["metadata"]["deletionTimestamp"].as_str() < first["metadata"]["deletionTimestamp"].as_str());
    let status = json!({"status": {"phase": "Succeeded"}});
    h.patch(&format!("{uri}/status"), "merge", &status).await.ok();
    assert_eq!(h.get(uri).await.code, 200, "its node has not said that it is gone");
    h.delete_with(uri, &json!({"gracePeriodSeconds": 0})).await.ok();
    assert_eq!(h.get(uri).await.code, 404);
}

#[tokio::test]
async fn what_is_being_deleted_gets_no_new_finalizers() {
    let h = Harness::new().await;
    let mut object = config_map("a");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    h.made(CONFIG_MAPS, object).await;
    let uri = &format!("{CONFIG_MAPS}/a");
    h.delete(uri).await.ok();
    let change = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    h.patch(uri, "merge", &change).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
         deleted, found new finalizers []string{\"example.com/more\"}",
    );
    assert_eq!(h.post(CONFIG_MAPS, &config_map("a")).await.code, 409, "its name is still taken");
}

#[tokio::test]
async fn what_was_deleted_is_shown_as_it_is_asked_for() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    for (kind, field) in [("PartialObjectMetadataList", "items"), ("Table", "rows"), ("", "items")] {
        let accept = match kind {
            "" => "application/json".to_owned(),
            kind => format!("application/json;as={kind};g=meta.k8s.io;v=v1"),
        };
        let uri = format!("{CONFIG_MAPS}?dryRun=All");
        let gone = h.send(request(Method::DELETE, &uri, &[("accept", &accept)], "")).await.ok();
        assert_eq!(gone["kind"], if kind.is_empty() { "ConfigMapList" } else { kind });
        let has_data = gone[field][0].get("data").is_some();
        assert_eq!((gone[field].as_array().map(Vec::len), has_data), (Some(1), kind.is_empty()), "{gone}");
        assert!(gone["metadata"]["resourceVersion"].is_string());
    }
}
