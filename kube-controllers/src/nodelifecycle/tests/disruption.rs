//! Clusters of several zones of which much fails at once, and nodes that say themselves that they are not ready.

use super::*;

/// A world of zones with so many nodes each, named `z1-00`, `z1-01` and so on, that has run for a while.
fn zones(sizes: &[usize]) -> World {
    let mut world = World::new(&[]);
    for (size, zone) in sizes.iter().zip(1..) {
        for index in 0..*size {
            let name = format!("z{zone}-{index:02}");
            let mut node = node(&name, "True", 0);
            node.metadata.labels = Some(labels(&[("topology.kubernetes.io/zone", &format!("z{zone}"))]));
            world.leases.insert(name.clone(), 0);
            world.nodes.insert(name, node);
        }
    }
    let names = names(&world);
    world.run(30, &refs(&names));
    world
}

fn names(world: &World) -> Vec<String> {
    world.nodes.keys().cloned().collect()
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// In zones of so many nodes, so many fall silent: how many of each are given up in `seconds` after their grace period.
#[track_caller]
fn check(sizes: &[usize], silent: &[usize], seconds: u64, expected: &[usize]) {
    let mut world = zones(sizes);
    let is_silent = |name: &String| {
        let (zone, index) = name[1..].split_once('-').unwrap();
        index.parse::<usize>().unwrap() < silent[zone.parse::<usize>().unwrap() - 1]
    };
    let alive: Vec<String> = names(&world).into_iter().filter(|name| !is_silent(name)).collect();
    world.run(55 + seconds, &refs(&alive));
    let tainted = world.tainted();
    let in_zone = |zone: usize| tainted.iter().filter(|name| name.starts_with(&format!("z{zone}-"))).count();
    assert_eq!((1..=sizes.len()).map(in_zone).collect::<Vec<_>>(), expected);
}

#[test]
fn zones_are_given_up_as_fast_as_they_fare() {
    // One node in ten seconds, in each zone for itself.
    check(&[10, 10], &[2, 2], 10, &[1, 1]);
    check(&[10, 10], &[4, 0], 30, &[3, 0]);
    // A small zone of which most fails is left as it is, a large one is given up at a tenth of the rate.
    check(&[10, 10], &[6, 1], 300, &[0, 1]);
    check(&[60, 10], &[40, 1], 300, &[3, 1]);
    // Two of three may fail without that being a disruption.
    check(&[3, 3], &[2, 0], 30, &[2, 0]);
    // A zone that fails as a whole is given up at the full rate while another stands.
    check(&[5, 5], &[5, 0], 60, &[5, 0]);
    // When all do, nothing is.
    check(&[5, 5], &[5, 5], 300, &[0, 0]);
}

#[test]
fn nodes_that_are_excluded_say_nothing_of_their_zone() {
    let mut world = zones(&[4, 4]);
    // Of four nodes three fail; without the one that stands and is excluded, the zone fails as a whole, at the full rate.
    let excluded = world.nodes.get_mut("z1-03").unwrap();
    excluded.metadata.labels.as_mut().unwrap().insert("node.kubernetes.io/exclude-disruption".into(), String::new());
    world.run(100, &["z1-03", "z2-00", "z2-01", "z2-02", "z2-03"]);
    assert_eq!(world.tainted(), ["z1-00", "z1-01", "z1-02"]);
}

#[test]
fn nodes_that_were_given_up_are_taken_back_when_the_rest_fails_too() {
    let mut world = zones(&[3, 3]);
    let second = ["z2-00", "z2-01", "z2-02"];
    world.run(90, &second);
    assert_eq!(world.tainted(), ["z1-00", "z1-01", "z1-02"]);
    world.run(60, &[]);
    assert!(world.tainted().is_empty(), "the fault is more likely ours");
    world.run(300, &[]);
    assert!(world.tainted().is_empty());
}

#[test]
fn a_small_zone_that_recovers_is_given_up_again_at_the_full_rate() {
    let mut world = zones(&[5]);
    let alive = ["z1-03", "z1-04"];
    world.run(120, &alive);
    assert!(world.tainted().is_empty(), "three of five are too many");
    world.post("z1-02");
    world.run(30, &["z1-02", "z1-03", "z1-04"]);
    assert_eq!(world.tainted(), ["z1-00", "z1-01"]);
}

/// The agent of a node posts this state.
fn says(world: &mut World, name: &str, status: &str) {
    let seconds = i64::try_from(world.seconds).unwrap();
    let posted = node(name, status, seconds).status;
    world.nodes.get_mut(name).unwrap().status = posted;
}

fn no_execute(world: &World, name: &str) -> Vec<String> {
    keys(taints::of(&world.nodes[name])).into_iter().filter(|key| key.ends_with(":NoExecute")).collect()
}

#[test]
fn a_node_that_says_that_it_is_not_ready_is_tainted_as_such() {
    let all = ["a", "b", "c"];
    let mut world = World::new(&all);
    world.run(30, &all);
    world.events.clear();
    says(&mut world, "c", "False");
    world.run(5, &all);
    assert_eq!(no_execute(&world, "c"), ["not-ready:NoExecute"]);
    assert!(world.events.is_empty(), "it tells of it, and marks its pods, itself: {:?}", world.events);
    // When it falls silent too, the taint is exchanged at once and does not wait for its turn.
    world.run(55, &["a", "b"]);
    assert_eq!(readiness(&world.nodes["c"]), Readiness::Unknown);
    world.run(5, &["a", "b"]);
    assert_eq!(no_execute(&world, "c"), ["unreachable:NoExecute"]);
    says(&mut world, "c", "False");
    world.run(5, &all);
    assert_eq!(no_execute(&world, "c"), ["not-ready:NoExecute"]);
    says(&mut world, "c", "True");
    world.run(5, &all);
    assert!(no_execute(&world, "c").is_empty());
}

#[test]
fn a_node_that_comes_back_before_its_turn_is_not_given_up() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut world = World::new(&names);
    world.run(30, &names);
    let alive = ["a", "b", "c", "d"];
    world.run(60, &alive);
    assert_eq!(world.tainted(), ["e"]);
    world.post("f");
    world.run(60, &["a", "b", "c", "d", "f"]);
    assert_eq!(world.tainted(), ["e"]);
}

#[test]
fn a_lease_that_is_not_renewed_is_no_sign_of_life() {
    let mut world = World::new(&["a", "b", "late"]);
    world.run(30, &["a", "b", "late"]);
    // Its clock goes wrong: what it writes is older than what it wrote.
    world.leases.insert("late".into(), 3);
    world.run(55, &["a", "b"]);
    assert_eq!(readiness(&world.nodes["late"]), Readiness::Unknown);
}

#[test]
fn a_controller_that_starts_grants_every_node_its_full_time() {
    let mut world = World::new(&["a", "b", "c"]);
    // The leases are an hour old.
    world.nodes.values_mut().for_each(|node| node.metadata.creation_timestamp = Some(Time(at(-3600))));
    world.leases.values_mut().for_each(|renewed| *renewed = -3600);
    world.run(50, &["a", "b"]);
    assert_eq!(readiness(&world.nodes["c"]), Readiness::Ready);
    world.run(10, &["a", "b"]);
    assert_eq!(readiness(&world.nodes["c"]), Readiness::Unknown);
}
