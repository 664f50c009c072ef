//! The queue against a paused clock: who is tried, when, and what brings a pod back.

use super::*;
use crate::framework::EventKind;

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
fn a_refused_pod_waits_for_an_event_that_helps() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.requeue("p", refused_by("NodeResourcesFit"), at(0));
    check_pop(&mut queue, at(100), None);
    queue.notice(&event(EventKind::NodeTaint), at(100));
    check_pop(&mut queue, at(200), None);
    queue.notice(&event(EventKind::PodDelete), at(200));
    check_pop(&mut queue, at(200), Some("p"));
}

#[test]
fn an_event_soon_after_the_attempt_does_not_cut_the_back_off_short() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    queue.requeue("p", refused_by("NodeResourcesFit"), at(5));
    queue.notice(&event(EventKind::PodDelete), at(5));
    check_pop(&mut queue, at(5), None);
    assert_eq!(queue.next_deadline(), Some(at(6)));
    check_pop(&mut queue, at(6), Some("p"));
}

/// Pods refused by these plugins, of which an event brings these back.
#[track_caller]
fn check_event(kind: EventKind, refused: &[(&str, &[&'static str])], expected: &[&str]) {
    let mut queue = queue();
    for (name, plugins) in refused {
        queue.add(Pod::new(name));
        check_pop(&mut queue, at(0), Some(name));
        queue.requeue(name, Requeue::Unschedulable(plugins.iter().copied().collect()), at(0));
    }
    queue.notice(&event(kind), at(100));
    let back: BTreeSet<String> = std::iter::from_fn(|| queue.pop(at(100))).map(|pod| pod.name.to_string()).collect();
    assert_eq!(back.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{kind:?}");
}

#[test]
fn an_event_is_told_to_those_who_registered_for_it() {
    let refused: &[(&str, &[&'static str])] = &[
        ("affinity", &["InterPodAffinity"]),
        ("both", &["NodeResourcesFit", "TaintToleration"]),
        ("fit", &["NodeResourcesFit"]),
        // Of what is no filter nobody knows what may help.
        ("foreign", &["Permit"]),
        // Without nodes nobody refuses.
        ("nobody", &[]),
        ("taint", &["TaintToleration"]),
    ];
    check_event(EventKind::NodeAdd, refused, &["affinity", "both", "fit", "foreign", "nobody", "taint"]);
    check_event(EventKind::NodeTaint, refused, &["both", "foreign", "nobody", "taint"]);
    check_event(EventKind::PodDelete, refused, &["affinity", "both", "fit", "foreign", "nobody"]);
    check_event(EventKind::PodAdd, refused, &["affinity", "foreign", "nobody"]);
    check_event(EventKind::Storage, refused, &["foreign", "nobody"]);
    check_event(EventKind::Flush, refused, &["affinity", "both", "fit", "foreign", "nobody", "taint"]);
}

#[test]
fn an_attempt_during_which_too_much_happened_is_repeated() {
    let mut queue = queue();
    queue.add(Pod::new("p"));
    check_pop(&mut queue, at(0), Some("p"));
    (0..5_000).for_each(|_| queue.notice(&event(EventKind::NodeTaint), at(0)));
    queue.requeue("p", refused_by("NodeResourcesFit"), at(0));
    check_pop(&mut queue, at(1), Some("p"));
    queue.notice(&event(EventKind::NodeTaint), at(1));
    queue.requeue("p", refused_by("NodeResourcesFit"), at(1));
    check_pop(&mut queue, at(100), None);
}

#[test]
fn an_order_of_ones_own_is_asked() {
    #[derive(Debug)]
    struct ByName;
    impl crate::framework::QueueSort for ByName {
        fn name(&self) -> &'static str {
            "ByName"
        }
        fn compare(&self, a: &Pod, b: &Pod) -> std::cmp::Ordering {
            b.name.cmp(&a.name)
        }
    }
    let profile = Profile::builder("x").queue_sort(ByName).build();
    let mut queue = SchedulingQueue::new(profile, QueueConfig::default());
    ["b", "c", "a"].into_iter().for_each(|name| queue.add(Pod::new(name)));
    ["c", "b", "a"].into_iter().for_each(|name| check_pop(&mut queue, at(0), Some(name)));
}

/// The queue against a list that is searched from end to end.
#[test]
fn whatever_happens_no_pod_is_lost_or_handed_out_twice() {
    const KINDS: [EventKind; 4] = [EventKind::PodDelete, EventKind::NodeTaint, EventKind::PodAdd, EventKind::NodeAdd];
    const PLUGINS: [&str; 3] = ["NodeResourcesFit", "TaintToleration", "InterPodAffinity"];
    let mut state = 1_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % n).unwrap()
    };
    let (mut queue, mut known, mut tried) = (queue(), BTreeSet::new(), BTreeSet::new());
    for second in 0..20_000 {
        let (name, now) = (format!("p{}", below(50)), at(second / 4));
        match below(8) {
            0 | 1 => {
                queue.add(Pod::new(&name).priority(i32::try_from(below(3)).unwrap()));
                known.insert(name);
            }
            2 => {
                queue.remove(&name);
                known.remove(&name);
                tried.remove(&name);
            }
            3 => queue.notice(&event(KINDS[below(4)]), now),
            4 if tried.contains(&name) => {
                let why = if below(3) == 0 { Requeue::Error } else { refused_by(PLUGINS[below(3)]) };
                queue.requeue(&name, why, now);
                tried.remove(&name);
            }
            _ => {
                if let Some(pod) = queue.pop(now) {
                    assert!(known.contains(&*pod.name), "{} was removed", pod.name);
                    assert!(tried.insert(pod.name.to_string()), "{} was handed out twice", pod.name);
                }
            }
        }
        assert_eq!(queue.len(), known.len());
    }
    for name in tried.clone() {
        queue.requeue(&name, refused_by("NodeName"), at(10_000));
    }
    let rest = std::iter::from_fn(|| queue.pop(at(20_000))).count();
    assert_eq!(rest, known.len(), "every pod is tried at last");
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
    assert!(queue.is_gated("p"));
    pod.gates.clear();
    queue.add(pod);
    assert!(!queue.is_gated("p"));
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
