//! The names, labels and sums that dashboards read.

use super::*;
use crate::framework::Nomination;

#[track_caller]
fn check(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.text();
    for line in lines {
        assert!(text.lines().any(|known| known == *line), "{line} is not in\n{text}");
    }
}

#[test]
fn attempts_are_counted_under_kube_schedulers_names() {
    let metrics = Metrics::default();
    let profile: Arc<str> = "default-scheduler".into();
    let second = Duration::from_secs(1);
    let tried = Tried { since: second, started: second * 3, attempts: 2 };
    metrics.tried(&profile, Outcome::Scheduled, tried, second * 4);
    metrics.tried(&profile, Outcome::Unschedulable, tried, second * 4);
    metrics.tried(&profile, Outcome::Error, Tried { attempts: 99, ..tried }, second * 4);
    metrics.tried(&profile, Outcome::Scheduled, Tried { attempts: 99, ..tried }, second * 4);
    let error = FitError::default();
    metrics.refused(&error);
    metrics.refused(&FitError { post_filter: Some("nobody can go".to_owned()), ..error.clone() });
    for victims in [3, 0] {
        let victims = (0..victims).map(|_| Arc::new(crate::Pod::new("victim"))).collect();
        let nomination = Some(Nomination { node: "n".to_owned(), victims });
        metrics.refused(&FitError { nomination, ..error.clone() });
    }
    metrics.pending(QueueCounts { active: 4, backoff: 3, unschedulable: 2, gated: 1 });
    metrics.cached(5, 6, 7);
    metrics.decided(Duration::from_millis(3));
    check(
        &metrics,
        &[
            r#"scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 2"#,
            r#"scheduler_schedule_attempts_total{result="unschedulable",profile="default-scheduler"} 1"#,
            r#"scheduler_schedule_attempts_total{result="error",profile="default-scheduler"} 1"#,
            r#"scheduler_scheduling_attempt_duration_seconds_sum{result="error",profile="default-scheduler"} 1.0"#,
            r#"scheduler_pod_scheduling_sli_duration_seconds_sum{attempts="2"} 3.0"#,
            r#"scheduler_pod_scheduling_sli_duration_seconds_count{attempts="15+"} 1"#,
            "scheduler_pod_scheduling_attempts_count 2",
            "scheduler_preemption_attempts_total 2",
            "scheduler_preemption_victims_sum 3.0",
            "scheduler_preemption_victims_count 1",
            r#"scheduler_pending_pods{queue="active"} 4"#,
            r#"scheduler_pending_pods{queue="backoff"} 3"#,
            r#"scheduler_pending_pods{queue="unschedulable"} 2"#,
            r#"scheduler_pending_pods{queue="gated"} 1"#,
            r#"scheduler_cache_size{type="assumed_pods"} 7"#,
            "scheduler_scheduling_algorithm_duration_seconds_count 1",
        ],
    );
}
