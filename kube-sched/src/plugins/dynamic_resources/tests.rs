//! DynamicResources. Sources: "Dynamic Resource Allocation" of the documentation, KEP-4381, KEP-4816; the search for devices
//! has rows of its own.

use super::*;
use crate::dra::{
    Attribute, Device, DeviceClass, DeviceRequest, DeviceResult, DeviceSelector, ExactRequest, ResourceSlice,
};
use crate::model::{NodeSelector, NodeSelectorTerm, Operator};
use crate::plugins::testing::{cluster, node, requirement, scores, verdict};

const DRIVER: &str = "gpu.example.com";

/// Node `a` has two devices, of which one is fast, `b` one slow, `c` none. Claim `c` is on one device.
fn state(claims: Vec<ResourceClaim>) -> Cluster {
    let mut state = cluster([node("a"), node("b"), node("c")], []);
    let inventory = state.inventory_mut();
    let device = |name: &str, fast| Device::new(name).attribute("gpu.example.com/fast", Attribute::Bool(fast));
    inventory.resource_slices.set(ResourceSlice::on_node("a", DRIVER, [device("a0", false), device("a1", true)]));
    inventory.resource_slices.set(ResourceSlice::on_node("b", DRIVER, [device("b0", false)]));
    let fast =
        |_: &str, device: &Device| Ok(device.attributes.get("gpu.example.com/fast") == Some(&Attribute::Bool(true)));
    inventory.device_classes.set(DeviceClass { name: "gpu".into(), selectors: vec![] });
    inventory
        .device_classes
        .set(DeviceClass { name: "fast".into(), selectors: vec![DeviceSelector::new("fast", fast)] });
    let failing = |_: &str, _: &Device| Err("no such key: x".to_owned());
    inventory
        .device_classes
        .set(DeviceClass { name: "bad".into(), selectors: vec![DeviceSelector::new("bad", failing)] });
    claims.into_iter().for_each(|claim| inventory.resource_claims.set(claim));
    state
}

fn claim(class: &str) -> ResourceClaim {
    ResourceClaim::new("default", "c", ExactRequest::one(class))
}

fn given(device: &str, node: &str) -> Option<Allocation> {
    let names = vec![requirement("metadata.name", Operator::In, &[node])];
    let result = DeviceResult {
        request: "req".into(),
        driver: DRIVER.into(),
        pool: node.into(),
        device: device.into(),
        admin_access: false,
        consumed: None,
    };
    Some(Allocation {
        results: vec![result],
        nodes: Some(NodeSelector(vec![NodeSelectorTerm { labels: vec![], names }])),
    })
}

fn named(name: &str) -> PodResourceClaim {
    PodResourceClaim::Named(name.into())
}

#[track_caller]
fn check(_source: &str, claims: Vec<ResourceClaim>, reference: Option<PodResourceClaim>, expected: &str) {
    let mut pod = Pod::new("p");
    pod.resource_claims.extend(reference);
    assert_eq!(verdict(&DynamicResources, &state(claims), &pod), expected);
}

#[test]
fn filter() {
    let c = || Some(named("c"));
    const NO: &str = "Unresolvable: cannot allocate all claims";
    check("docs: a pod without claims", vec![], None, "skip");
    check("docs: nodes with a device", vec![claim("gpu")], c(), &format!("a b | {NO}"));
    check("docs: nodes with a device of the class", vec![claim("fast")], c(), &format!("a | {NO}"));
    check(
        "docs: a claim that has its device",
        vec![ResourceClaim { allocation: given("b0", "b"), ..claim("gpu") }],
        c(),
        "b | Unresolvable: resourceclaim not available on the node",
    );
    let other = ResourceClaim { allocation: given("b0", "b"), name: "other".into(), ..claim("gpu") };
    check("docs: a device that another claim has", vec![claim("gpu"), other], c(), &format!("a | {NO}"));
    check("docs: no such claim", vec![], c(), "| Unresolvable: resourceclaim.resource.k8s.io \"c\" not found");
    check(
        "docs: a template's claim is not made yet",
        vec![],
        Some(PodResourceClaim::NotMade),
        "| Unresolvable: pod \"default/p\": ResourceClaim not created yet",
    );
    check(
        "docs: a template's claim",
        vec![ResourceClaim { owner: Some("p".into()), ..claim("fast") }],
        Some(PodResourceClaim::Made("c".into())),
        &format!("a | {NO}"),
    );
    check(
        "docs: of another pod",
        vec![ResourceClaim { owner: Some("q".into()), ..claim("fast") }],
        Some(PodResourceClaim::Made("c".into())),
        "| Unresolvable: ResourceClaim default/c was not created for pod default/p (pod is not owner)",
    );
    check("docs: a template that called for nothing", vec![], Some(PodResourceClaim::None), "a b c");
    check(
        "dynamicresources.go: no such class",
        vec![claim("none")],
        c(),
        "| Unresolvable: request req: device class none does not exist",
    );
    check(
        "a claim that is being deleted",
        vec![ResourceClaim { deleting: true, ..claim("gpu") }],
        c(),
        "| Unresolvable: resourceclaim \"c\" is being deleted",
    );
    let full = (0..ResourceClaim::RESERVED_FOR_MAX).map(|i| format!("u{i}").into()).collect();
    check(
        "API: at most 256 pods share a claim",
        vec![ResourceClaim { allocation: given("b0", "b"), reserved_for: full, ..claim("gpu") }],
        c(),
        "| Unresolvable: resourceclaim in use",
    );
    check(
        "bad input: a condition that cannot be evaluated; where there is no device none is",
        vec![claim("bad")],
        c(),
        "| Error: claim c, request req: no such key: x; Unresolvable: cannot allocate all claims",
    );
}

#[test]
fn score() {
    let mut choosing = claim("gpu");
    let named_alternative = |name: &str, class: &str| ExactRequest { name: name.into(), ..ExactRequest::one(class) };
    choosing.requests = vec![DeviceRequest {
        name: "req".into(),
        alternatives: vec![named_alternative("best", "fast"), named_alternative("good", "gpu")],
    }];
    let pod = Pod::new("p").claim(named("c"));
    // KEP-4816: the first alternative counts 8, the second 7; 100·7/8 = 87.
    assert_eq!(scores(&DynamicResources, &state(vec![choosing]), &pod), "100 87 0");
    assert_eq!(scores(&DynamicResources, &state(vec![claim("gpu")]), &pod), "skip");
    assert_eq!(scores(&DynamicResources, &state(vec![]), &Pod::new("q")), "skip");
}

#[test]
fn what_is_given_comes_out_as_changes_that_the_next_decision_sees() {
    let second = ResourceClaim { name: "d".into(), ..claim("gpu") };
    let mut state = state(vec![claim("gpu"), second]);
    let (p, q) = (Pod::new("p").claim(named("c")), Pod::new("q").claim(named("d")));
    let changes = DynamicResources.changes(&state, &p, "b").unwrap();
    let expected = Change::UseResourceClaim {
        namespace: "default".into(),
        claim: "c".into(),
        allocation: given("b0", "b"),
        pod: "p".into(),
        pod_uid: "p".into(),
    };
    assert_eq!(changes, [expected]);
    state.inventory_mut().apply(&changes[0]);
    assert_eq!(verdict(&DynamicResources, &state, &q), "a | Unresolvable: cannot allocate all claims");
    // A pod that shares the claim carries the assumed devices along, so that either may write them.
    let sharing = DynamicResources.changes(&state, &Pod::new("r").claim(named("c")), "b").unwrap();
    assert!(matches!(&sharing[..], [Change::UseResourceClaim { allocation: Some(_), .. }]));
    state.inventory_mut().apply(&sharing[0]);
    state.inventory_mut().revert(&changes[0]);
    assert_eq!(verdict(&DynamicResources, &state, &q), "a | Unresolvable: cannot allocate all claims");
    state.inventory_mut().revert(&sharing[0]);
    assert_eq!(verdict(&DynamicResources, &state, &q), "a b | Unresolvable: cannot allocate all claims");
}
