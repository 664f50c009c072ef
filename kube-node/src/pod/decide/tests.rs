//! Pods and what the runtime shows in, steps out.

use k8s_openapi::api::core::v1::{ContainerState as ApiState, ContainerStatus as ApiStatus, PodStatus, Probe};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::pod::fixture::{at, container, observed, pod, sandbox, sidecar};
use crate::pod::probes::Outcome;
use crate::runtime::ProbeKind;

/// The steps in short: `+name/attempt` start, `-id` stop, `x id` remove, `S attempt` sandbox, `s id`, `xs id`, `F`.
fn short(plan: &Plan) -> String {
    let step = |step: &Step| match step {
        Step::RunSandbox { attempt } => format!("S{attempt}"),
        Step::Start { name, attempt } => format!("+{name}/{attempt}"),
        Step::Stop { id, grace, .. } => format!("-{id}@{}", grace.as_secs()),
        Step::Remove { id } => format!("x{id}"),
        Step::StopSandbox { id } => format!("s:{id}"),
        Step::RemoveSandbox { id } => format!("xs:{id}"),
        Step::Finish => "F".to_owned(),
    };
    plan.steps.iter().map(step).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(pod: &Pod, containers: &[&str], expected: &str) {
    let plan = decide(pod, &observed(containers), &mut Memory::default(), false, at(3));
    assert_eq!(short(&plan), expected);
}

fn simple(policy: &str) -> Pod {
    pod(policy, vec![], vec![container("a")])
}

#[test]
fn a_new_pod_gets_a_sandbox_then_its_containers() {
    let two = pod("Always", vec![], vec![container("a"), container("b")]);
    let plan = decide(&two, &Observed::default(), &mut Memory::default(), false, at(0));
    assert_eq!(short(&plan), "S0");
    check(&two, &[], "+a/0 +b/0");
    check(&two, &["a +"], "+b/0");
    check(&two, &["a +", "b +"], "");
    check(&two, &["a -", "b +"], "xa-0 +a/0");
}

#[test]
fn init_containers_run_one_after_the_other() {
    let pod = pod("Always", vec![container("i"), container("j")], vec![container("a")]);
    check(&pod, &[], "+i/0");
    check(&pod, &["i +"], "");
    check(&pod, &["i 0"], "+j/0");
    check(&pod, &["i 1"], "+i/1");
    check(&pod, &["j 0", "i 0"], "+a/0");
    check(&pod, &["a +", "j 0", "i 0"], "");
    // Once a main container has run, they never run again.
    check(&pod, &["a +"], "");
    // One that was removed from the runtime had its turn, where the next one had.
    check(&pod, &["j +"], "");
    check(&pod, &["j 0"], "+a/0");
    check(&pod, &["j 1"], "+j/1");
}

#[test]
fn sidecars_start_in_their_turn_and_stay() {
    let pod = pod("Always", vec![sidecar("s1"), container("i"), sidecar("s2")], vec![container("a")]);
    check(&pod, &[], "+s1/0");
    check(&pod, &["s1 +"], "+i/0");
    check(&pod, &["i +", "s1 0"], "+s1/1");
    check(&pod, &["i 0", "s1 +"], "+s2/0");
    check(&pod, &["s2 +", "i 0", "s1 +"], "+a/0");
    check(&pod, &["a +", "s2 0", "i 0", "s1 +"], "+s2/1");
}

#[test]
fn a_sidecar_with_a_startup_probe_holds_the_others_back() {
    let slow = k8s_openapi::api::core::v1::Container { startup_probe: Some(Probe::default()), ..sidecar("s1") };
    let pod = pod("Always", vec![slow], vec![container("a")]);
    let mut memory = Memory::default();
    let observed = observed(&["s1 +"]);
    assert_eq!(short(&decide(&pod, &observed, &mut memory, false, at(3))), "");
    let (due, _) = memory.probes.due(&pod, &observed, at(3));
    memory.probes.note(&due[0].key, &due[0].probe, &Outcome::Success);
    assert_eq!(short(&decide(&pod, &observed, &mut memory, false, at(3))), "+a/0");
}

#[test]
fn restart_policies() {
    check(&simple("Always"), &["a 0"], "+a/1");
    check(&simple("Always"), &["a 1"], "+a/1");
    check(&simple("OnFailure"), &["a 1"], "+a/1");
    check(&simple("OnFailure"), &["a 0"], "s:s");
    check(&simple("Never"), &["a 1"], "s:s");
    let two = pod("Never", vec![], vec![container("a"), container("b")]);
    check(&two, &["a 1", "b +"], "");
    check(&two, &["a 1", "b 0"], "s:s");
    check(&pod("Never", vec![container("i")], vec![container("a")]), &["i 1"], "s:s");
}

#[test]
fn rules_of_a_container_come_before_the_policy() {
    use k8s_openapi::api::core::v1::{ContainerRestartRule, ContainerRestartRuleOnExitCodes};
    let rule = ContainerRestartRule {
        action: "Restart".into(),
        exit_codes: Some(ContainerRestartRuleOnExitCodes { operator: "In".into(), values: Some(vec![42]) }),
    };
    let mut own = container("a");
    own.restart_policy = Some("Never".into());
    own.restart_policy_rules = Some(vec![rule]);
    let pod = pod("Always", vec![], vec![own, container("b")]);
    check(&pod, &["a 42", "b +"], "+a/1");
    check(&pod, &["a 1", "b +"], "");
}

#[test]
fn crashes_wait_longer_and_longer() {
    let pod = simple("Always");
    let mut memory = Memory::default();
    memory.crashes.entry("a".into()).or_default().next(at(0), at(0));
    let observed = observed(&["a/1 1"]);
    let plan = decide(&pod, &observed, &mut memory, false, at(3));
    assert_eq!(short(&plan), "");
    assert_eq!(plan.wake, Some(at(13)));
    let failure = &memory.failures["a"];
    assert_eq!(failure.reason, "CrashLoopBackOff");
    assert_eq!(failure.message, "back-off 10s restarting failed container=a pod=p_ns(uid-1)");
    assert_eq!(short(&decide(&pod, &observed, &mut memory, false, at(13))), "+a/2");
}

/// A container whose probe of this kind has failed, what the runtime shows of it, and the plan: its steps and the words
/// of the event.
#[track_caller]
fn check_condemned(kind: ProbeKind, policy: &str, own_grace: Option<i64>, containers: &[&str], expected: (&str, &str)) {
    let probe = Probe { failure_threshold: Some(1), termination_grace_period_seconds: own_grace, ..Probe::default() };
    let mut sick = container("a");
    match kind {
        ProbeKind::Startup => sick.startup_probe = Some(probe),
        _ => sick.liveness_probe = Some(probe),
    }
    let pod = pod(policy, vec![], vec![sick]);
    let mut memory = Memory::default();
    // The instance before was started after a failure, which makes the next one wait for 10 s.
    memory.crashes.entry("a".into()).or_default().next(at(0), at(0));
    let observed = observed(containers);
    let (due, _) = memory.probes.due(&pod, &observed, at(20));
    memory.probes.note(&due[0].key, &due[0].probe, &Outcome::Failure("no".into()));
    let plan = decide(&pod, &observed, &mut memory, false, at(20));
    let Step::Stop { message, hook: true, .. } = &plan.steps[0] else { panic!("a stop with its hook: {plan:?}") };
    assert_eq!((short(&plan).as_str(), message.as_str()), expected);
    assert_eq!(memory.condemned.is_empty(), policy == "Never", "whether it has failed whatever code it ends with");
}

#[test]
fn a_failed_probe_ends_the_container_and_starts_it_again() {
    use ProbeKind::{Liveness, Startup};
    let again = "Container a failed liveness probe, will be restarted";
    check_condemned(Liveness, "Always", None, &["a +"], ("-a-0@30 +a/1", again));
    // Whatever code it ends with: a server that ends in peace when asked to has not succeeded.
    check_condemned(Liveness, "OnFailure", None, &["a +"], ("-a-0@30 +a/1", again));
    check_condemned(Liveness, "Never", None, &["a +"], ("-a-0@30", "Container a failed liveness probe"));
    check_condemned(Startup, "Never", None, &["a +"], ("-a-0@30", "Container a failed startup probe"));
    let startup = "Container a failed startup probe, will be restarted";
    check_condemned(Startup, "Always", Some(5), &["a +"], ("-a-0@5 +a/1", startup));
    check_condemned(Liveness, "Always", Some(60), &["a +"], ("-a-0@60 +a/1", again));
}

#[test]
fn a_container_that_fails_its_probe_soon_after_a_start_waits() {
    // The instance before ended at second 2; the wait is over at second 12.
    let again = "Container a failed liveness probe, will be restarted";
    check_condemned(ProbeKind::Liveness, "Always", None, &["a/1 +", "a/0 1"], ("-a-1@30 +a/2", again));
    // One that ended at second 17 makes it wait until second 27.
    check_condemned(ProbeKind::Liveness, "Always", None, &["a/16 +", "a/15 1"], ("-a-16@30", again));
}

#[test]
fn a_new_image_restarts_the_container_under_any_policy() {
    let mut changed = container("a");
    changed.image = Some("busybox:2".into());
    for policy in ["Always", "OnFailure", "Never"] {
        let pod = pod(policy, vec![], vec![changed.clone(), container("b")]);
        check(&pod, &["a +", "b +"], "-a-0@30 +a/1");
    }
    // One that had ended before is none of a new image's business.
    check(&pod("Never", vec![], vec![changed, container("b")]), &["a 0", "b +"], "");
}

#[test]
fn a_lost_sandbox_is_replaced() {
    let pod = pod("Always", vec![container("i")], vec![container("a")]);
    let mut seen = observed(&["a 137", "i 0"]);
    seen.sandboxes[0].state = SandboxState::NotReady;
    let mut memory = Memory::default();
    assert_eq!(short(&decide(&pod, &seen, &mut memory, false, at(3))), "s:s S1");
    // In the new one, initialization begins again.
    seen.sandboxes.insert(0, sandbox("s2", 1, SandboxState::Ready));
    assert_eq!(short(&decide(&pod, &seen, &mut memory, false, at(3))), "+i/1");
    // A sandbox that could not be made is tried again later.
    memory.retries.insert(String::new(), at(9));
    seen.sandboxes.remove(0);
    let plan = decide(&pod, &seen, &mut memory, false, at(3));
    assert_eq!((short(&plan).as_str(), plan.wake), ("", Some(at(9))));
}

#[test]
fn old_dead_containers_go() {
    check(&simple("Always"), &["a/3 +", "a/2 1", "a/1 1", "a/0 1"], "xa-1 xa-0");
    check(&simple("Always"), &["a/3 +", "z 0"], "xz-0");
}

fn deleted(mut pod: Pod, in_seconds: i64, grace: i64) -> Pod {
    pod.metadata.deletion_timestamp = Some(Time(at(in_seconds)));
    pod.metadata.deletion_grace_period_seconds = Some(grace);
    pod
}

#[test]
fn deletion_ends_everything_in_order() {
    let pod = deleted(pod("Always", vec![sidecar("s1"), sidecar("s2")], vec![container("a"), container("b")]), 33, 30);
    check(&pod, &["a +", "b +", "s2 +", "s1 +"], "-a-0@30 -b-0@30");
    check(&pod, &["a 0", "b 0", "s2 +", "s1 +"], "-s2-0@30");
    check(&pod, &["a 0", "b 0", "s2 0", "s1 +"], "-s1-0@30");
    check(&pod, &["a 0", "b 0", "s2 0", "s1 0"], "s:s xs:s F");
    let plan = decide(&pod, &Observed::default(), &mut Memory::default(), false, at(3));
    assert_eq!(short(&plan), "F");
}

#[test]
fn grace_shrinks_with_the_time_and_never_below_two_seconds() {
    check(&deleted(simple("Always"), 10, 30), &["a +"], "-a-0@8");
    check(&deleted(simple("Always"), 1, 30), &["a +"], "-a-0@2");
    check(&deleted(simple("Always"), 3, 0), &["a +"], "-a-0@2");
}

#[test]
fn a_pod_without_an_object_is_ended_at_once() {
    let plan = decide(&simple("Always"), &observed(&["a +"]), &mut Memory::default(), true, at(3));
    assert_eq!(short(&plan), "-a-0@2");
}

#[test]
fn deadlines_end_a_pod() {
    let mut pod = simple("Always");
    pod.spec.as_mut().expect("spec").active_deadline_seconds = Some(10);
    let status = PodStatus { start_time: Some(Time(at(0))), ..PodStatus::default() };
    let mut memory = Memory { status: status.into(), ..Memory::default() };
    let plan = decide(&pod, &observed(&["a +"]), &mut memory, false, at(9));
    assert_eq!((short(&plan).as_str(), plan.wake), ("", Some(at(10))));
    let plan = decide(&pod, &observed(&["a +"]), &mut memory, false, at(10));
    assert_eq!(short(&plan), "-a-0@30");
    assert_eq!(memory.verdict.expect("a verdict").reason, "DeadlineExceeded");
}

#[test]
fn what_has_ended_stays_ended_without_the_runtime() {
    let terminated = k8s_openapi::api::core::v1::ContainerStateTerminated { exit_code: 0, ..Default::default() };
    let known = ApiStatus {
        name: "a".into(),
        state: Some(ApiState { terminated: Some(terminated), ..ApiState::default() }),
        ..ApiStatus::default()
    };
    let status = PodStatus { container_statuses: Some(vec![known]), ..PodStatus::default() };
    let mut memory = Memory { status: status.into(), ..Memory::default() };
    assert_eq!(short(&decide(&simple("OnFailure"), &Observed::default(), &mut memory, false, at(3))), "");
    // With the policy Always it is a restart, counted on.
    let plan = decide(&simple("Always"), &observed(&[]), &mut memory, false, at(3));
    assert_eq!(short(&plan), "+a/1");
}

#[test]
fn a_sidecar_restarts_whatever_the_policy_and_holds_nobody_up_later() {
    let pod = pod("Never", vec![sidecar("s")], vec![container("a")]);
    check(&pod, &["a +", "s 0"], "+s/1");
    check(&pod, &["a +", "s 1"], "+s/1");
    // When the main containers have ended, it is ended, and not started again.
    check(&pod, &["a 0", "s +"], "-s-0@30");
    check(&pod, &["a 0", "s 143"], "s:s");
}

#[test]
fn a_final_phase_ends_what_is_left() {
    for phase in ["Succeeded", "Failed"] {
        let mut known = simple("Always");
        known.status = Some(PodStatus { phase: Some(phase.into()), ..PodStatus::default() });
        check(&known, &["a +"], "-a-0@30");
        check(&known, &["a 0"], "s:s");
        // Nothing is made for a pod that has ended before this agent came.
        let plan = decide(&known, &Observed::default(), &mut Memory::default(), false, at(3));
        assert_eq!((short(&plan).as_str(), plan.ending), ("", true));
    }
}

#[test]
fn an_unknown_container_is_stopped_before_anything_else_of_it() {
    let mut seen = observed(&["a +", "b +"]);
    seen.containers[0].status.state = ContainerState::Unknown;
    let two = pod("Always", vec![], vec![container("a"), container("b")]);
    assert_eq!(short(&decide(&two, &seen, &mut Memory::default(), false, at(3))), "-a-0@2");
}

#[test]
fn a_second_sandbox_is_stopped_and_removed_when_it_is_empty() {
    let mut seen = observed(&["a +"]);
    seen.sandboxes.push(sandbox("old", 0, SandboxState::Ready));
    assert_eq!(short(&decide(&simple("Always"), &seen, &mut Memory::default(), false, at(3))), "s:old");
    seen.sandboxes[1].state = SandboxState::NotReady;
    assert_eq!(short(&decide(&simple("Always"), &seen, &mut Memory::default(), false, at(3))), "xs:old");
    let mut kept = observed(&["a +", "a 1"]);
    kept.sandboxes.push(sandbox("old", 0, SandboxState::NotReady));
    kept.containers[1].sandbox_id = "old".into();
    assert_eq!(short(&decide(&simple("Always"), &kept, &mut Memory::default(), false, at(3))), "", "it is history");
}

#[test]
fn what_runs_in_a_lost_sandbox_is_ended_with_it() {
    let mut seen = observed(&["a +"]);
    seen.sandboxes[0].state = SandboxState::NotReady;
    assert_eq!(short(&decide(&simple("Always"), &seen, &mut Memory::default(), false, at(3))), "-a-0@2 s:s S1");
    // Under Never it is the pod's end, once it has ended.
    seen.containers[0].status.state = ContainerState::Exited;
    assert_eq!(short(&decide(&simple("Never"), &seen, &mut Memory::default(), false, at(3))), "");
}

#[test]
fn a_failure_to_start_is_tried_again_in_its_time() {
    let two = pod("Always", vec![], vec![container("a"), container("b")]);
    let mut memory = Memory::default();
    memory.retries.insert("a".into(), at(9));
    let plan = decide(&two, &observed(&[]), &mut memory, false, at(3));
    assert_eq!((short(&plan).as_str(), plan.wake), ("+b/0", Some(at(9))), "the others do not wait for it");
    let plan = decide(&two, &observed(&["b +"]), &mut memory, false, at(9));
    assert_eq!(short(&plan), "+a/0");
}

#[test]
fn who_waits_for_a_restart_is_named() {
    let three = pod("Always", vec![], vec![container("a"), container("b"), container("c")]);
    let mut memory = Memory::default();
    for (name, tries) in [("a", 1), ("b", 2)] {
        for _ in 0..tries {
            memory.crashes.entry(name.into()).or_default().next(at(0), at(0));
        }
    }
    let plan = decide(&three, &observed(&["a 1", "b 1", "c +"]), &mut memory, false, at(5));
    assert_eq!(plan.backing_off, ["a", "b"]);
    assert_eq!((short(&plan).as_str(), plan.wake), ("", Some(at(12))), "the first wait is over 10 s after the end");
    assert_eq!(memory.failures["b"].message, "back-off 20s restarting failed container=b pod=p_ns(uid-1)");
}

#[test]
fn deletion_takes_what_no_sandbox_holds() {
    let pod = deleted(simple("Always"), 33, 30);
    let mut seen = observed(&["a 0"]);
    seen.sandboxes.clear();
    assert_eq!(short(&decide(&pod, &seen, &mut Memory::default(), false, at(3))), "xa-0 F");
    let init = deleted(pod_with_init(), 33, 30);
    check(&init, &["i +"], "-i-0@30");
}

fn pod_with_init() -> Pod {
    pod("Always", vec![container("i")], vec![container("a")])
}

#[test]
fn an_order_to_end_stays_one() {
    // Whatever changes besides: the back-off, the image, a new probe.
    let mut changed = container("a");
    changed.image = Some("busybox:2".into());
    let pod = deleted(pod("Always", vec![], vec![changed, container("b")]), 33, 30);
    check(&pod, &["b +", "a 1"], "-b-0@30");
    check(&pod, &["b 1", "a 1"], "s:s xs:s F");
}

#[test]
fn a_deadline_counts_from_the_start_that_was_reported() {
    let mut pod = simple("Always");
    pod.spec.as_mut().expect("spec").active_deadline_seconds = Some(10);
    let mut memory = Memory::default();
    let plan = decide(&pod, &observed(&["a +"]), &mut memory, false, at(99));
    assert_eq!((short(&plan).as_str(), plan.wake), ("", None), "without a start there is no end");
    let status = PodStatus { start_time: Some(Time(at(0))), phase: Some("Succeeded".into()), ..PodStatus::default() };
    memory.status = status.into();
    decide(&pod, &observed(&["a 0"]), &mut memory, false, at(99));
    assert_eq!(memory.verdict, None, "what has succeeded does not fail later");
}
