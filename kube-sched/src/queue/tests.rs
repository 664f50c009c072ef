//! The queue against a paused clock: who is tried, when, and what brings a pod back.

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn queue() -> SchedulingQueue {
    SchedulingQueue::new(Profile::default(), QueueConfig::default())
}

fn refused_by(plugin: &'static str) -> Requeue {
    Requeue::Unschedulable(BTreeSet::from([plugin]))
}

fn event(kind: EventKind) -> ClusterEvent {
    ClusterEvent { kind, node: "n".to_owned() }
}

#[track_caller]
fn check_pop(queue: &mut SchedulingQueue, now: Duration, expected: Option<&str>) {
    assert_eq!(queue.pop(now).map(|pod| pod.name.to_string()).as_deref(), expected);
}

#[test]
fn the_most_important_is_tried_first_then_the_oldest() {
    let mut queue = queue();
    queue.add(Pod::new("old"));
    queue.add(Pod::new("young"));
    queue.add(Pod::new("important").priority(10));
    for name in ["important", "old", "young"] {
        check_pop(&mut queue, at(0), Some(name));
    }
    check_pop(&mut queue, at(0), None);
}

#[test]
fn a_refused_pod_waits_for_an_event_that_helps_and_then_its_back_off() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.requeue("p", refused_by("NodeResourcesFit"), at(0));
    check_pop(&mut queue, at(100), None);
    queue.notice(&event(EventKind::NodeTaint), at(100));
    check_pop(&mut queue, at(200), None);
    queue.notice(&event(EventKind::PodDelete), at(200));
    check_pop(&mut queue, at(200), None);
    assert_eq!(queue.next_deadline(), Some(at(201)));
    check_pop(&mut queue, at(201), Some("p"));
}

#[test]
fn an_event_during_the_attempt_is_not_lost() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.notice(&event(EventKind::NodeAdd), at(0));
    queue.requeue("p", refused_by("NodeResourcesFit"), at(0));
    check_pop(&mut queue, at(1), Some("p"));
}

#[test]
fn back_off_doubles_to_ten_seconds() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    let mut now = at(0);
    for wait in [1, 2, 4, 8, 10, 10] {
        check_pop(&mut queue, now, Some("p"));
        queue.requeue("p", Requeue::Error, now);
        check_pop(&mut queue, now + at(wait) - Duration::from_millis(1), None);
        now += at(wait);
    }
}

#[test]
fn after_five_minutes_a_pod_is_tried_whatever_plugins_say() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.requeue("p", refused_by("NodeAffinity"), at(0));
    assert_eq!(queue.next_deadline(), Some(at(300)));
    check_pop(&mut queue, at(299), None);
    check_pop(&mut queue, at(300), Some("p"));
}

#[test]
fn a_gated_pod_is_not_tried_until_its_gates_are_gone() {
    let mut queue = queue();
    let mut pod = Pod::new("p");
    pod.gates.push("example.com/gate".to_owned());
    queue.add(pod.clone());
    check_pop(&mut queue, at(1000), None);
    pod.gates.clear();
    queue.add(pod);
    check_pop(&mut queue, at(1000), Some("p"));
}

#[test]
fn a_change_of_the_pod_brings_it_back_but_a_nomination_does_not() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.requeue("p", refused_by("NodeAffinity"), at(0));
    let mut nominated = Pod::new("p");
    nominated.nominated_node = Some("n".into());
    queue.add(nominated);
    check_pop(&mut queue, at(1), None);
    queue.add(Pod::new("p").label("a", "b"));
    check_pop(&mut queue, at(1), Some("p"));
}

#[test]
fn a_removed_pod_is_forgotten_wherever_it_was() {
    let mut queue = queue();
    for (name, place) in [("active", 0), ("backoff", 1), ("unschedulable", 2), ("in-flight", 3)] {
        queue.add(Pod::new(name));
        if place > 0 {
            check_pop(&mut queue, at(0), Some(name));
        }
        match place {
            1 => queue.requeue(name, Requeue::Error, at(0)),
            2 => queue.requeue(name, refused_by("NodeName"), at(0)),
            _ => {}
        }
        queue.remove(name);
        assert!(queue.is_empty(), "{name}");
    }
    check_pop(&mut queue, at(10_000), None);
    assert_eq!(queue.next_deadline(), None);
}

#[test]
fn a_pod_is_handed_out_once() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    queue.add(Pod::new("p").label("a", "b"));
    queue.add(Pod::new("p").label("a", "c"));
    check_pop(&mut queue, at(0), Some("p"));
    check_pop(&mut queue, at(0), None);
}

#[test]
fn a_pod_is_taken_from_wherever_it_waits() {
    let mut queue = queue();
    for name in ["active", "late", "refused"] {
        queue.add(Pod::new(name));
    }
    queue.add(Pod { gates: vec!["not yet".to_owned()], ..Pod::new("gated") });
    assert_eq!(queue.take("late").map(|pod| pod.name.to_string()).as_deref(), Some("late"));
    assert!(queue.take("late").is_none(), "it is being tried");
    queue.requeue("late", Requeue::Error, at(0));
    assert!(queue.take("refused").is_some());
    queue.requeue("refused", refused_by("NodeResourcesFit"), at(0));
    assert_eq!(queue.counts(), QueueCounts { active: 1, backoff: 1, unschedulable: 1, gated: 1 });
    for (name, there) in [("active", true), ("late", true), ("refused", true), ("gated", false), ("unknown", false)] {
        assert_eq!(queue.take(name).is_some(), there, "{name}");
    }
    assert_eq!((queue.attempts("late"), queue.attempts("active"), queue.attempts("unknown")), (2, 1, 0));
    check_pop(&mut queue, at(1000), None);
    queue.remove("gated");
    assert_eq!(queue.counts(), QueueCounts::default());
    assert!(queue.contains("late") && !queue.contains("gated"));
}

#[test]
fn any_event_helps_a_pod_that_a_plugin_without_hints_refused() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.requeue("p", refused_by("PermitOfOnesOwn"), at(0));
    queue.notice_others(&event(EventKind::PodDelete), "p", at(0));
    check_pop(&mut queue, at(100), None);
    queue.notice(&event(EventKind::NodeTaint), at(100));
    check_pop(&mut queue, at(101), Some("p"));
}
