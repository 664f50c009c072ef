use super::*;
use crate::schema;
use proptest::prelude::*;
use serde_json::json;

fn deployment() -> &'static Type {
    schema::of_kind("apps", "v1", "Deployment").expect("deployments")
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, api_version: "apps/v1", subresource: "", now: jiff::Timestamp::UNIX_EPOCH }
}

fn base(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"}, "spec": spec})
}

fn containers(list: Value) -> Value {
    base(json!({"template": {"spec": {"containers": list}}}))
}

/// What a manager owns, as readable paths.
fn owned_by(object: &Value, manager: &str, operation: &str) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let found = entries.iter().find(|e| e["manager"] == manager && e["operation"] == operation);
    found.map(|e| Set::from_fields(&e["fieldsV1"]).unwrap().paths()).unwrap_or_default()
}

fn without_record(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    object
}

fn applied(live: Option<&Value>, configuration: &Value, manager: &str) -> Value {
    apply(live, configuration, deployment(), writer(manager), false).unwrap_or_else(|e| panic!("{e}"))
}

/// Many elements, in an order that suits no sorted list.
#[test]
fn long_lists_are_merged() {
    let finalizers = |from: usize, to: usize, step: usize| -> Vec<String> {
        (from..to).rev().step_by(step).map(|number| format!("a/{number:06}")).collect()
    };
    let with = |finalizers: Vec<String>| {
        let mut object = base(json!({}));
        object["metadata"]["finalizers"] = json!(finalizers);
        object
    };
    let first = applied(None, &with(finalizers(0, 20_000, 2)), "me");
    let both = applied(Some(&first), &with(finalizers(0, 20_001, 2)), "you");
    assert_eq!(both["metadata"]["finalizers"].as_array().map(Vec::len), Some(20_001));
    let mine = applied(Some(&both), &with(vec![]), "you");
    assert_eq!(mine["metadata"]["finalizers"].as_array().map(Vec::len), Some(10_000));
}

#[test]
fn the_first_apply_owns_what_it_names() {
    let object = applied(
        None,
        &base(json!({"replicas": 3, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "a", "image": "i", "args": ["x"], "ports": [{"containerPort": 80}]}], "nodeSelector": {"k": "v"}}}})),
        "me",
    );
    assert_eq!(
        owned_by(&object, "me", "Apply"),
        [
            ".spec.replicas",
            ".spec.template.metadata.labels.app",
            ".spec.template.spec.containers[name=\"a\"]",
            ".spec.template.spec.containers[name=\"a\"].args",
            ".spec.template.spec.containers[name=\"a\"].image",
            ".spec.template.spec.containers[name=\"a\"].name",
            ".spec.template.spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"]",
            ".spec.template.spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
            ".spec.template.spec.nodeSelector",
        ]
    );
    let entry = &object["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["apiVersion"], &entry["fieldsType"], &entry["time"], entry.get("subresource")),
        (&json!("apps/v1"), &json!("FieldsV1"), &json!("1970-01-01T00:00:00Z"), None)
    );
}

#[test]
fn the_same_apply_again_changes_nothing() {
    let configuration = containers(json!([{"name": "a", "image": "i"}]));
    let live = applied(None, &configuration, "me");
    let later = Writer { now: "2030-01-01T00:00:00Z".parse().unwrap(), ..writer("me") };
    assert_eq!(apply(Some(&live), &configuration, deployment(), later, false).unwrap(), live);
}

#[test]
fn what_is_no_longer_applied_goes() {
    let live = applied(
        None,
        &base(json!({"replicas": 3, "paused": true, "template": {"metadata": {"labels": {"a": "1", "b": "2"}}}})),
        "me",
    );
    let new =
        applied(Some(&live), &base(json!({"paused": true, "template": {"metadata": {"labels": {"b": "2"}}}})), "me");
    assert_eq!(
        without_record(new.clone())["spec"],
        json!({"paused": true, "template": {"metadata": {"labels": {"b": "2"}}}})
    );
    let last = applied(Some(&new), &base(json!({"paused": true})), "me");
    assert_eq!(without_record(last)["spec"], json!({"paused": true}), "what this empties goes too");
}

#[test]
fn defaults_stay_and_elements_go_whole() {
    let mut live = applied(None, &containers(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}])), "me");
    // Defaults are nobody's.
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = json!("Always");
    live["spec"]["template"]["spec"]["dnsPolicy"] = json!("ClusterFirst");
    let new = applied(Some(&live), &containers(json!([{"name": "a", "image": "2"}])), "me");
    assert_eq!(
        without_record(new)["spec"]["template"]["spec"],
        json!({"containers": [{"name": "a", "image": "2"}], "dnsPolicy": "ClusterFirst"})
    );
}

#[test]
fn shared_fields_survive_one_owner() {
    let one = applied(None, &base(json!({"replicas": 3})), "one");
    let two = applied(Some(&one), &base(json!({"replicas": 3, "paused": true})), "two");
    assert_eq!(owned_by(&two, "one", "Apply"), [".spec.replicas"]);
    let left = applied(Some(&two), &base(json!({})), "one");
    assert_eq!(left["spec"], json!({"replicas": 3, "paused": true}));
    assert_eq!(owned_by(&left, "one", "Apply"), [".spec"], "an empty struct is named too");
}

#[test]
fn conflicts_are_told_and_forced() {
    let mut live = base(json!({"replicas": 3}));
    track(None, &mut live, deployment(), writer("kubectl-create"));
    let configuration = base(json!({"replicas": 5, "paused": true}));
    let refused = apply(Some(&live), &configuration, deployment(), writer("me"), false).unwrap_err();
    assert_eq!(refused.code(), 409);
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-create\" using apps/v1: .spec.replicas"
    );
    let cause = &refused.details.causes[0];
    assert_eq!(
        (cause.reason.as_str(), cause.message.as_str(), cause.field.as_str()),
        ("FieldManagerConflict", "conflict with \"kubectl-create\" using apps/v1", ".spec.replicas")
    );
    let forced = apply(Some(&live), &configuration, deployment(), writer("me"), true).unwrap();
    assert_eq!(forced["spec"], json!({"replicas": 5, "paused": true}));
    assert_eq!(owned_by(&forced, "kubectl-create", "Update"), Vec::<String>::new());
    assert_eq!(owned_by(&forced, "me", "Apply"), [".spec.paused", ".spec.replicas"]);
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let one = applied(None, &base(json!({"replicas": 1})), "one");
    let live = applied(Some(&one), &base(json!({"paused": true, "minReadySeconds": 1})), "two");
    let refused = apply(
        Some(&live),
        &base(json!({"replicas": 2, "paused": false, "minReadySeconds": 2})),
        deployment(),
        writer("me"),
        false,
    )
    .unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 3 conflicts: conflicts with \"one\":\n- .spec.replicas\nconflicts with \"two\":\n- .spec.minReadySeconds\n- .spec.paused"
    );
}

#[test]
fn writes_take_over_what_they_change() {
    let mut live = applied(None, &base(json!({"replicas": 1, "paused": true})), "me");
    let before = live.clone();
    live["spec"]["replicas"] = json!(4);
    live["spec"].as_object_mut().unwrap().remove("paused");
    live["metadata"]["labels"] = json!({"x": "y"});
    track(Some(&before), &mut live, deployment(), writer("scaler"));
    assert_eq!(owned_by(&live, "me", "Apply"), Vec::<String>::new());
    assert_eq!(owned_by(&live, "scaler", "Update"), [".metadata.labels", ".metadata.labels.x", ".spec.replicas"]);
    let unchanged = live.clone();
    let mut again = live.clone();
    track(Some(&unchanged), &mut again, deployment(), Writer { now: jiff::Timestamp::MAX, ..writer("scaler") });
    assert_eq!(again, unchanged, "a write that changes nothing leaves no trace");
}

#[test]
fn creates_are_recorded_as_kubernetes_writes_them() {
    let mut object = containers(
        json!([{"name": "a", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {}}]),
    );
    track(None, &mut object, deployment(), writer("kubectl"));
    assert_eq!(
        object["metadata"]["managedFields"],
        json!([{"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "time": "1970-01-01T00:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {".": {}, "k:{\"name\":\"a\"}": {
                ".": {}, "f:image": {}, "f:name": {}, "f:resources": {},
                "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}}}}}}}}])
    );
}

#[test]
fn the_status_has_managers_of_its_own() {
    let live = applied(None, &base(json!({"replicas": 1})), "me");
    let mut new = live.clone();
    new["status"] = json!({"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]});
    track(Some(&live), &mut new, deployment(), Writer { subresource: "status", ..writer("controller") });
    assert_eq!(
        owned_by(&new, "controller", "Update"),
        [
            ".status.conditions",
            ".status.conditions[type=\"Available\"]",
            ".status.conditions[type=\"Available\"].status",
            ".status.conditions[type=\"Available\"].type",
            ".status.replicas"
        ]
    );
    let entries = new["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries[1]["subresource"], "status");
    let mut configuration = base(json!({"replicas": 1}));
    configuration["status"] = json!({"replicas": 9});
    let again = applied(Some(&new), &configuration, "me");
    assert_eq!(again["status"]["replicas"], 1, "the status is out of reach of the object's endpoint");
    let refused = apply(
        Some(&new),
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": {"replicas": 2}}),
        deployment(),
        Writer { subresource: "status", ..writer("me") },
        false,
    )
    .unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"controller\" with subresource \"status\" using apps/v1: .status.replicas"
    );
}

#[test]
fn lists_keep_the_order_of_the_configuration() {
    let one = applied(None, &containers(json!([{"name": "a"}, {"name": "c"}])), "one");
    let two = applied(Some(&one), &containers(json!([{"name": "x"}, {"name": "c"}, {"name": "b"}])), "two");
    let names: Vec<&str> = two["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "x", "c", "b"]);
}

#[test]
fn sets_and_finalizers_merge() {
    let with = |finalizers: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "finalizers": finalizers}});
    let one = applied(None, &with(json!(["a/b"])), "one");
    let two = applied(Some(&one), &with(json!(["c/d"])), "two");
    assert_eq!(two["metadata"]["finalizers"], json!(["a/b", "c/d"]));
    assert_eq!(owned_by(&two, "two", "Apply"), [".metadata.finalizers[=\"c/d\"]"]);
    let less = applied(Some(&two), &with(json!([])), "one");
    assert_eq!(less["metadata"]["finalizers"], json!(["c/d"]));
}

/// What a second manager is told when it applies this spec over the first one's.
#[track_caller]
fn check_conflict(first: Value, second: Value, expected: Option<&str>) {
    let live = applied(None, &base(first), "one");
    let found = apply(Some(&live), &base(second), deployment(), writer("two"), false);
    match expected {
        None => assert!(found.is_ok(), "{:?}", found.err()),
        Some(field) => assert_eq!(
            found.unwrap_err().message,
            format!("Apply failed with 1 conflict: conflict with \"one\": {field}")
        ),
    }
}

#[test]
fn what_is_owned_as_a_whole_and_what_is_not() {
    let template = |spec: Value| json!({"template": {"spec": spec}});
    // Atomic maps and lists have one owner.
    check_conflict(
        template(json!({"nodeSelector": {"a": "1"}})),
        template(json!({"nodeSelector": {"b": "1"}})),
        Some(".spec.template.spec.nodeSelector"),
    );
    check_conflict(
        template(json!({"tolerations": [{"key": "a"}]})),
        template(json!({"tolerations": [{"key": "b"}]})),
        Some(".spec.template.spec.tolerations"),
    );
    check_conflict(
        json!({"selector": {"matchLabels": {"a": "1"}}}),
        json!({"selector": {"matchLabels": {"a": "1", "b": "1"}}}),
        Some(".spec.selector"),
    );
    // Labels are each somebody's, and so are containers, their variables and their fields.
    check_conflict(
        json!({"template": {"metadata": {"labels": {"a": "1"}}}}),
        json!({"template": {"metadata": {"labels": {"b": "1"}}}}),
        None,
    );
    let env = |name: &str, value: &str| {
        template(json!({"containers": [{"name": "c", "env": [{"name": name, "value": value}]}]}))
    };
    check_conflict(env("A", "1"), env("B", "1"), None);
    check_conflict(
        env("A", "1"),
        env("A", "2"),
        Some(".spec.template.spec.containers[name=\"c\"].env[name=\"A\"].value"),
    );
    // One value is no conflict, whoever gives it.
    check_conflict(env("A", "1"), env("A", "1"), None);
    check_conflict(
        template(json!({"containers": [{"name": "c", "args": ["a"]}]})),
        template(json!({"containers": [{"name": "c", "args": ["b"]}]})),
        Some(".spec.template.spec.containers[name=\"c\"].args"),
    );
}

#[test]
fn the_key_of_a_port_has_a_default() {
    let ports = |port: Value| containers(json!([{"name": "c", "ports": [port]}]));
    let live = applied(None, &ports(json!({"containerPort": 80, "protocol": "TCP", "name": "a"})), "one");
    let same = applied(Some(&live), &ports(json!({"containerPort": 80, "hostPort": 8080})), "two");
    assert_eq!(
        same["spec"]["template"]["spec"]["containers"][0]["ports"],
        json!([{"containerPort": 80, "protocol": "TCP", "name": "a", "hostPort": 8080}])
    );
    let other = applied(Some(&live), &ports(json!({"containerPort": 80, "protocol": "UDP"})), "two");
    assert_eq!(other["spec"]["template"]["spec"]["containers"][0]["ports"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_manager_that_lets_go_leaves_what_others_hold() {
    let labels = |labels: Value| base(json!({"template": {"metadata": {"labels": labels}}}));
    let one = applied(None, &labels(json!({"a": "1", "b": "1"})), "one");
    let two = applied(Some(&one), &labels(json!({"b": "1", "c": "1"})), "two");
    let left = applied(Some(&two), &labels(json!({})), "one");
    assert_eq!(left["spec"]["template"]["metadata"]["labels"], json!({"b": "1", "c": "1"}));
    let none = applied(Some(&left), &labels(json!({})), "two");
    assert_eq!(
        none["spec"]["template"]["metadata"].get("labels").and_then(|l| l.as_object()).map_or(0, |l| l.len()),
        0
    );
}

#[test]
fn configurations_that_cannot_be_applied() {
    #[track_caller]
    fn refused(configuration: &Value, text: &str) {
        let error = apply(None, configuration, deployment(), writer("me"), true).unwrap_err();
        assert_eq!(error.code(), 400);
        assert!(error.message.contains(text), "{error}");
    }
    refused(&json!({"metadata": {"managedFields": [{}]}}), "metadata.managedFields must be nil");
    refused(
        &containers(json!([{"image": "x"}])),
        "element 0: associative list with keys has an element that omits key field \"name\"",
    );
    refused(
        &containers(json!([{"name": "a"}, {"name": "a"}])),
        ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]",
    );
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let configuration = base(json!({"replicas": 3, "paused": true}));
    let mut live = configuration.clone();
    live["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": configuration.to_string()});
    track(None, &mut live, deployment(), writer("kubectl-client-side-apply"));
    let mut next = configuration.clone();
    next["spec"]["replicas"] = json!(5);
    let others = apply(Some(&live), &next, deployment(), writer("me"), false).unwrap_err();
    assert_eq!(others.code(), 409, "only kubectl may take over");
    let upgraded = apply(Some(&live), &next, deployment(), writer("kubectl"), false).unwrap();
    assert_eq!(upgraded["spec"]["replicas"], 5);
    let annotation =
        upgraded["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(annotation).unwrap()["spec"]["replicas"], 5, "the annotation follows");
    let mut edited = live.clone();
    edited["spec"]["replicas"] = json!(9);
    track(Some(&live), &mut edited, deployment(), writer("kubectl-edit"));
    let refused = apply(Some(&edited), &next, deployment(), writer("kubectl"), false).unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: .spec.replicas"
    );
}

#[test]
fn clients_may_change_or_reset_the_record() {
    let live = applied(None, &base(json!({"replicas": 1})), "me");
    let mut forgot = live.clone();
    forgot["metadata"].as_object_mut().unwrap().remove("managedFields");
    track(Some(&live), &mut forgot, deployment(), writer("other"));
    assert_eq!(forgot, live, "leaving it out loses nothing");
    let mut reset = live.clone();
    reset["metadata"]["managedFields"] = json!([{}]);
    track(Some(&live), &mut reset, deployment(), writer("other"));
    assert_eq!(reset["metadata"].get("managedFields"), None);
    let mut renamed = live.clone();
    renamed["metadata"]["managedFields"][0]["manager"] = json!("renamed");
    track(Some(&live), &mut renamed, deployment(), writer("other"));
    assert_eq!(owned_by(&renamed, "renamed", "Apply"), [".spec.replicas"]);
}

#[test]
fn the_record_is_bounded() {
    let mut live = base(json!({}));
    for i in 0..30 {
        let mut new = live.clone();
        new["metadata"]["labels"][format!("l{i}")] = json!("x");
        let manager = format!("m{i}");
        let now = jiff::Timestamp::from_second(i).unwrap();
        track(Some(&live), &mut new, deployment(), Writer { now, ..writer(&manager) });
        live = new;
    }
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert!(owned_by(&live, "ancient-changes", "Update").contains(&".metadata.labels.l3".to_owned()));
    assert_eq!(owned_by(&live, "m29", "Update"), [".metadata.labels.l29"]);
}

#[test]
fn field_sets_read_back() {
    let fields = json!({"f:spec": {".": {}, "f:x": {}, "k:{\"b\":1,\"a\":\"z\"}": {"v:[1]": {}, "i:3": {}}}});
    let set = Set::from_fields(&fields).unwrap();
    assert_eq!(set.paths(), [".spec", ".spec.x", ".spec[a=\"z\",b=1][3]", ".spec[a=\"z\",b=1][=[1]]"]);
    assert_eq!(Set::from_fields(&set.clone().into_fields()), Some(set));
    assert_eq!(Set::from_fields(&json!({"spec": {}})), None);
    assert_eq!(Set::from_fields(&json!({"k:{": {}})), None);
}

fn configuration() -> impl Strategy<Value = Value> {
    let names = prop::sample::subsequence(vec!["a", "b", "c"], 0..3);
    let labels = prop::collection::btree_map("[xy]", "[12]", 0..3);
    (prop::option::of(0..3_i32), prop::option::of(any::<bool>()), names, labels).prop_map(
        |(replicas, paused, names, labels)| {
            let list: Vec<Value> = names.iter().map(|n| json!({"name": n, "image": "i"})).collect();
            let mut object = containers(json!(list));
            object["metadata"]["labels"] = json!(labels);
            if let Some(replicas) = replicas {
                object["spec"]["replicas"] = json!(replicas);
            }
            if let Some(paused) = paused {
                object["spec"]["paused"] = json!(paused);
            }
            object
        },
    )
}

proptest! {
    #[test]
    fn a_forced_apply_holds_and_is_idempotent(history in prop::collection::vec((0..3_usize, configuration()), 1..6)) {
        let mut live: Option<Value> = None;
        for (manager, configuration) in &history {
            let me = ["one", "two", "three"][*manager];
            let new = apply(live.as_ref(), configuration, deployment(), writer(me), true).unwrap();
            prop_assert_eq!(&merge::merge(Some(&new), configuration, Form::Struct(deployment())), &new, "what was applied is there");
            let again = apply(Some(&new), configuration, deployment(), writer(me), false).unwrap();
            prop_assert_eq!(&again, &new);
            live = Some(new);
        }
    }

    #[test]
    fn one_manager_alone_gets_exactly_its_last_configuration(history in prop::collection::vec(configuration(), 1..5)) {
        let mut live: Option<Value> = None;
        for configuration in &history {
            live = Some(apply(live.as_ref(), configuration, deployment(), writer("me"), false).unwrap());
        }
        let fresh = apply(None, history.last().unwrap(), deployment(), writer("me"), false).unwrap();
        prop_assert_eq!(without_empty(without_record(live.unwrap())), without_empty(without_record(fresh)));
    }
}

/// Empty structs and lists may or may not be left behind.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept =
                map.into_iter().map(|(k, v)| (k, without_empty(v))).filter(|(_, v)| *v != json!({}) && *v != json!([]));
            Value::Object(kept.collect())
        }
        other => other,
    }
}
