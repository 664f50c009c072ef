//! Answers of extenders, as Go, Python and others write them.

use super::*;
use serde_json::json;

#[track_caller]
fn check(answer: Value, expected: Option<Filtered>) {
    assert_eq!(Filtered::read(&lower_keys(answer)), expected);
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(node, reason)| ((*node).to_owned(), (*reason).to_owned())).collect()
}

#[test]
fn filter_results() {
    let names = || Some(vec!["a".to_owned(), "B".to_owned()]);
    check(
        json!({"Nodes": null, "NodeNames": ["a", "B"], "FailedNodes": {"C": "full"}, "Error": ""}),
        Some(Filtered { names: names(), failed: map(&[("C", "full")]), ..Filtered::default() }),
    );
    check(json!({"nodenames": ["a", "B"]}), Some(Filtered { names: names(), ..Filtered::default() }));
    check(
        json!({"nodes": {"items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "B"}}]}, "failedAndUnresolvableNodes": {"C": "never"}}),
        Some(Filtered { nodes: names(), unresolvable: map(&[("C", "never")]), ..Filtered::default() }),
    );
    check(json!({"Nodes": {"items": null}}), Some(Filtered { nodes: Some(Vec::new()), ..Filtered::default() }));
    check(json!({"Error": "boom"}), Some(Filtered { error: "boom".to_owned(), ..Filtered::default() }));
    check(json!({}), Some(Filtered::default()));
    for wrong in
        [json!([]), json!("x"), json!({"NodeNames": "a"}), json!({"NodeNames": [1]}), json!({"Nodes": {"items": [{}]}})]
    {
        check(wrong, None);
    }
    check(json!({"FailedNodes": {"a": 1}}), None);
}

#[test]
fn host_priorities() {
    let read = |answer: Value| priorities(&lower_keys(answer));
    let one = Some(vec![("a".to_owned(), 7)]);
    assert_eq!(read(json!([{"Host": "a", "Score": 7}])), one);
    assert_eq!(read(json!([{"host": "a", "score": 7}])), one);
    assert_eq!(read(json!(null)), Some(Vec::new()));
    assert_eq!(read(json!([{"Host": "a"}])), Some(vec![("a".to_owned(), 0)]));
    for wrong in [
        json!({}),
        json!([{"Score": 1}]),
        json!([{"Host": "a", "Score": "high"}]),
        json!([{"Host": "a", "Score": 1.5}]),
    ] {
        assert_eq!(read(wrong), None);
    }
}

#[test]
fn preemption_results() {
    let read = |answer: Value| {
        let nodes = preemption(&lower_keys(answer))?;
        let one = |(node, chosen): (String, Chosen)| format!("{node}: {} {}", chosen.uids.join(" "), chosen.violations);
        Some(nodes.into_iter().map(one).collect::<Vec<_>>().join(", "))
    };
    let some = |text: &str| Some(text.to_owned());
    let two =
        json!({"N": {"Pods": [{"UID": "u1"}, {"UID": "u2"}], "NumPDBViolations": 2}, "m": {"Pods": [{"UID": "v"}]}});
    assert_eq!(read(json!({"NodeNameToMetaVictims": two})), some("N: u1 u2 2, m: v 0"));
    assert_eq!(read(json!({"nodeNameToMetaVictims": {"n": {"pods": [{"uid": "u"}]}}})), some("n: u 0"));
    assert_eq!(read(json!({"NodeNameToMetaVictims": {"n": null, "m": {"Pods": null}}})), some("m:  0, n:  0"));
    assert_eq!(read(json!({"NodeNameToMetaVictims": null})), some(""));
    assert_eq!(read(json!({})), some(""));
    assert_eq!(read(json!({"NodeNameToMetaVictims": {"n": {"NumPDBViolations": -1}}})), some("n:  0"));
    for wrong in [
        json!([]),
        json!({"NodeNameToMetaVictims": []}),
        json!({"NodeNameToMetaVictims": {"n": 1}}),
        json!({"NodeNameToMetaVictims": {"n": {"Pods": [{}]}}}),
        json!({"NodeNameToMetaVictims": {"n": {"Pods": ["u"]}}}),
        json!({"NodeNameToMetaVictims": {"n": {"NumPDBViolations": "many"}}}),
    ] {
        assert_eq!(read(wrong), None);
    }
}

#[test]
fn what_is_sent_has_gos_names() {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
    let by_name = serde_json::to_value(Arguments { pod: &pod, nodes: None, node_names: Some(vec!["a"]) }).unwrap();
    assert_eq!(
        (&by_name["Pod"]["metadata"]["name"], &by_name["Nodes"], &by_name["NodeNames"]),
        (&json!("p"), &Value::Null, &json!(["a"]))
    );
    let node: Node = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
    let list = NodeList { metadata: Map::new(), items: vec![Arc::new(node)] };
    let whole = serde_json::to_value(Arguments { pod: &pod, nodes: Some(list), node_names: None }).unwrap();
    assert_eq!((&whole["Nodes"]["items"][0]["metadata"]["name"], &whole["NodeNames"]), (&json!("n"), &Value::Null));
    let binding = BindingArguments { name: "p", namespace: "d", uid: "u", node: "n" };
    let expected = json!({"PodName": "p", "PodNamespace": "d", "PodUID": "u", "Node": "n"});
    assert_eq!(serde_json::to_value(binding).unwrap(), expected);
}
