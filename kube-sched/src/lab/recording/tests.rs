//! Recordings: what is written is read, what cannot be read is said, and the replay tells the same story.

use super::*;
use serde_json::json;

fn line(seconds: f64, event: &str, kind: &str, object: serde_json::Value) -> String {
    json!({"seconds": seconds, "event": event, "kind": kind, "object": object}).to_string() + "\n"
}

fn node(name: &str) -> serde_json::Value {
    json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}})
}

fn pod(uid: &str, node: Option<&str>, phase: &str) -> serde_json::Value {
    json!({"metadata": {"name": uid, "uid": uid, "namespace": "default"}, "status": {"phase": phase},
        "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}})
}

#[test]
fn a_recording_is_a_scenario() {
    let text = [
        line(0.0, "Added", "Node", node("a")),
        line(0.0, "Added", "Pod", pod("old", Some("a"), "Running")),
        line(1.0, "Added", "Pod", pod("gone", None, "Succeeded")),
        line(2.0, "Added", "Pod", pod("p", None, "Pending")),
        line(5.0, "Modified", "Pod", pod("p", Some("a"), "Running")),
        line(6.0, "Added", "Node", node("b")),
        line(15.0, "Deleted", "Pod", pod("p", Some("a"), "Running")),
        line(16.0, "Deleted", "Node", node("a")),
        line(20.0, "Added", "Node", node("a")),
    ]
    .concat();
    let scenario = Recording::parse(&text).unwrap().scenario("r");
    let jobs: Vec<_> = scenario
        .jobs
        .iter()
        .map(|job| (&*job.pod.uid, job.arrives.as_secs(), job.runs.map(|runs| runs.as_secs()), job.pod.node.is_none()))
        .collect();
    assert_eq!(jobs, [("old", 0, None, true), ("p", 2, Some(10), true)]);
    let outages: Vec<_> =
        scenario.outages.iter().map(|outage| (&*outage.node, outage.from.as_secs(), outage.until.as_secs())).collect();
    assert_eq!(outages, [("b", 0, 6), ("a", 16, 20)]);
    assert_eq!((scenario.nodes.len(), scenario.horizon.as_secs()), (2, 20));
}

#[test]
fn what_is_written_is_read() {
    let text = line(0.5, "Added", "Node", json!({"metadata": {"name": "a", "managedFields": [{"manager": "m"}]}}));
    let recording = Recording::parse(&text).unwrap();
    let written = recording.lines[0].to_json().unwrap();
    assert!(!written.contains("managedFields"));
    assert_eq!(Recording::parse(&written).unwrap().lines[0].seconds, 0.5);
}

#[test]
fn a_bad_recording_is_refused_with_its_line() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Recording::parse(text).unwrap_err().to_string(), expected);
    }
    let good = line(3.0, "Added", "Node", node("a"));
    check("", "the recording has no node; was it made with the right to list nodes?");
    check(&format!("{good}\nnonsense"), "line 3: not a line of a recording");
    check(&format!("{good}{}", line(1.0, "Added", "Secret", json!({}))), "line 2: not a line of a recording");
    check(
        &format!("{good}{}", line(2.0, "Added", "Node", node("b"))),
        "line 2: the time 2 is not at or after the line above",
    );
    check(&line(-1.0, "Added", "Node", node("b")), "line 1: the time -1 is not at or after the line above");
}
