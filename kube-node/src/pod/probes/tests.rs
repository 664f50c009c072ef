//! Runs of outcomes in, verdicts out.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, PodStatus, Probe};

use super::*;
use crate::pod::fixture::{at, container, observed, pod};

fn probed(kind: ProbeKind, probe: Probe) -> Container {
    let mut container = container("a");
    match kind {
        ProbeKind::Startup => container.startup_probe = Some(probe),
        ProbeKind::Liveness => container.liveness_probe = Some(probe),
        ProbeKind::Readiness => container.readiness_probe = Some(probe),
    }
    container
}

/// Runs probes with these outcomes (`+` and `-`) and gives what is passed after each.
#[track_caller]
fn check(success: i32, failure: i32, outcomes: &str, expected: &[Option<bool>]) {
    let probe = Probe { success_threshold: Some(success), failure_threshold: Some(failure), ..Probe::default() };
    let pod = pod("Always", vec![], vec![probed(ProbeKind::Readiness, probe)]);
    let observed = observed(&["a +"]);
    let mut probes = Probes::default();
    let mut seen = Vec::new();
    for (round, outcome) in outcomes.chars().enumerate() {
        let now = at(1 + 10 * i64::try_from(round).expect("small"));
        let (due, _) = probes.due(&pod, &observed, now);
        let outcome = if outcome == '+' { Outcome::Success } else { Outcome::Failure(String::new()) };
        probes.note(&due[0].key, &due[0].probe, &outcome);
        seen.push(probes.passed("a-0", ProbeKind::Readiness));
    }
    assert_eq!(seen, expected);
}

#[test]
fn thresholds() {
    check(1, 3, "+---+", &[Some(true), Some(true), Some(true), Some(false), Some(true)]);
    check(1, 3, "--+--", &[None, None, Some(true), Some(true), Some(true)]);
    check(2, 1, "++-++", &[None, Some(true), Some(false), Some(false), Some(true)]);
}

#[test]
fn delays_and_periods() {
    let probe = Probe { initial_delay_seconds: Some(5), period_seconds: Some(3), ..Probe::default() };
    let pod = pod("Always", vec![], vec![probed(ProbeKind::Liveness, probe)]);
    let observed = observed(&["a +"]);
    let mut probes = Probes::default();
    // The fixture's container was started at second 1.
    let (due, wake) = probes.due(&pod, &observed, at(2));
    assert_eq!((due.len(), wake), (0, Some(at(6))));
    let (due, wake) = probes.due(&pod, &observed, at(6));
    assert_eq!((due.len(), wake), (1, None));
    // While it runs, no second one begins.
    assert_eq!(probes.due(&pod, &observed, at(60)).0.len(), 0);
    probes.note(&due[0].key, &due[0].probe, &Outcome::Success);
    assert_eq!(probes.due(&pod, &observed, at(8)).1, Some(at(9)));
    assert_eq!(probes.due(&pod, &observed, at(9)).0.len(), 1);
}

#[test]
fn a_startup_probe_holds_the_others_back() {
    let mut slow = probed(ProbeKind::Startup, Probe { failure_threshold: Some(2), ..Probe::default() });
    slow.liveness_probe = Some(Probe::default());
    slow.readiness_probe = Some(Probe::default());
    let pod = pod("Always", vec![], vec![slow.clone()]);
    let observed = observed(&["a +"]);
    let mut probes = Probes::default();
    let (due, _) = probes.due(&pod, &observed, at(1));
    assert_eq!(due.iter().map(|due| due.key.kind).collect::<Vec<_>>(), [ProbeKind::Startup]);
    assert!(!probes.started(&slow, "a-0") && !probes.ready(&slow, "a-0"));
    probes.note(&due[0].key, &due[0].probe, &Outcome::Success);
    assert!(probes.started(&slow, "a-0") && !probes.ready(&slow, "a-0"));
    let (due, _) = probes.due(&pod, &observed, at(20));
    assert_eq!(due.iter().map(|due| due.key.kind).collect::<Vec<_>>(), [ProbeKind::Liveness, ProbeKind::Readiness]);
}

#[test]
fn a_condemned_container_is_left_alone_and_forgotten_after_its_end() {
    let pod = pod(
        "Always",
        vec![],
        vec![probed(ProbeKind::Liveness, Probe { failure_threshold: Some(1), ..Probe::default() })],
    );
    let mut probes = Probes::default();
    let (due, _) = probes.due(&pod, &observed(&["a +"]), at(1));
    assert!(probes.note(&due[0].key, &due[0].probe, &Outcome::Failure("x".into())));
    assert_eq!(probes.condemned("a-0"), Some(ProbeKind::Liveness));
    assert!(probes.due(&pod, &observed(&["a +"]), at(100)).0.is_empty());
    let (due, _) = probes.due(&pod, &observed(&["a/1 +", "a 137"]), at(100));
    assert_eq!(due[0].key.container_id, "a-1");
    assert_eq!(probes.condemned("a-0"), None);
}

/// What a new agent makes of a container that its predecessor reported like this: whether it has started and is ready.
#[track_caller]
fn check_adopted(id: &str, started: bool, ready: bool, expected: (bool, bool)) {
    let probe = Probe { failure_threshold: Some(2), ..Probe::default() };
    let mut probed = probed(ProbeKind::Startup, probe.clone());
    probed.readiness_probe = Some(probe);
    let reported = ContainerStatus {
        name: "a".into(),
        container_id: Some(id.into()),
        started: Some(started),
        ready,
        ..ContainerStatus::default()
    };
    let mut probes = Probes::default();
    probes.adopt(&PodStatus { container_statuses: Some(vec![reported]), ..PodStatus::default() });
    let pod = pod("Always", vec![], vec![probed.clone()]);
    probes.due(&pod, &observed(&["a +"]), at(100));
    assert_eq!((probes.started(&probed, "a-0"), probes.ready(&probed, "a-0")), expected);
}

#[test]
fn what_was_ready_under_the_agent_before_is_ready() {
    check_adopted("containerd://a-0", true, true, (true, true));
    check_adopted("containerd://a-0", true, false, (true, false));
    check_adopted("containerd://a-0", false, false, (false, false));
    check_adopted("containerd://other", true, true, (false, false));
    check_adopted("", true, true, (false, false));
}

#[test]
fn what_was_adopted_is_asked_at_once_and_fails_by_its_threshold() {
    let probe = Probe { failure_threshold: Some(2), ..Probe::default() };
    let own = probed(ProbeKind::Readiness, probe);
    let reported = ContainerStatus { container_id: Some("x://a-0".into()), ready: true, ..ContainerStatus::default() };
    let mut probes = Probes::default();
    probes.adopt(&PodStatus { container_statuses: Some(vec![reported]), ..PodStatus::default() });
    let pod = pod("Always", vec![], vec![own.clone()]);
    for (time, expected) in [(100, true), (110, false)] {
        let (due, _) = probes.due(&pod, &observed(&["a +"]), at(time));
        probes.note(&due[0].key, &due[0].probe, &Outcome::Failure("x".into()));
        assert_eq!(probes.ready(&own, "a-0"), expected);
    }
}

#[test]
fn an_end_that_is_asked_for_stops_liveness_and_not_readiness() {
    let mut both = probed(ProbeKind::Liveness, Probe::default());
    both.readiness_probe = Some(Probe::default());
    let mut pod = pod("Always", vec![], vec![both]);
    pod.metadata.deletion_timestamp = Some(crate::pod::status::time(at(30)));
    let (due, _) = Probes::default().due(&pod, &observed(&["a +"]), at(20));
    assert_eq!(due.iter().map(|due| due.key.kind).collect::<Vec<_>>(), [ProbeKind::Readiness]);
}

#[test]
fn init_containers_are_not_asked_and_sidecars_are() {
    let sidecar = Container {
        restart_policy: Some("Always".into()),
        name: "s".into(),
        ..probed(ProbeKind::Readiness, Probe::default())
    };
    let init = Container { name: "i".into(), ..probed(ProbeKind::Readiness, Probe::default()) };
    let pod = pod("Always", vec![init, sidecar], vec![container("a")]);
    let (due, _) = Probes::default().due(&pod, &observed(&["i +", "s +"]), at(20));
    assert_eq!(due.iter().map(|due| due.container.as_str()).collect::<Vec<_>>(), ["s"]);
}

#[test]
fn the_next_look_is_at_the_earliest_probe() {
    let mut both = probed(ProbeKind::Liveness, Probe { initial_delay_seconds: Some(30), ..Probe::default() });
    both.readiness_probe = Some(Probe { initial_delay_seconds: Some(7), ..Probe::default() });
    let pod = pod("Always", vec![], vec![both, container("b")]);
    // The fixture's containers were started at second 1.
    let (due, wake) = Probes::default().due(&pod, &observed(&["b +", "a +"]), at(2));
    assert_eq!((due.len(), wake), (0, Some(at(8))));
}

#[test]
fn an_outcome_for_a_container_that_has_gone_is_ignored() {
    let pod = pod("Always", vec![], vec![probed(ProbeKind::Readiness, Probe::default())]);
    let mut probes = Probes::default();
    let (due, _) = probes.due(&pod, &observed(&["a +"]), at(20));
    probes.due(&pod, &observed(&["a/1 +", "a 1"]), at(21));
    assert!(!probes.note(&due[0].key, &due[0].probe, &Outcome::Success));
    assert_eq!(probes.passed("a-0", ProbeKind::Readiness), None);
}
