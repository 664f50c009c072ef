//! Pods that wait in Permit. Source: `waiting_pods_map` of kube-scheduler and its texts.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const SECOND: Duration = Duration::from_secs(1);

fn waiting(plugins: &[(&'static str, u64)]) -> (WaitingPods, WaitingPod) {
    let all = WaitingPods::default();
    let plugins: Vec<_> = plugins.iter().map(|(plugin, seconds)| (*plugin, Duration::from_secs(*seconds))).collect();
    all.add(Arc::new(Pod::new("p")), "n".into(), &plugins, Duration::ZERO);
    let pod = all.get("p").unwrap();
    (all, pod)
}

fn verdicts(all: &WaitingPods, now: Duration) -> Vec<String> {
    let told = |decided: Decided| match decided.verdict {
        Ok(()) => format!("{} on {}", decided.pod.name, decided.node),
        Err(refusal) => format!("{}: {}: {}", decided.pod.name, refusal.plugin, refusal.reasons.join(", ")),
    };
    all.decided(now).into_iter().map(told).collect()
}

#[test]
fn every_plugin_must_allow() {
    let (all, pod) = waiting(&[("A", 10), ("B", 20)]);
    assert_eq!((pod.node(), pod.pending_plugins(), all.len()), ("n", vec!["A", "B"], 1));
    pod.allow("C");
    pod.allow("A");
    pod.allow("A");
    assert_eq!((pod.pending_plugins(), verdicts(&all, SECOND)), (vec!["B"], vec![]));
    pod.allow("B");
    assert!(all.is_empty() && all.next_deadline().is_none());
    assert_eq!(verdicts(&all, SECOND * 100), ["p on n"]);
    assert!(verdicts(&all, SECOND * 100).is_empty(), "it is told once");
}

#[test]
fn one_rejection_is_enough() {
    let (all, pod) = waiting(&[("A", 10), ("B", 20)]);
    pod.reject("Anyone", "no more money");
    pod.allow("A");
    pod.allow("B");
    pod.reject("Anyone", "again");
    assert_eq!(verdicts(&all, SECOND), ["p: Anyone: no more money"]);
}

#[test]
fn the_plugin_whose_time_is_up_first_rejects() {
    let (all, pod) = waiting(&[("A", 90), ("B", 20)]);
    assert_eq!(all.next_deadline(), Some(SECOND * 20));
    pod.allow("B");
    assert_eq!(all.next_deadline(), Some(SECOND * 90));
    assert!(verdicts(&all, SECOND * 89).is_empty());
    assert_eq!(verdicts(&all, SECOND * 90), ["p: A: rejected due to timeout after waiting 1m30s at plugin A"]);
}

#[test]
fn a_handle_of_an_earlier_wait_does_nothing() {
    let (all, old) = waiting(&[("A", 10)]);
    assert!(all.remove("p") && !all.remove("p"));
    old.reject("A", "late");
    all.add(Arc::new(Pod::new("p")), "m".into(), &[("A", SECOND)], Duration::ZERO);
    old.allow("A");
    old.reject("A", "later");
    assert!(old.pending_plugins().is_empty());
    assert_eq!(all.iter().map(|pod| pod.node().to_owned()).collect::<Vec<_>>(), ["m"]);
    assert!(verdicts(&all, Duration::ZERO).is_empty());
}

#[test]
fn who_waits_is_woken() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (all, pod) = waiting(&[("A", 10)]);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    assert!(all.poll_decided(&mut context).is_pending());
    pod.allow("A");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(all.poll_decided(&mut context).is_ready());
    all.decided(Duration::ZERO);
    assert!(all.poll_decided(&mut context).is_pending());
}

#[track_caller]
fn check_told(millis: u64, expected: &str) {
    assert_eq!(told(Duration::from_millis(millis)), expected);
}

#[test]
fn durations_are_told_as_go_does() {
    check_told(0, "0s");
    check_told(250, "250ms");
    check_told(1_000, "1s");
    check_told(1_500, "1.5s");
    check_told(60_000, "1m0s");
    check_told(61_250, "1m1.25s");
    check_told(900_000, "15m0s");
    check_told(3_630_000, "1h0m30s");
    assert_eq!(told(Duration::from_micros(1_500)), "1.5ms");
    assert_eq!(told(Duration::from_nanos(1_500)), "1.5µs");
    assert_eq!(told(Duration::from_nanos(7)), "7ns");
}
