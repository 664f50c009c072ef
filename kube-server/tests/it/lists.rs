//! Lists: pages at one revision, versions, selectors.

use crate::harness::{Answer, CONFIG_MAPS, Harness, PODS, config_map, pod};
use http::StatusCode;
use serde_json::{Value, json};

fn names(answer: &Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn with_objects(count: usize) -> Harness {
    let h = Harness::new().await;
    for i in 0..count {
        let mut object = config_map(&format!("c{i:03}"));
        object["metadata"]["labels"] = json!({"parity": if i % 2 == 0 { "even" } else { "odd" }});
        h.post(CONFIG_MAPS, &object).await.is(StatusCode::CREATED);
    }
    h
}

#[tokio::test]
async fn pages_show_one_revision() {
    let h = with_objects(5).await;
    let first = h.get(&format!("{CONFIG_MAPS}?limit=2")).await;
    assert_eq!(names(&first), ["c000", "c001"]);
    assert_eq!(first.body["metadata"]["remainingItemCount"], 3);
    h.delete(&format!("{CONFIG_MAPS}/c003")).await.ok();
    let token = first.body["metadata"]["continue"].as_str().unwrap();
    let second = h.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["c002", "c003"], "the page before the deletion");
    assert_eq!(second.body["metadata"]["resourceVersion"], first.body["metadata"]["resourceVersion"]);
    let token = second.body["metadata"]["continue"].as_str().unwrap();
    let third = h.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!(names(&third), ["c004"]);
    assert!(third.body["metadata"].get("continue").is_none(), "{}", third.text);
    let bad = h.get(&format!("{CONFIG_MAPS}?limit=2&continue=nonsense")).await;
    assert_eq!(bad.code, 400);
    h.get(&format!("{CONFIG_MAPS}?resourceVersion=5&continue={token}")).await.refused(
        400,
        "BadRequest",
        "specifying resource version is not allowed when using continue",
    );
}

#[tokio::test]
async fn an_expired_page_offers_an_inconsistent_one() {
    let h = with_objects(4).await;
    let first = h.get(&format!("{CONFIG_MAPS}?limit=2")).await;
    let token = first.body["metadata"]["continue"].as_str().unwrap().to_owned();
    h.delete(&format!("{CONFIG_MAPS}/c003")).await.ok();
    h.store.compact(h.store.revision().await.unwrap()).await.unwrap();
    let expired = h.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!((expired.code, &expired.body["reason"]), (410, &json!("Expired")), "{}", expired.text);
    let token = expired.body["metadata"]["continue"].as_str().unwrap();
    let rest = h.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!(names(&rest), ["c002"]);
}

#[tokio::test]
async fn versions_are_exact_or_lower_bounds() {
    let h = with_objects(2).await;
    let then = h.get(CONFIG_MAPS).await.body["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    h.made(CONFIG_MAPS, config_map("later")).await;
    let exact = h.get(&format!("{CONFIG_MAPS}?resourceVersion={then}&resourceVersionMatch=Exact")).await;
    assert_eq!(names(&exact), ["c000", "c001"]);
    assert_eq!(exact.body["metadata"]["resourceVersion"], then);
    for query in [format!("resourceVersion={then}&resourceVersionMatch=NotOlderThan"), "resourceVersion=0".to_owned()] {
        let fresh = h.get(&format!("{CONFIG_MAPS}?{query}")).await;
        assert_eq!(names(&fresh), ["c000", "c001", "later"], "{query}");
    }
    let future = h.get(&format!("{CONFIG_MAPS}?resourceVersion=999999")).await;
    assert_eq!(future.code, 504, "{}", future.text);
    assert!(future.body["message"].as_str().unwrap().contains("Too large resource version"));
    assert_eq!(future.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn options_that_contradict_are_refused() {
    let h = Harness::new().await;
    for (query, text) in [
        (
            "resourceVersionMatch=Exact",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        ("sendInitialEvents=true", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    ] {
        let text = format!("ListOptions.meta.k8s.io \"\" is invalid: {text}");
        h.get(&format!("{CONFIG_MAPS}?{query}")).await.refused(422, "Invalid", &text);
    }
    assert_eq!(h.get(&format!("{CONFIG_MAPS}?limit=x")).await.code, 400);
}

#[tokio::test]
async fn selectors_select() {
    let h = with_objects(4).await;
    for (query, expected) in [
        ("labelSelector=parity%3Deven", vec!["c000", "c002"]),
        ("labelSelector=parity+in+(odd),parity", vec!["c001", "c003"]),
        ("labelSelector=!parity", vec![]),
        ("fieldSelector=metadata.name%3Dc002", vec!["c002"]),
        ("fieldSelector=metadata.name!%3Dc002&labelSelector=parity%3Deven", vec!["c000"]),
        ("fieldSelector=metadata.namespace%3Ddefault&limit=1", vec!["c000"]),
    ] {
        let answer = h.get(&format!("{CONFIG_MAPS}?{query}")).await;
        assert_eq!(names(&answer), expected, "{query}");
    }
    assert_eq!(h.get(&format!("{CONFIG_MAPS}?labelSelector=a%3D%3D%3Db")).await.code, 400);
    assert_eq!(h.get(&format!("{CONFIG_MAPS}?fieldSelector=spec.x%3Da")).await.code, 400);
    h.get(&format!("{PODS}?fieldSelector=spec.image%3Da")).await.refused(
        400,
        "BadRequest",
        "field label not supported: spec.image",
    );
}

#[tokio::test]
async fn pods_are_selected_by_node_and_phase() {
    let h = Harness::new().await;
    let mut bound = pod("bound");
    bound["spec"]["nodeName"] = json!("n1");
    h.made(PODS, bound).await;
    h.made(PODS, pod("free")).await;
    for (selector, expected) in [
        ("spec.nodeName%3Dn1", vec!["bound"]),
        ("spec.nodeName%3D", vec!["free"]),
        ("spec.nodeName!%3D", vec!["bound"]),
        ("status.phase%3DPending", vec!["bound", "free"]),
        ("status.phase!%3DSucceeded,spec.nodeName%3Dn1", vec!["bound"]),
    ] {
        let answer = h.get(&format!("/api/v1/pods?fieldSelector={selector}")).await;
        assert_eq!(names(&answer), expected, "{selector}");
    }
}

#[tokio::test]
async fn long_lists_are_streamed_whole() {
    let h = with_objects(600).await;
    let answer = h.get(CONFIG_MAPS).await;
    assert_eq!(names(&answer).len(), 600);
    assert!(answer.headers.get("content-length").is_none());
    let item: &Value = &answer.body["items"][0];
    assert!(item.get("kind").is_none() && item["metadata"]["resourceVersion"].is_string());
}
