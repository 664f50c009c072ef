//! The search on one node. Sources: KEP-4381, KEP-4815, KEP-4816, KEP-5018, KEP-5055.

mod sharing;
mod taints;

use super::*;
use crate::dra::{
    Attribute, CounterSet, Device, DeviceClass, DeviceSelector, DeviceTaint, DeviceToleration, NodeScope, ResourceSlice,
};
use crate::model::Resources;

const DRIVER: &str = "gpu.example.com";

fn node(name: &str) -> Node {
    Node::new(name, Resources::default())
}

/// Class `gpu` has every device of the driver; `big` those whose memory is at least 40.
fn inventory(slices: Vec<ResourceSlice>) -> Inventory {
    let mut inventory = Inventory::default();
    let big = |_: &str, device: &Device| match device.attributes.get("gpu.example.com/memory") {
        Some(Attribute::Int(memory)) => Ok(*memory >= 40),
        _ => Err("no such key: memory".to_owned()),
    };
    let of_driver = |driver: &str, _: &Device| Ok(driver == DRIVER);
    let class = |name: &str, selectors| DeviceClass { name: name.into(), selectors };
    inventory.device_classes.set(class("gpu", vec![DeviceSelector::new("driver", of_driver)]));
    inventory.device_classes.set(class("big", vec![DeviceSelector::new("memory", big)]));
    slices.into_iter().for_each(|slice| inventory.resource_slices.set(slice));
    inventory
}

/// `count` devices `d0…` on node `n`, with memory 20, 40, 20, 40 … and the parents a, a, b, b …
fn devices(count: i64) -> ResourceSlice {
    let parents = ["a", "b", "c", "d"];
    ResourceSlice::on_node(
        "n",
        DRIVER,
        (0..count).map(|i| {
            Device::new(&format!("d{i}"))
                .attribute("gpu.example.com/memory", Attribute::Int(20 + i % 2 * 20))
                .attribute(
                    "gpu.example.com/parent",
                    Attribute::Text(parents[usize::try_from(i / 2).unwrap() % 4].into()),
                )
        }),
    )
}

fn claim(name: &str, requests: Vec<ExactRequest>) -> ResourceClaim {
    let one =
        |(i, exact): (usize, ExactRequest)| DeviceRequest { name: format!("r{i}").into(), alternatives: vec![exact] };
    let requests = requests.into_iter().enumerate().map(one).collect();
    ResourceClaim { requests, ..ResourceClaim::new("default", name, ExactRequest::one("gpu")) }
}

fn several(class: &str, count: usize) -> ExactRequest {
    ExactRequest { amount: DeviceAmount::Exactly(count), ..ExactRequest::one(class) }
}

fn all(class: &str) -> ExactRequest {
    ExactRequest { amount: DeviceAmount::All, ..ExactRequest::one(class) }
}

/// `r0=d1 r1=d0, r0=d2`: what the claims are given on node `n`; `none`, or the error.
#[track_caller]
fn check(_source: &str, inventory: &Inventory, claims: Vec<ResourceClaim>, expected: &str) {
    let claims: Vec<Arc<ResourceClaim>> = claims.into_iter().map(Arc::new).collect();
    let found = match allocate(inventory, &Pools::new(inventory), &claims, &node("n")) {
        Err(error) => error.to_string(),
        Ok(None) => "none".to_owned(),
        Ok(Some(allocations)) => {
            let told = |a: &Allocation| {
                a.results.iter().map(|r| format!("{}={}", r.request, r.device)).collect::<Vec<_>>().join(" ")
            };
            allocations.iter().map(told).collect::<Vec<_>>().join(", ")
        }
    };
    assert_eq!(found, expected);
}

#[test]
fn counts_and_conditions() {
    let four = inventory(vec![devices(4)]);
    check("KEP-4381: one device", &four, vec![claim("c", vec![several("gpu", 1)])], "r0=d0");
    check("KEP-4381: a class's condition", &four, vec![claim("c", vec![several("big", 1)])], "r0=d1");
    check("KEP-4381: several", &four, vec![claim("c", vec![several("big", 2)])], "r0=d1 r0=d3");
    check("KEP-4381: more than there are", &four, vec![claim("c", vec![several("big", 3)])], "none");
    check(
        "KEP-4381: a device is given once",
        &four,
        vec![claim("c", vec![several("gpu", 3)]), claim("d", vec![several("gpu", 2)])],
        "none",
    );
    check(
        "KEP-4381: the search goes back: d1 is left to those who need it",
        &four,
        vec![claim("c", vec![several("gpu", 2), several("big", 2)])],
        "r0=d0 r0=d2 r1=d1 r1=d3",
    );
    check("KEP-4381: All", &four, vec![claim("c", vec![all("big")])], "r0=d1 r0=d3");
    check("KEP-4381: All needs at least one", &inventory(vec![]), vec![claim("c", vec![all("gpu")])], "none");
    check(
        "KEP-4381: All cannot leave one out",
        &four,
        vec![claim("c", vec![several("big", 1)]), claim("d", vec![all("big")])],
        "none",
    );
    check(
        "KEP-4381: at most 32 devices a claim",
        &inventory(vec![devices(40)]),
        vec![claim("c", vec![several("gpu", 33)])],
        "none",
    );
    check("KEP-4381: a class that is gone has no devices", &four, vec![claim("c", vec![several("old", 1)])], "none");
    check("a claim without requests is given nothing", &four, vec![claim("c", vec![])], "");
    let bare = inventory(vec![ResourceSlice::on_node("n", DRIVER, [Device::new("d")])]);
    check(
        "KEP-4381: a condition that fails is an error",
        &bare,
        vec![claim("c", vec![several("big", 1)])],
        "claim c, request r0: no such key: memory",
    );
}

#[test]
fn constraints_between_devices() {
    let constrained = |requests: Vec<ExactRequest>, on: &[&str], attribute: &str| ResourceClaim {
        constraints: vec![Constraint {
            requests: on.iter().map(|r| (*r).into()).collect(),
            rule: ConstraintRule::Match(attribute.into()),
        }],
        ..claim("c", requests)
    };
    let parent = "gpu.example.com/parent";
    let four = inventory(vec![devices(4)]);
    check("KEP-4381: matchAttribute", &four, vec![constrained(vec![several("gpu", 2)], &[], parent)], "r0=d0 r0=d1");
    check("KEP-4381: three of one parent", &four, vec![constrained(vec![several("gpu", 3)], &[], parent)], "none");
    check(
        "KEP-4381: across requests: d1 and d0 are of one parent",
        &four,
        vec![constrained(vec![several("big", 1), several("gpu", 1)], &["r0", "r1"], parent)],
        "r0=d1 r1=d0",
    );
    check(
        "KEP-4381: a request that is not named is free",
        &four,
        vec![constrained(vec![several("gpu", 2), several("gpu", 2)], &["r0"], parent)],
        "r0=d0 r0=d1 r1=d2 r1=d3",
    );
    check(
        "KEP-4381: devices without the attribute",
        &four,
        vec![constrained(vec![several("gpu", 1)], &[], "x/y")],
        "none",
    );
    let first = claim("first", vec![several("gpu", 1)]);
    check(
        "KEP-4381: the search goes back for a pair: d0 is taken, so d2 and d3",
        &four,
        vec![first, constrained(vec![several("gpu", 2)], &[], parent)],
        "r0=d0, r0=d2 r0=d3",
    );
}

#[test]
fn pools() {
    let slice = |name: &str, generation, of: usize, device: &str| ResourceSlice {
        name: name.into(),
        generation,
        slices_in_pool: of,
        ..ResourceSlice::on_node("n", DRIVER, [Device::new(device)])
    };
    let one = || vec![claim("c", vec![several("gpu", 1)])];
    check(
        "KEP-4381: slices of one pool are united",
        &inventory(vec![slice("a", 1, 2, "x"), slice("b", 1, 2, "y")]),
        vec![claim("c", vec![several("gpu", 2)])],
        "r0=x r0=y",
    );
    check(
        "KEP-4381: a pool that is being published is not used",
        &inventory(vec![slice("a", 1, 2, "x")]),
        one(),
        "none",
    );
    check(
        "KEP-4381: only the newest generation counts",
        &inventory(vec![slice("a", 1, 1, "old"), slice("b", 2, 1, "new")]),
        one(),
        "r0=new",
    );
    let scoped = |scope| inventory(vec![ResourceSlice { scope, ..slice("a", 1, 1, "x") }]);
    check("KEP-4381: another node's", &scoped(NodeScope::Node("m".into())), one(), "none");
    check("KEP-4381: all nodes", &scoped(NodeScope::All), one(), "r0=x");
    check("KEP-4381: no nodes", &scoped(NodeScope::Selected(NodeSelector::default())), one(), "none");
    let here = Device { scope: Some(NodeScope::Node("n".into())), ..Device::new("here") };
    let there = Device { scope: Some(NodeScope::Node("m".into())), ..Device::new("there") };
    let per_device =
        ResourceSlice { scope: NodeScope::PerDevice, ..ResourceSlice::on_node("n", DRIVER, [there, here]) };
    check("KEP-4815: each device says where it is", &inventory(vec![per_device]), one(), "r0=here");
}

fn allocated(inventory: &mut Inventory, device: &str, admin_access: bool) {
    let result = DeviceResult {
        request: "r0".into(),
        driver: DRIVER.into(),
        pool: "n".into(),
        device: device.into(),
        admin_access,
        consumed: None,
    };
    let allocation = Some(Allocation { results: vec![result], nodes: None });
    inventory.resource_claims.set(ResourceClaim { allocation, ..claim("other", vec![]) });
}

#[test]
fn devices_in_use() {
    let mut state = inventory(vec![devices(2)]);
    allocated(&mut state, "d0", false);
    check("KEP-4381: in use", &state, vec![claim("c", vec![several("gpu", 1)])], "r0=d1");
    check("KEP-4381: All fails while one is in use", &state, vec![claim("c", vec![all("gpu")])], "none");
    let looking = ExactRequest { admin_access: true, ..all("gpu") };
    check("KEP-5018: admin access does not mind", &state, vec![claim("c", vec![looking])], "r0=d0 r0=d1");
    allocated(&mut state, "d0", true);
    check("KEP-5018: what is only looked at is free", &state, vec![claim("c", vec![several("gpu", 1)])], "r0=d0");
}

#[test]
fn alternatives_and_counters() {
    let alternatives = |list: Vec<(&str, ExactRequest)>| {
        let named = list.into_iter().map(|(name, exact)| ExactRequest { name: name.into(), ..exact });
        let request = DeviceRequest { name: "r".into(), alternatives: named.collect() };
        ResourceClaim { requests: vec![request], ..claim("c", vec![]) }
    };
    let four = inventory(vec![devices(4)]);
    check(
        "KEP-4816: the first that can be had",
        &four,
        vec![alternatives(vec![("large", several("big", 3)), ("small", several("gpu", 1))])],
        "r/small=d0",
    );
    check(
        "KEP-4816: in order",
        &four,
        vec![alternatives(vec![("large", several("big", 1)), ("small", several("gpu", 1))])],
        "r/large=d1",
    );
    let part =
        |name: &str, amount| Device { consumes: vec![("gpu-0".into(), "memory".into(), amount)], ..Device::new(name) };
    let counters = vec![CounterSet { name: "gpu-0".into(), counters: [("memory".to_owned(), 40)].into() }];
    let mut parts = inventory(vec![ResourceSlice {
        counters,
        ..ResourceSlice::on_node("n", DRIVER, [part("half", 20), part("whole", 40), part("other-half", 20)])
    }]);
    check(
        "KEP-4815: two halves, not a half and the whole",
        &parts,
        vec![claim("c", vec![several("gpu", 2)])],
        "r0=half r0=other-half",
    );
    check("KEP-4815: not all three", &parts, vec![claim("c", vec![several("gpu", 3)])], "none");
    allocated(&mut parts, "whole", false);
    check("KEP-4815: the whole is in use", &parts, vec![claim("c", vec![several("gpu", 1)])], "none");
}

#[test]
fn what_is_given_says_which_nodes_reach_it() {
    let given = |scope| {
        let state = inventory(vec![ResourceSlice { scope, ..devices(1) }]);
        let claims = [Arc::new(claim("c", vec![several("gpu", 1)]))];
        allocate(&state, &Pools::new(&state), &claims, &node("n")).unwrap().unwrap()[0].nodes.clone()
    };
    let selector = |key: &str, value: &str| {
        let requirement = Requirement::new(key, Operator::In, [value]);
        if key == "metadata.name" {
            NodeSelector(vec![NodeSelectorTerm { labels: vec![], names: vec![requirement] }])
        } else {
            NodeSelector(vec![NodeSelectorTerm { labels: vec![requirement], names: vec![] }])
        }
    };
    assert_eq!(given(NodeScope::All), None);
    assert_eq!(given(NodeScope::Node("n".into())), Some(selector("metadata.name", "n")));
    let hostname = selector("kubernetes.io/hostname", "n");
    assert_eq!(given(NodeScope::Selected(hostname.clone())), Some(hostname));
}

#[test]
fn a_search_with_too_many_ways_gives_up() {
    // Thirty devices of fifteen parents; sixteen of one parent are sought among all.
    let many = inventory(vec![ResourceSlice::on_node("n", DRIVER, (0..30).map(|i| Device::new(&format!("d{i:02}"))))]);
    let fifteen = || vec![several("gpu", 15), several("gpu", 15), several("big", 1)];
    let found = allocate(&many, &Pools::new(&many), &[Arc::new(claim("c", fifteen()))], &node("n"));
    assert!(found.is_err(), "{found:?}");
}
