//! Rows for a pod's readiness, availability and activity.

use std::time::Duration;

use super::{Availability, availability, condition, is_active, is_ready, not_ready};
use crate::objects::{at, pod, pod_ready_since, terminating};

#[track_caller]
fn check(pod: &k8s_openapi::api::core::v1::Pod, min_ready_seconds: i32, expected: Availability) {
    assert_eq!(availability(pod, min_ready_seconds, at(100)), expected);
}

#[test]
fn availability_waits_for_min_ready_seconds() {
    check(&pod("a"), 0, Availability::Unready);
    check(&pod_ready_since("a", 100), 0, Availability::Available);
    check(&pod_ready_since("a", 100), 10, Availability::After(Duration::from_secs(10)));
    check(&pod_ready_since("a", 93), 10, Availability::After(Duration::from_secs(3)));
    check(&pod_ready_since("a", 90), 10, Availability::Available);
    check(&pod_ready_since("a", 110), 10, Availability::After(Duration::from_secs(10)));
}

#[test]
fn a_pod_that_ended_or_goes_is_not_active() {
    assert!(is_active(&pod("a")));
    assert!(!is_active(&terminating(pod("a"))));
    let mut failed = pod("a");
    failed.status.get_or_insert_default().phase = Some("Failed".into());
    assert!(!is_active(&failed));
    assert!(is_ready(&pod_ready_since("a", 1)));
}

/// The pod that a node's silence makes not ready is not ready since then; one that was not is left alone.
#[test]
fn a_pod_is_made_not_ready_once() {
    let marked = not_ready(&pod_ready_since("a", 10), at(70)).unwrap();
    let ready = condition(&marked, "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.last_transition_time.as_ref().unwrap().0), ("False", at(70)));
    assert_eq!(not_ready(&marked, at(80)), None);
    assert_eq!(not_ready(&pod("b"), at(80)), None);
}
