//! Tables share their rows, and say when they changed.

use super::*;
use crate::model::Labels;
use crate::storage::{Claim, Volume};

fn service(namespace: &str, name: &str, app: &str) -> Service {
    Service { namespace: namespace.into(), name: name.into(), selector: Selector::labels([("app", app)]) }
}

#[test]
fn a_clone_does_not_see_later_changes() {
    let mut inventory = Inventory::default();
    inventory.claims.set(Claim::new("ns", "a", "fast", 1));
    let before = inventory.clone();
    inventory.claims.set(Claim::new("ns", "b", "fast", 1));
    assert!(inventory.claims.update("ns", "a", |claim| claim.lost = true));
    assert!(!inventory.claims.update("ns", "c", |claim| claim.lost = true));
    assert!(before.claims.get("ns", "b").is_none());
    assert!(!before.claims.get("ns", "a").unwrap().lost);
    assert!(inventory.claims.get("ns", "a").unwrap().lost);
    assert!(inventory.generation() > before.generation());
}

#[test]
fn rows_are_found_by_namespace_and_name() {
    let mut inventory = Inventory::default();
    for (namespace, name) in [("b", "z"), ("a", "y"), ("a", "x")] {
        inventory.services.set(service(namespace, name, "web"));
    }
    let names =
        |services: Vec<&std::sync::Arc<Service>>| services.iter().map(|s| s.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(inventory.services.iter().collect()), ["x", "y", "z"]);
    assert_eq!(names(inventory.services.in_namespace("a").collect()), ["x", "y"]);
    assert!(inventory.services.remove("a", "x").is_some());
    assert!(inventory.services.remove("a", "x").is_none());
    inventory.services.remove("a", "y");
    inventory.services.remove("b", "z");
    assert!(inventory.services.is_empty());
}

#[test]
fn the_default_selector_unites_services_and_the_workload() {
    let mut inventory = Inventory::default();
    let owner = Owner { kind: "ReplicaSet".into(), name: "web-1".into() };
    let pod = Pod { owner: Some(owner.clone()), ..Pod::new("p").label("app", "web").label("hash", "1") };
    assert_eq!(inventory.default_selector(&pod), Selector::All(vec![]));
    inventory.services.set(service("default", "one", "web"));
    inventory.services.set(service("default", "same", "web"));
    inventory.services.set(service("default", "other", "db"));
    inventory.services.set(service("elsewhere", "one", "web"));
    assert_eq!(inventory.default_selector(&pod), Selector::labels([("app", "web")]));
    inventory.workloads.set(Workload {
        namespace: "default".into(),
        owner,
        selector: Selector::labels([("hash", "1")]),
    });
    assert_eq!(inventory.default_selector(&pod), Selector::labels([("app", "web"), ("hash", "1")]));
    assert!(inventory.default_selector(&pod).matches(&Labels::new([("app", "web"), ("hash", "1")])));
}

#[test]
fn an_assumed_change_can_be_taken_back() {
    let mut inventory = Inventory::default();
    inventory.claims.set(Claim::new("ns", "c", "fast", 1));
    inventory.volumes.set(Volume::new("v", "fast", 1));
    let bind = Change::BindVolume { volume: "v".into(), namespace: "ns".into(), claim: "c".into() };
    inventory.apply(&bind);
    let claim = inventory.claims.get("ns", "c").unwrap().clone();
    assert!(inventory.volumes.get("", "v").unwrap().promised_to(&claim));
    inventory.revert(&bind);
    assert_eq!(inventory.volumes.get("", "v").unwrap().claim, None);
    let select = Change::SelectNode { namespace: "ns".into(), claim: "c".into(), node: "n".into() };
    inventory.apply(&select);
    assert_eq!(inventory.claims.get("ns", "c").unwrap().selected_node.as_deref(), Some("n"));
    inventory.revert(&select);
    assert_eq!(inventory.claims.get("ns", "c").unwrap().selected_node, None);
}

#[test]
fn a_table_says_what_has_changed_since() {
    let mut table = Inventory::default().claims;
    let claim = |name: &str, bytes| Claim::new("ns", name, "fast", bytes);
    let start = table.state();
    table.set(claim("a", 1));
    let first = table.state();
    let fork = table.clone();
    table.set(claim("a", 2));
    table.remove("ns", "a");
    let edits = |table: &Table<Claim>, since| {
        let bytes = |claim: Option<&std::sync::Arc<Claim>>| claim.map(|claim| claim.request_bytes);
        table.since(since).map(|edits| edits.map(|(old, new)| (bytes(old), bytes(new))).collect::<Vec<_>>())
    };
    assert_eq!(edits(&table, start), Some(vec![(None, Some(1)), (Some(1), Some(2)), (Some(2), None)]));
    assert_eq!(edits(&table, table.state()), Some(vec![]));
    assert_eq!((edits(&fork, start), edits(&fork, table.state())), (Some(vec![(None, Some(1))]), None));
    (0..1000).for_each(|bytes| table.set(claim("b", bytes)));
    assert_eq!(edits(&table, first), None);
}
