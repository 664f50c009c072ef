//! Gangs with a driver and a real API server: bound together or not at all (KEP-4671).

use crate::driver::{Rig, condition, node_of, parse};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::api::scheduling::v1alpha2::PodGroup;
use kubekit_runtime::{Api, DeleteParams, ListParams};
use serde_json::json;
use std::time::Duration;

fn member(group: &str, number: usize, cpu: &str) -> Pod {
    let container = json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}});
    parse(json!({
        "metadata": {"name": format!("{group}-{number}")},
        "spec": {"schedulingGroup": {"podGroupName": group}, "containers": [container]},
    }))
}

fn groups(rig: &Rig) -> Api<PodGroup> {
    Api::namespaced(rig.admin(), "default")
}

async fn create_group(rig: &Rig, name: &str, min_count: i32) {
    let policy = json!({"gang": {"minCount": min_count}});
    let group = parse(json!({"metadata": {"name": name}, "spec": {"schedulingPolicy": policy}}));
    groups(rig).create(&group).await.expect("a group");
}

/// Two nodes of 8 CPUs.
async fn rig() -> Rig {
    let rig = Rig::new(1).await;
    rig.add_node("a", "8").await;
    rig.add_node("b", "8").await;
    rig
}

/// How many pods of a group are bound.
fn bound(pods: &[Pod], group: &str) -> usize {
    let of_group = |pod: &&Pod| pod.metadata.name.as_deref().is_some_and(|name| name.starts_with(group));
    pods.iter().filter(of_group).filter(|pod| node_of(pod).is_some()).count()
}

/// Waits until the group's condition is this.
async fn told(rig: &Rig, name: &str, expected: (&str, &str, &str)) {
    let wait = async {
        loop {
            let group = groups(rig).get(name).await.expect("it is there");
            let conditions = group.status.and_then(|status| status.conditions).unwrap_or_default();
            let said = conditions
                .iter()
                .any(|one| one.type_ == "PodGroupScheduled" && (&*one.status, &*one.reason, &*one.message) == expected);
            if said {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap_or_else(|_| panic!("{name} did not say {expected:?}"));
}

#[tokio::test]
async fn a_gang_that_fits_is_bound_and_one_that_does_not_waits_as_a_whole_and_says_why() {
    let rig = rig().await;
    create_group(&rig, "fits", 4).await;
    for number in 0..3 {
        rig.pods().create(&member("fits", number, "3")).await.expect("a pod");
    }
    create_group(&rig, "alone", 1).await;
    rig.pods().create(&member("alone", 0, "100m")).await.expect("a pod");
    let pods = rig.until("a gang of one is bound", |pods| bound(pods, "alone") == 1).await;
    assert_eq!(bound(&pods, "fits"), 0, "one is missing");
    rig.pods().create(&member("fits", 3, "3")).await.expect("a pod");
    rig.until("all of it is bound", |pods| bound(pods, "fits") == 4).await;
    told(&rig, "fits", ("True", "Scheduled", "")).await;

    create_group(&rig, "large", 3).await;
    for number in 0..3 {
        rig.pods().create(&member("large", number, "1500m")).await.expect("a pod");
    }
    let reason = "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining";
    told(&rig, "large", ("False", "Unschedulable", reason)).await;
    let large = |pod: &&Pod| pod.metadata.name.as_deref().is_some_and(|name| name.starts_with("large"));
    let pods = rig
        .until("each of them says why not", |pods| {
            pods.iter().filter(large).all(|pod| condition(pod).is_some_and(|condition| condition.0 == "False"))
        })
        .await;
    assert_eq!(bound(&pods, "large"), 0);
    for (status, why, message) in pods.iter().filter(large).filter_map(condition) {
        let own = message.starts_with("0/2 nodes are available: 2 Insufficient cpu.");
        assert!((status, why) == ("False", "Unschedulable") && (own || message == reason), "{message}");
    }
    let events: Api<Event> = Api::namespaced(rig.admin(), "default");
    let said = async {
        loop {
            let events = events.list(&ListParams::default()).await.expect("a list").items;
            if events.iter().any(|event| event.message.as_deref() == Some(reason)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), said).await.expect("an event says so");
    rig.finish().await;
}

#[tokio::test]
async fn gangs_that_compete_never_hold_each_other_up() {
    let rig = rig().await;
    for name in ["one", "two"] {
        create_group(&rig, name, 4).await;
    }
    for number in 0..4 {
        for name in ["one", "two"] {
            rig.pods().create(&member(name, number, "3")).await.expect("a pod");
        }
    }
    let pods = rig
        .until("one of them is bound", |pods| {
            let (one, two) = (bound(pods, "one"), bound(pods, "two"));
            assert!(one == 0 || two == 0, "both have places: {one} and {two}");
            one == 4 || two == 4
        })
        .await;
    let (winner, loser) = if bound(&pods, "one") == 4 { ("one", "two") } else { ("two", "one") };
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    for number in 0..4 {
        rig.pods().delete(&format!("{winner}-{number}"), &now).await.expect("it goes");
    }
    rig.until("then the other is bound", |pods| bound(pods, loser) == 4).await;
    rig.finish().await;
}

#[tokio::test]
async fn a_group_with_a_topology_constraint_is_bound_in_one_rack() {
    let rig = rig().await;
    let nodes: Api<Node> = Api::all(rig.admin());
    for (name, rack) in [("c", "r2"), ("a", "r1"), ("b", "r2")] {
        if name == "c" {
            rig.add_node("c", "8").await;
        }
        let mut node = nodes.get(name).await.expect("it is there");
        node.metadata.labels.get_or_insert_default().insert("rack".to_owned(), rack.to_owned());
        nodes.replace(&node).await.expect("a label");
    }
    let spec = json!({"schedulingPolicy": {"gang": {"minCount": 4}}, "schedulingConstraints": {"topology": [{"key": "rack"}]}});
    let group: PodGroup = parse(json!({"metadata": {"name": "near"}, "spec": spec}));
    groups(&rig).create(&group).await.expect("a group");
    for number in 0..4 {
        // Four are more than any node takes, and than rack r1 does.
        rig.pods().create(&member("near", number, "3")).await.expect("a pod");
    }
    let pods = rig.until("all of it is bound", |pods| bound(pods, "near") == 4).await;
    assert!(pods.iter().filter_map(node_of).all(|node| ["b", "c"].contains(&node)));
    rig.finish().await;
}

#[tokio::test]
async fn groups_are_checked_and_do_not_change() {
    let rig = Rig::new(0).await;
    let policy = json!({"gang": {"minCount": 0}});
    let group: PodGroup = parse(json!({"metadata": {"name": "g"}, "spec": {"schedulingPolicy": policy}}));
    let refused = groups(&rig).create(&group).await.expect_err("no gang").to_string();
    assert!(refused.contains("spec.schedulingPolicy.gang.minCount"), "{refused}");
    create_group(&rig, "g", 2).await;
    let mut made = groups(&rig).get("g").await.expect("it is there");
    assert_eq!(made.metadata.generation, Some(1));
    made.spec.scheduling_policy.gang.as_mut().expect("it is one").min_count = 3;
    let refused = groups(&rig).replace(&made).await.expect_err("it stays").to_string();
    assert!(refused.contains("field is immutable"), "{refused}");
    rig.finish().await;
}
