//! Small scenarios whose course can be told beforehand, and what every run keeps.

use super::*;
use crate::framework::Profile;
use crate::lab::contestant::Contestant;
use crate::lab::measure::METRICS;
use crate::lab::openb::Policy;
use crate::lab::scenario::{Generator, Job, Outage};
use crate::model::{Node, Resources};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn job(name: &str, arrives: u64, runs: Option<u64>, cores: i64) -> Job {
    let pod = Pod::new(name).request(Resources::new(cores * 1000, 1, 0));
    Job { arrives: seconds(arrives), runs: runs.map(seconds), pod }
}

fn scenario(jobs: Vec<Job>) -> Scenario {
    let nodes = vec![Node::new("n", Resources::new(4000, 1 << 40, 110))];
    Scenario { name: "t".to_owned(), nodes, jobs, outages: Vec::new(), horizon: seconds(3600) }
}

/// A figure of a run under the default plugins.
fn figure(scenario: &Scenario, key: &str) -> f64 {
    let measured = simulate(scenario, &Scheduler::new(Profile::default(), 1), |_| {});
    let index = METRICS.iter().position(|metric| metric.key == key).unwrap();
    measured.values[index]
}

#[track_caller]
fn check(scenario: &Scenario, expected: &[(&str, f64)]) {
    for (key, value) in expected {
        let found = figure(scenario, key);
        assert!((found - value).abs() < 0.01, "{key}: {found} is not {value}");
    }
}

#[test]
fn a_pod_that_fits_starts_at_once_and_ends() {
    let one = scenario(vec![job("a", 0, Some(1800), 4)]);
    check(&one, &[("throughput", 1.0), ("pending_mean", 0.0), ("cpu_utilisation", 50.0), ("unplaced", 0.0)]);
}

#[test]
fn a_pod_that_does_not_fit_waits_for_the_end_of_another() {
    let two = scenario(vec![job("a", 0, Some(600), 4), job("b", 100, Some(600), 4)]);
    // 500 s until the end of the other; the back-off after the attempts at once and after five minutes is long over.
    check(&two, &[("throughput", 2.0), ("pending_mean", 250.0), ("pending_p50", 250.0)]);
    let for_ever = scenario(vec![job("a", 0, None, 4), job("b", 600, Some(1), 4)]);
    check(&for_ever, &[("throughput", 0.0), ("unplaced", 1.0), ("cpu_utilisation", 100.0), ("pending_mean", 1500.0)]);
}

#[test]
fn a_failed_node_loses_its_pods_and_they_start_anew() {
    let mut one = scenario(vec![job("a", 0, Some(600), 4)]);
    one.outages = vec![Outage { node: "n".into(), from: seconds(300), until: seconds(900) }];
    // 300 s before, then 600 s again, of 3,000 s with a node.
    check(&one, &[("throughput", 1.0), ("lost", 1.0), ("cpu_utilisation", 30.0)]);
}

#[test]
fn an_important_pod_takes_the_place_of_a_lesser_one() {
    let mut urgent = job("urgent", 100, Some(600), 4);
    urgent.pod.priority = 10;
    let two = scenario(vec![job("lesser", 0, Some(600), 4), urgent]);
    check(&two, &[("throughput", 2.0), ("preempted", 1.0), ("unplaced", 0.0)]);
}

#[test]
fn time_goes_on_whatever_the_load() {
    check(&scenario(Vec::new()), &[("throughput", 0.0), ("fairness", 1.0), ("pending_p99", 0.0)]);
    let mut nowhere = scenario(vec![job("a", 0, Some(1), 1)]);
    nowhere.nodes.clear();
    check(&nowhere, &[("unplaced", 1.0), ("cpu_utilisation", 0.0)]);
    let mut none = scenario(vec![job("a", 0, Some(1), 1)]);
    none.horizon = Duration::ZERO;
    check(&none, &[("throughput", 0.0), ("unplaced", 0.0)]);
    check(&scenario(vec![job("huge", 0, Some(1), 1 << 40)]), &[("unplaced", 1.0)]);
}

#[test]
fn the_same_seed_gives_the_same_run_under_every_policy() {
    let generator = Generator { horizon: seconds(900), arrivals_per_minute: 12.0, ..Generator::default() };
    let mut policies = vec![Contestant::Default, Contestant::MostAllocated];
    policies.extend(Policy::ALL.map(Contestant::Gpu));
    for policy in policies {
        let run = || {
            let scenario = generator.scenario(9);
            simulate(&scenario, &policy.scheduler(&scenario, 9), |_| {})
        };
        let first = run();
        assert_eq!(first, run(), "{policy}");
        assert_eq!(first.curves[0].len(), first.times.len());
        assert!(first.values.iter().all(|value| value.is_finite() && *value >= 0.0), "{policy}: {first:?}");
    }
}
