//! Extenders that have a say in which pods go for a more important one, behind real HTTP.

use crate::driver::{Rig, condition, node_of, nominated};
use crate::extenders::{Reply, rig, serve};
use k8s_openapi::api::core::v1::Pod;
use kubekit_sched::driver::Config;
use kubekit_sched::extender::Extender;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One that is asked who goes, and knows nodes and pods itself.
fn preempt(url: &str) -> Extender {
    let mut extender = Extender::new(url);
    "preempt".clone_into(&mut extender.preempt_verb);
    extender.node_cache_capable = true;
    extender
}

/// A pod that fills each of the nodes `a` and `b`, and a more important one.
async fn contend(rig: &Rig) {
    for i in 0..2 {
        rig.add_pod(&format!("lesser-{i}"), "2", None).await;
    }
    rig.until("the nodes are full", |pods| pods.iter().filter_map(node_of).count() == 2).await;
    rig.add_pod("greater", "2", Some(1)).await;
}

fn named<'a>(pods: &'a [Pod], name: &str) -> Option<&'a Pod> {
    pods.iter().find(|pod| pod.metadata.name.as_deref() == Some(name))
}

/// The node that is promised to the greater pod once a lesser one is being deleted; that one's node.
async fn cleared(rig: &Rig) -> (String, String) {
    let leaving = |pod: &&Pod| pod.metadata.deletion_timestamp.is_some();
    let pods = rig
        .until("a node is cleared", |pods| {
            pods.iter().any(|pod| leaving(&pod)) && named(pods, "greater").is_some_and(|pod| nominated(pod).is_some())
        })
        .await;
    let victims: Vec<&str> = pods.iter().filter(leaving).filter_map(node_of).collect();
    let promised = named(&pods, "greater").and_then(nominated).expect("it was just there");
    (promised.to_owned(), victims.join(" "))
}

/// What is [`cleared`] where an extender at this URL may be ignored.
async fn cleared_beside(url: &str) -> (String, String) {
    let mut extender = preempt(url);
    extender.ignorable = true;
    let rig = rig(extender).await;
    contend(&rig).await;
    let cleared = cleared(&rig).await;
    rig.finish().await;
    cleared
}

/// What is told of the greater pod once it is told something.
async fn told(rig: &Rig) -> String {
    let pods = rig
        .until("it says why not", |pods| named(pods, "greater").and_then(condition).is_some_and(|c| c.0 == "False"))
        .await;
    let (_, reason, message) = named(&pods, "greater").and_then(condition).expect("it was just there");
    assert_eq!(reason, "Unschedulable");
    assert!(pods.iter().all(|pod| pod.metadata.deletion_timestamp.is_none()), "nobody goes");
    message.to_owned()
}

/// What an extender with a cache was asked about one node, as it is to be answered.
fn only(node: &str, arguments: &Value) -> Reply {
    let left = &arguments["NodeNameToMetaVictims"][node];
    Reply::Json(json!({"NodeNameToMetaVictims": {node: left}}))
}

#[tokio::test]
async fn an_extender_with_a_cache_is_sent_uids_and_chooses_the_node() {
    for node in ["a", "b"] {
        let (url, seen) = serve(move |_, arguments| only(node, arguments)).await;
        let rig = rig(preempt(&url)).await;
        contend(&rig).await;
        assert_eq!(cleared(&rig).await, (node.to_owned(), node.to_owned()));
        let (verb, arguments) = seen.lock().unwrap()[0].clone();
        assert_eq!((verb.as_str(), &arguments["NodeNameToVictims"]), ("preempt", &Value::Null));
        assert_eq!(arguments["Pod"]["metadata"]["name"], "greater");
        let asked = arguments["NodeNameToMetaVictims"].as_object().expect("victims by node");
        let pods = rig.list().await;
        for (node, victims) in asked {
            let on_node = pods.iter().find(|pod| node_of(pod) == Some(node)).expect("one is on it");
            assert_eq!(*victims, json!({"Pods": [{"UID": on_node.metadata.uid}], "NumPDBViolations": 0}));
        }
        assert_eq!(asked.len(), 2);
        rig.finish().await;
    }
}

#[tokio::test]
async fn an_extender_without_a_cache_is_sent_whole_pods() {
    let (url, seen) = serve(|_, arguments| {
        let uid = &arguments["NodeNameToVictims"]["b"]["Pods"][0]["metadata"]["uid"];
        Reply::Json(json!({"nodeNameToMetaVictims": {"b": {"pods": [{"uid": uid}], "numPDBViolations": 0}}}))
    })
    .await;
    let mut extender = preempt(&url);
    extender.node_cache_capable = false;
    let rig = rig(extender).await;
    contend(&rig).await;
    assert_eq!(cleared(&rig).await, ("b".to_owned(), "b".to_owned()));
    let arguments = seen.lock().unwrap()[0].1.clone();
    assert_eq!(arguments["NodeNameToMetaVictims"], Value::Null);
    assert_eq!(arguments["NodeNameToVictims"]["a"]["Pods"][0]["spec"]["nodeName"], "a");
    rig.finish().await;
}

#[tokio::test]
async fn each_extender_is_asked_about_what_the_one_before_left() {
    let (first, _) = serve(|_, arguments| only("b", arguments)).await;
    let (second, seen) = serve(|_, arguments| only("b", arguments)).await;
    // One that has no verb for it, and one that fails and may, have no say.
    let (dead, _) = serve(|_, _| Reply::Code(500)).await;
    let mut ignorable = preempt(&dead);
    ignorable.ignorable = true;
    let mut config = Config::default();
    config.extenders = vec![Extender::new(&dead), preempt(&first), ignorable, preempt(&second)];
    let rig = Rig::with(vec![config]).await;
    rig.add_node("a", "2").await;
    rig.add_node("b", "2").await;
    contend(&rig).await;
    assert_eq!(cleared(&rig).await, ("b".to_owned(), "b".to_owned()));
    let asked = seen.lock().unwrap()[0].1["NodeNameToMetaVictims"].clone();
    assert_eq!(asked.as_object().expect("victims by node").keys().collect::<Vec<_>>(), ["b"]);
    rig.finish().await;
}

/// What is told of a pod for which an extender answers this.
async fn check(reply: fn() -> Reply, expected: &str) {
    let (url, _) = serve(move |_, _| reply()).await;
    let rig = rig(preempt(&url)).await;
    contend(&rig).await;
    let message = told(&rig).await.replace(&url, "URL");
    assert_eq!(message, format!("0/2 nodes are available: 2 Insufficient cpu. preemption: {expected}"));
    rig.finish().await;
}

#[tokio::test]
async fn nobody_goes_where_an_extender_fails_or_leaves_nobody() {
    check(|| Reply::Json(json!({})), "no candidate node for preemption").await;
    check(|| Reply::Code(500), "failed preempt with extender at URL URL/preempt, code 500").await;
    check(
        || Reply::Json(json!({"NodeNameToMetaVictims": {"z": {"Pods": [{"UID": "u"}]}}})),
        "nodeinfo not found for node name \"z\"",
    )
    .await;
    check(
        || Reply::Json(json!({"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "u"}]}}})),
        "extender: URL claims to preempt pod (UID: u) on node: a, but the pod is not found on that node",
    )
    .await;
    check(
        || Reply::Json(json!({"NodeNameToMetaVictims": {"a": {"Pods": []}}})),
        "expected at least one victim pod on node \"a\"",
    )
    .await;
    check(|| Reply::Json(json!([])), "extender \"URL\" gave a preemption result of another form").await;
}

#[tokio::test]
async fn an_extender_that_may_be_ignored_holds_no_preemption_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it has one"));
    // Nobody is there any more.
    drop(listener);
    let (promised, victim) = cleared_beside(&url).await;
    assert_eq!(promised, victim);
}

#[tokio::test]
async fn an_extender_that_may_be_ignored_is_when_it_names_a_node_that_nobody_knows() {
    let (url, _) = serve(|_, _| Reply::Json(json!({"NodeNameToMetaVictims": {"z": {"Pods": []}}}))).await;
    let (promised, victim) = cleared_beside(&url).await;
    assert_eq!(promised, victim);
}

#[tokio::test]
async fn a_node_without_victims_is_left_out_where_the_extender_may_be_ignored() {
    let (url, _) = serve(|_, arguments| {
        let b = &arguments["NodeNameToMetaVictims"]["b"];
        Reply::Json(json!({"NodeNameToMetaVictims": {"a": {"Pods": []}, "b": b}}))
    })
    .await;
    assert_eq!(cleared_beside(&url).await, ("b".to_owned(), "b".to_owned()));
}

#[tokio::test]
async fn who_goes_for_pods_without_managed_resources_is_not_asked() {
    let (url, seen) = serve(|_, _| Reply::Json(json!({}))).await;
    let mut extender = preempt(&url);
    extender.managed_resources = vec!["example.com/gpu".to_owned()];
    let rig = rig(extender).await;
    contend(&rig).await;
    cleared(&rig).await;
    assert!(seen.lock().unwrap().is_empty());
    rig.finish().await;
}
