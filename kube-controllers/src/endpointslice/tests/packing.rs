//! Slices under random changes of pods: every endpoint is in exactly one slice, none is too full, and what is right is left
//! alone.

use std::collections::BTreeSet;

use super::*;

fn below(random: &mut u64, bound: usize) -> usize {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*random >> 33).unwrap() % bound
}

fn addresses<'a>(slices: impl IntoIterator<Item = &'a Arc<EndpointSlice>>) -> Vec<String> {
    let endpoints = slices.into_iter().flat_map(|slice| slice.endpoints.iter().flatten());
    let mut addresses: Vec<String> = endpoints.flat_map(|e| e.addresses.clone()).collect();
    addresses.sort();
    addresses
}

#[track_caller]
fn check(max: usize, pods_max: usize, seed: u64) {
    let mut random = seed;
    let mut world = World::new(service(), max);
    let mut present: BTreeSet<usize> = BTreeSet::new();
    for _ in 0..40 {
        for _ in 0..=below(&mut random, 8) {
            let index = below(&mut random, pods_max);
            if !present.remove(&index) {
                present.insert(index);
            }
        }
        if below(&mut random, 20) == 0 {
            present.clear();
        }
        let before = world.slices.clone();
        // Some change only their state.
        let changed = below(&mut random, pods_max);
        let pods: Vec<Pod> = present
            .iter()
            .map(|&index| if index == changed { terminating(backend(index)) } else { backend(index) })
            .collect();
        // That a second pass has nothing to do is checked by `pass`.
        let (created, replaced, deleted) = world.pass(&pods);
        let mut wanted: Vec<String> = pods.iter().flat_map(|pod| pod.status.clone()?.pod_ip).collect();
        wanted.sort();
        assert_eq!(addresses(&world.slices), wanted, "seed {seed}");
        assert!(world.sizes().iter().all(|&size| size <= max), "seed {seed}: {:?}", world.sizes());
        assert!(world.slices.len() == 1 || !world.sizes().contains(&0), "seed {seed}: {:?}", world.sizes());
        // What is written was changed.
        let same = world.slices.iter().filter(|slice| before.iter().any(|old| old == *slice)).count();
        assert_eq!(world.slices.len(), same + created + replaced, "seed {seed}");
        assert!(deleted <= before.len());
    }
}

#[test]
fn every_endpoint_is_in_one_slice() {
    for seed in 0..20 {
        check(1, 6, seed);
        check(3, 20, seed);
        check(10, 60, seed);
        check(100, 60, seed);
    }
}

#[test]
fn slices_of_an_earlier_service_of_the_name_are_replaced() {
    let mut world = World::new(service(), 100);
    world.pass(&[backend(0)]);
    let first = world.slices[0].name().to_owned();
    world.service.metadata.uid = Some("another".into());
    assert_eq!(world.pass(&[backend(0)]), (1, 0, 1));
    assert_ne!(world.slices[0].name(), first);
    assert_eq!(world.only_endpoint().addresses, ["10.0.0.1"]);
}

#[test]
fn a_pod_without_the_named_port_is_there_without_ports() {
    let mut world = World::new(service(), 100);
    let ports = world.service.spec.get_or_insert_default().ports.get_or_insert_default();
    ports[0].target_port = Some(IntOrString::String("absent".into()));
    world.pass(&[backend(0)]);
    assert_eq!(world.only_endpoint().addresses, ["10.0.0.1"]);
    assert_eq!(world.slices[0].ports, Some(Vec::new()));
}

#[test]
fn ports_that_the_service_changes_change_the_slices() {
    let mut world = World::new(service(), 100);
    world.pass(&backends(3));
    let ports = world.service.spec.get_or_insert_default().ports.get_or_insert_default();
    ports[0].target_port = Some(IntOrString::Int(8080));
    ports[0].app_protocol = Some("kubernetes.io/h2c".into());
    assert_eq!(world.pass(&backends(3)), (0, 1, 0), "the slice is filled anew");
    let port = &world.slices[0].ports.as_ref().unwrap()[0];
    assert_eq!((port.port, port.app_protocol.as_deref()), (Some(8080), Some("kubernetes.io/h2c")));
}

#[test]
fn a_pod_whose_node_is_not_known_is_published_where_all_are() {
    let mut world = World::new(service(), 100);
    world.service.spec.get_or_insert_default().publish_not_ready_addresses = Some(true);
    world.pass(&[on_node(with_ip(pod_ready_since("a", 1), "10.0.0.1"), "gone")]);
    let endpoint = world.only_endpoint();
    assert_eq!((endpoint.node_name.as_deref(), endpoint.zone), (Some("gone"), None));
}

#[test]
fn a_pod_without_an_address_of_the_family_is_left_out() {
    let mut world = World::new(service(), 100);
    world.service.spec.get_or_insert_default().ip_families = Some(vec!["IPv4".into(), "IPv6".into()]);
    world.pass(&[backend(0)]);
    let sizes: Vec<(&str, usize)> =
        world.slices.iter().map(|s| (s.address_type.as_str(), s.endpoints.as_ref().map_or(0, Vec::len))).collect();
    assert_eq!(sizes, [("IPv4", 1), ("IPv6", 0)], "the other family has its empty slice");
}
