//! What repetition becomes.

use super::*;
use crate::environment::SeededRandom;

struct Bench {
    correlator: Correlator,
    seconds: i64,
}

impl Bench {
    fn new() -> Self {
        let source = EventSource { component: Some("test".into()), host: None };
        Self { correlator: Correlator::new(source, Arc::new(SeededRandom::new(1))), seconds: 0 }
    }

    fn occurrence(&self, object: &str, message: &str) -> Occurrence {
        Occurrence {
            object: ObjectReference {
                namespace: Some("ns".into()),
                name: Some(object.into()),
                ..ObjectReference::default()
            },
            kind: EventType::Normal,
            reason: "Tested".into(),
            message: message.into(),
            at: jiff::Timestamp::from_second(self.seconds).unwrap(),
        }
    }

    /// Something happens to `object`, and is written. What was decided, as text.
    fn happens(&mut self, object: &str, message: &str) -> String {
        let occurrence = self.occurrence(object, message);
        let identity = self.correlator.identify(&occurrence);
        match self.correlator.decide(occurrence, identity) {
            Decision::HoldBack => "held back".to_owned(),
            Decision::Create(event) => {
                self.correlator.written(identity);
                let count =
                    event.count.filter(|count| *count > 1).map(|count| format!("{count} x ")).unwrap_or_default();
                format!("new {count}{:?}", event.message.unwrap())
            }
            Decision::Count(event) => {
                self.correlator.written(identity);
                format!("{} x {:?}", event.count.unwrap(), event.message.unwrap())
            }
        }
    }
}

#[test]
fn names_are_in_the_order_of_what_happened() {
    let mut bench = Bench::new();
    let mut names: Vec<String> = Vec::new();
    for (second, message) in [(5, "a"), (5, "b"), (5, "c"), (4, "the clock was set back"), (6, "d")] {
        bench.seconds = second;
        let occurrence = bench.occurrence("pod", message);
        let identity = bench.correlator.identify(&occurrence);
        let Decision::Create(event) = bench.correlator.decide(occurrence, identity) else { panic!("a new event") };
        names.push(event.metadata.name.unwrap());
    }
    assert!(names.is_sorted(), "{names:?}");
    let other = Bench::new().occurrence("pod", "a");
    let mut elsewhere =
        Bench { correlator: Correlator::new(EventSource::default(), Arc::new(SeededRandom::new(2))), seconds: 5 };
    let identity = elsewhere.correlator.identify(&other);
    let Decision::Create(event) = elsewhere.correlator.decide(other, identity) else { panic!("a new event") };
    assert!(!names.contains(&event.metadata.name.unwrap()), "another recorder at the same time");
}

#[track_caller]
fn check(bench: &mut Bench, object: &str, message: &str, expected: &str) {
    assert_eq!(bench.happens(object, message), expected);
}

#[test]
fn the_same_event_is_counted() {
    let mut bench = Bench::new();
    check(&mut bench, "a", "m", "new \"m\"");
    check(&mut bench, "a", "m", "2 x \"m\"");
    check(&mut bench, "a", "other", "new \"other\"");
    check(&mut bench, "b", "m", "new \"m\"");
    check(&mut bench, "a", "m", "3 x \"m\"");
}

#[test]
fn from_the_tenth_message_of_a_reason_on_they_are_combined() {
    let mut bench = Bench::new();
    for index in 1..10 {
        check(&mut bench, "a", &format!("m{index}"), &format!("new \"m{index}\""));
    }
    check(&mut bench, "a", "m10", "new \"(combined from similar events): m10\"");
    check(&mut bench, "a", "m11", "2 x \"(combined from similar events): m11\"");
    bench.seconds = 601;
    check(&mut bench, "a", "m12", "new \"m12\"");
}

#[test]
fn an_object_may_have_25_events_at_once_and_then_one_in_five_minutes() {
    let mut bench = Bench::new();
    bench.happens("a", "m");
    for count in 2..=25 {
        check(&mut bench, "a", "m", &format!("{count} x \"m\""));
    }
    check(&mut bench, "a", "m", "held back");
    check(&mut bench, "b", "m", "new \"m\"");
    bench.seconds = 299;
    check(&mut bench, "a", "m", "held back");
    // Two were held back, and have happened all the same.
    bench.seconds = 300;
    check(&mut bench, "a", "m", "28 x \"m\"");
    check(&mut bench, "a", "m", "held back");
    check(&mut bench, "a", "other", "held back");
    check(&mut bench, "a", "other", "held back");
    bench.seconds = 600;
    check(&mut bench, "a", "other", "new 3 x \"other\"");
}

#[test]
fn messages_that_stood_alone_go_on_to_do_so() {
    let mut bench = Bench::new();
    for index in 1..=9 {
        bench.happens("a", &format!("m{index}"));
    }
    check(&mut bench, "a", "m10", "new \"(combined from similar events): m10\"");
    check(&mut bench, "a", "m3", "2 x \"m3\"");
    check(&mut bench, "a", "m10", "2 x \"(combined from similar events): m10\"");
}

#[test]
fn the_parts_of_an_object_are_similar() {
    let mut bench = Bench::new();
    let mut combined = 0;
    for index in 1..=12 {
        let mut occurrence = bench.occurrence("a", &format!("Started container c{index}"));
        occurrence.object.field_path = Some(format!("spec.containers{{c{index}}}"));
        combined += usize::from(bench.correlator.identify(&occurrence).combined);
    }
    assert_eq!(combined, 3);
    let mut keys = HashSet::new();
    for index in 1..=12 {
        let mut occurrence = bench.occurrence("b", "Back-off restarting failed container");
        occurrence.object.field_path = Some(format!("spec.containers{{c{index}}}"));
        let identity = bench.correlator.identify(&occurrence);
        assert!(!identity.combined && keys.insert(identity.key), "one message of c{index}");
    }
}

#[test]
fn an_event_has_a_name_that_the_server_takes() {
    let mut bench = Bench::new();
    let long = "a".repeat(240);
    for about in ["web-0", "system:node-proxier", "", "Upper", &long] {
        let occurrence = bench.occurrence(about, "m");
        let identity = bench.correlator.identify(&occurrence);
        let Decision::Create(event) = bench.correlator.decide(occurrence, identity) else { panic!("a new event") };
        let name = event.metadata.name.unwrap();
        assert_eq!(dns1123_subdomain(&name), [""; 0], "{name}");
        assert_eq!(name.starts_with("web-0."), about == "web-0", "{name}");
    }
}

#[test]
fn an_event_says_who_what_and_when() {
    let mut bench = Bench::new();
    let occurrence = Occurrence {
        object: ObjectReference { kind: Some("Node".into()), name: Some("n1".into()), ..ObjectReference::default() },
        kind: EventType::Warning,
        reason: "Rebooted".into(),
        message: "it did".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let identity = bench.correlator.identify(&occurrence);
    let Decision::Create(event) = bench.correlator.decide(occurrence, identity) else { panic!("not new") };
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"), "of an object of cluster scope");
    assert!(event.metadata.name.as_deref().is_some_and(|name| name.starts_with("n1.")));
    assert_eq!((event.type_.as_deref(), event.count), (Some("Warning"), Some(1)));
    assert_eq!(event.reporting_component.as_deref(), Some("test"));
    assert_eq!(event.first_timestamp, event.last_timestamp);
}

#[test]
fn whatever_tells_occurrences_apart_tells_their_identities_apart() {
    let object = |name: &str, uid: &str| ObjectReference {
        name: Some(name.into()),
        uid: Some(uid.into()),
        ..ObjectReference::default()
    };
    let path = ObjectReference { field_path: Some("spec.containers{c}".into()), ..object("a", "") };
    let rows = [
        (object("a", ""), EventType::Normal, "R", "m"),
        (object("", "a"), EventType::Normal, "R", "m"),
        (object("a", ""), EventType::Warning, "R", "m"),
        (object("a", ""), EventType::Normal, "Rm", ""),
        (object("a", ""), EventType::Normal, "R", "m2"),
        (path, EventType::Normal, "R", "m"),
    ];
    let mut correlator = Bench::new().correlator;
    let mut keys = HashSet::new();
    for (object, kind, reason, message) in rows {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let occurrence = Occurrence { object, kind, reason: reason.into(), message: message.into(), at };
        let identity = correlator.identify(&occurrence);
        assert_eq!(identity, correlator.identify(&occurrence));
        assert!(keys.insert(identity.key), "{occurrence:?}");
    }
}
