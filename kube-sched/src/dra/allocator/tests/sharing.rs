//! Devices that several claims share. Source: KEP-5075, and the API's words on `allowMultipleAllocations` and `capacity`.

use super::*;
use crate::dra::{Amounts, Capacity, RequestPolicy, ValidAmounts};
use proptest::prelude::*;
use std::collections::BTreeMap;

const BANDWIDTH: &str = "gpu.example.com/bandwidth";

/// A device that may be shared, with so much bandwidth, of which a request that says nothing takes `default`, if that is said.
fn nic(name: &str, bandwidth: i64, default: Option<i64>) -> Device {
    let policy = default.map(|default| RequestPolicy { default: Some(default.into()), valid: ValidAmounts::Any });
    let capacity = [(BANDWIDTH.to_owned(), Capacity { value: bandwidth.into(), policy })].into();
    let device = Device { capacity, shared: true, ..Device::new(name) };
    device.attribute("gpu.example.com/card", Attribute::Text(name.into()))
}

fn on_n(devices: impl IntoIterator<Item = Device>) -> Inventory {
    inventory(vec![ResourceSlice::on_node("n", DRIVER, devices)])
}

/// One device with so much of the bandwidth.
fn with(bandwidth: i64) -> ExactRequest {
    ExactRequest { capacity: [("bandwidth".to_owned(), bandwidth.into())].into(), ..several("gpu", 1) }
}

/// Claims of one request each.
fn each(requests: Vec<ExactRequest>) -> Vec<ResourceClaim> {
    requests.into_iter().enumerate().map(|(i, request)| claim(&format!("c{i}"), vec![request])).collect()
}

/// Another claim has so much of a device; all of it, and alone, where that is not said.
fn taken(state: &mut Inventory, device: &str, bandwidth: Option<i64>) {
    allocated(state, device, false);
    let mut other = ResourceClaim::clone(state.resource_claims.get("default", "other").unwrap());
    let consumed = bandwidth.map(|bandwidth| Amounts::from([(BANDWIDTH.to_owned(), bandwidth.into())]));
    other.allocation.as_mut().unwrap().results[0].consumed = consumed;
    state.resource_claims.set(other);
}

#[test]
fn claims_share_a_device_as_long_as_its_capacity_lasts() {
    let one = || on_n([nic("a", 10, None)]);
    check("KEP-5075: two claims", &one(), each(vec![with(4), with(5)]), "r0=a, r0=a");
    check("KEP-5075: to the last", &one(), each(vec![with(4), with(6)]), "r0=a, r0=a");
    check("KEP-5075: not beyond", &one(), each(vec![with(4), with(5), with(2)]), "none");
    check("KEP-5075: more than there is at all", &one(), each(vec![with(11)]), "none");
    check(
        "KEP-5075: another one where the first is full",
        &on_n([nic("a", 10, None), nic("b", 10, None)]),
        each(vec![with(8), with(8), with(2)]),
        "r0=a, r0=b, r0=a",
    );
    check("API: nothing said takes all", &one(), each(vec![several("gpu", 1), with(1)]), "none");
    let quarter = || on_n([nic("a", 8, Some(2))]);
    check("API: or the default", &quarter(), each(vec![several("gpu", 1); 4]), "r0=a, r0=a, r0=a, r0=a");
    check("API: and no more", &quarter(), each(vec![several("gpu", 1); 5]), "none");
    let bare = Device { shared: true, ..Device::new("a") };
    check(
        "API: what has no capacity has no bounds",
        &on_n([bare]),
        each(vec![several("gpu", 1); 9]),
        &["r0=a"; 9].join(", "),
    );
    let steps = ValidAmounts::Range { min: 1.into(), max: None, step: Some(4.into()) };
    let policy = Some(RequestPolicy { default: Some(1.into()), valid: steps });
    let stepped = Device {
        capacity: [(BANDWIDTH.to_owned(), Capacity { value: 10.into(), policy })].into(),
        ..nic("a", 0, None)
    };
    check("API: rounded up: 5 and 5", &on_n([stepped.clone()]), each(vec![with(2), with(3)]), "r0=a, r0=a");
    check("API: rounded up: 5 and 9", &on_n([stepped]), each(vec![with(2), with(6)]), "none");
}

#[test]
fn what_others_have_of_a_device_counts() {
    let mut state = on_n([nic("a", 10, None)]);
    taken(&mut state, "a", Some(7));
    check("KEP-5075: what is left", &state, each(vec![with(3)]), "r0=a");
    check("KEP-5075: more than is left", &state, each(vec![with(4)]), "none");
    let looking = ExactRequest { admin_access: true, ..with(4) };
    check("KEP-5018: admin access does not mind", &state, each(vec![looking]), "r0=a");
    let everything = ExactRequest { amount: DeviceAmount::All, ..with(4) };
    check("API: All fails where one has it, and not left", &state, each(vec![everything.clone()]), "none");
    let mut small = on_n([nic("a", 10, None), nic("b", 3, None)]);
    check("API: All leaves out what has it not at all", &small, each(vec![everything]), "r0=a");
    taken(&mut small, "b", None);
    check("KEP-5075: what is somebody's alone is not shared", &small, each(vec![with(1), with(9)]), "r0=a, r0=a");
    check("KEP-5075: and nothing of it is left", &small, each(vec![with(8), with(3)]), "none");
}

#[test]
fn a_device_that_is_not_shared_has_to_have_what_is_asked_for() {
    let own = || on_n([Device { shared: false, ..nic("a", 10, None) }]);
    check("API: enough", &own(), each(vec![with(4)]), "r0=a");
    check("API: and it is the claim's alone", &own(), each(vec![with(4), with(4)]), "none");
    check("API: not enough", &own(), each(vec![with(11)]), "none");
    check("API: nothing of the kind", &on_n([Device::new("a")]), each(vec![with(1)]), "none");
}

#[test]
fn requests_of_one_claim_share_a_device_unless_they_are_to_be_distinct() {
    let distinct = |requests: Vec<ExactRequest>| {
        let rule = ConstraintRule::Distinct("gpu.example.com/card".into());
        ResourceClaim { constraints: vec![Constraint { requests: Vec::new(), rule }], ..claim("c", requests) }
    };
    let two = || on_n([nic("a", 10, None), nic("b", 10, None)]);
    check("KEP-5075: one device twice", &two(), vec![claim("c", vec![with(4), with(4)])], "r0=a r1=a");
    check("KEP-5075: distinctAttribute", &two(), vec![distinct(vec![with(4), with(4)])], "r0=a r1=b");
    check("KEP-5075: too few to be distinct", &two(), vec![distinct(vec![with(1), with(1), with(1)])], "none");
    check(
        "KEP-5075: devices without the attribute",
        &on_n([Device { attributes: BTreeMap::new(), ..nic("a", 10, None) }]),
        vec![distinct(vec![with(1)])],
        "none",
    );
    let both = ExactRequest { amount: DeviceAmount::Exactly(2), ..with(4) };
    check("API: a count is of devices", &two(), vec![claim("c", vec![both.clone()])], "r0=a r0=b");
    check("API: one device is one", &on_n([nic("a", 10, None)]), vec![claim("c", vec![both])], "none");
    let unknown = Constraint { requests: Vec::new(), rule: ConstraintRule::Unknown };
    check(
        "API: a constraint of a later version",
        &two(),
        vec![ResourceClaim { constraints: vec![unknown], ..claim("c", vec![with(1)]) }],
        "claim c, constraint #0: empty constraint (unsupported constraint type?)",
    );
}

#[test]
fn alternatives_and_counters() {
    let named = |(name, exact): (&str, ExactRequest)| ExactRequest { name: name.into(), ..exact };
    let alternatives = [("fast", with(8)), ("slow", with(2))].map(named).to_vec();
    let request = DeviceRequest { name: "r".into(), alternatives };
    let choosy = ResourceClaim { requests: vec![request], ..claim("d", vec![]) };
    check(
        "KEP-4816: what the first takes of a device is free for the second",
        &on_n([nic("a", 10, None)]),
        vec![claim("c", vec![with(4)]), choosy],
        "r0=a, r/slow=a",
    );
    let part =
        |name: &str, amount| Device { consumes: vec![("card".into(), "ports".into(), amount)], ..nic(name, 10, None) };
    let counters = vec![CounterSet { name: "card".into(), counters: [("ports".to_owned(), 2)].into() }];
    let state = inventory(vec![ResourceSlice {
        counters,
        ..ResourceSlice::on_node("n", DRIVER, [part("a", 2), part("b", 1)])
    }]);
    check("KEP-4815: shares take of counters once", &state, each(vec![with(4), with(4)]), "r0=a, r0=a");
    check("KEP-4815: and leave none for others", &state, each(vec![with(8), with(8)]), "none");
}

#[test]
fn what_is_given_says_how_much_is_taken() {
    let state = on_n([nic("a", 10, Some(2))]);
    let claims = [Arc::new(claim("c", vec![several("gpu", 1), with(3)]))];
    let given = allocate(&state, &Pools::new(&state), &claims, &node("n")).unwrap().unwrap();
    let taken: Vec<_> = given[0].results.iter().map(|result| result.consumed.as_ref().unwrap()[BANDWIDTH]).collect();
    assert_eq!(taken, [Amount::units(2), Amount::units(3)]);
    let own = on_n([Device { shared: false, ..nic("a", 10, None) }]);
    let claims = [Arc::new(claim("c", vec![with(3)]))];
    let given = allocate(&own, &Pools::new(&own), &claims, &node("n")).unwrap().unwrap();
    assert_eq!(given[0].results[0].consumed, None);
}

proptest! {
    /// Claims that come and go, against a count of what each device has left.
    #[test]
    fn no_device_gives_more_than_it_has_and_none_is_kept_back(
        steps in prop::collection::vec((0usize..6, 0i64..8), 1..40)
    ) {
        let sizes = BTreeMap::from([("a", 10), ("b", 7), ("c", 7)]);
        let mut state = on_n(sizes.iter().map(|(name, size)| Device { shared: *name != "c", ..nic(name, *size, None) }));
        // What each claim has: the device and how much of it, all where it is the claim's alone.
        let mut held = BTreeMap::<String, (String, i64)>::new();
        for (number, wanted) in steps {
            let name = format!("c{number}");
            held.remove(&name);
            let fresh = claim(&name, vec![with(wanted)]);
            state.resource_claims.set(fresh.clone());
            let left = |device: &str| {
                let used = || held.values().filter(|(known, _)| known == device).map(|(_, amount)| amount);
                if device == "c" && used().next().is_some() { -1 } else { sizes[device] - used().sum::<i64>() }
            };
            let expected = sizes.keys().find(|device| left(device) >= wanted).map(|device| (*device).to_owned());
            let given = allocate(&state, &Pools::new(&state), &[Arc::new(fresh.clone())], &node("n")).unwrap();
            let device = given.as_ref().map(|given| given[0].results[0].device.to_string());
            prop_assert_eq!(&device, &expected);
            if let (Some(device), Some(mut given)) = (device, given) {
                let amount = if device == "c" { 0 } else { wanted };
                held.insert(name, (device, amount));
                state.resource_claims.set(ResourceClaim { allocation: given.pop(), ..fresh });
            }
        }
    }
}
