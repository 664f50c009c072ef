//! Who goes for a pod when extenders have a say, with the extenders' part played by the test.

use super::*;
use crate::driver::Config;
use crate::driver::extender::{Answer, Said};
use crate::driver::state::tests::{ZERO, at, check_bind, greater, node, on, parse, pod};
use crate::extender::Extender;
use crate::framework::{Attempt, FitError, PostFilter, Profile, Refusal};
use crate::plugins::DefaultPreemption;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

fn with_preempt_verb() -> Extender {
    let mut extender = Extender::new("http://nowhere");
    "preempt".clone_into(&mut extender.preempt_verb);
    extender
}

/// Two full nodes: on `a` two pods of half a CPU and the least priority, on `b` one that is more important.
fn full(extender: Extender) -> State {
    full_with(Config { extenders: vec![extender], ..Config::default() })
}

fn full_with(config: Config) -> State {
    let mut state = State::new(&config);
    for name in ["a", "b"] {
        state.node_applied(&node(name, "1"), ZERO);
    }
    for (name, cpu, priority, node) in [("a1", "500m", -5, "a"), ("a2", "500m", -5, "a"), ("b1", "1", 0, "b")] {
        let mut pod = on(pod(name, cpu), node);
        pod.spec.as_mut().unwrap().priority = Some(priority);
        state.pod_applied(&pod, ZERO);
    }
    state
}

#[track_caller]
fn check_question(state: &mut State, now: Duration, name: &str, expected: &str) -> VictimsQuestion {
    match state.next_step(now) {
        Some(Step::ConsultOnVictims(question)) => {
            assert_eq!((&*question.pod.name, &*told(&question.candidates)), (name, expected));
            *question
        }
        other => panic!("expected a question, got {other:?}"),
    }
}

/// `a: a1 a2, b: b1`.
fn told(candidates: &[(Arc<str>, Arc<Victims>)]) -> String {
    let one = |(node, victims): &(Arc<str>, Arc<Victims>)| {
        let names: Vec<&str> = victims.pods.iter().map(|pod| &*pod.name).collect();
        format!("{node}: {}", names.join(" "))
    };
    candidates.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// An answer that leaves these pods of these nodes.
fn leaving(question: VictimsQuestion, nodes: &[(&str, &[&str])]) -> VictimsAnswer {
    let candidates = nodes.iter().map(|(node, uids)| {
        let on_node = question.cluster.node(node).unwrap().pods().iter();
        let pods = on_node.filter(|pod| uids.contains(&&*pod.uid)).cloned().collect();
        (Arc::from(*node), Arc::new(Victims::new(pods, 0)))
    });
    let candidates = candidates.collect();
    answered(question, SaidOfVictims::Candidates(candidates))
}

fn answered(question: VictimsQuestion, said: SaidOfVictims) -> VictimsAnswer {
    let VictimsQuestion { pod, began, error, cluster, .. } = question;
    VictimsAnswer { pod, began, error, cluster, said }
}

/// The report that comes next: the node that is cleared and of whom, or why none is; and whether a promise is withdrawn.
#[track_caller]
fn report(state: &mut State, now: Duration) -> (String, bool) {
    match state.next_step(now) {
        Some(Step::Report { error, withdrawn, .. }) => {
            let FitError { nomination, .. } = &*error;
            let cleared = nomination.as_ref().map(|nomination| {
                let names: Vec<&str> = nomination.victims.iter().map(|pod| &*pod.name).collect();
                format!("{}: {}", nomination.node, names.join(" "))
            });
            (cleared.unwrap_or_else(|| error.to_string()), withdrawn)
        }
        other => panic!("expected a report, got {other:?}"),
    }
}

/// What comes of it when extenders leave these.
#[track_caller]
fn check(left: &[(&str, &[&str])], expected: &str) {
    let mut state = full(with_preempt_verb());
    state.pod_applied(&greater(pod("p", "1")), ZERO);
    let question = check_question(&mut state, ZERO, "p", "a: a1 a2, b: b1");
    assert_eq!(state.decisions(), 0, "nothing is decided yet");
    state.consulted_on_victims(leaving(question, left), at(1));
    assert_eq!(report(&mut state, at(1)).0, expected);
    assert_eq!(state.decisions(), 1);
}

#[test]
fn the_cheapest_of_what_extenders_leave_is_cleared() {
    check(&[("a", &["a1", "a2"]), ("b", &["b1"])], "a: a1 a2");
    check(&[("b", &["b1"])], "b: b1");
    check(&[("a", &["a2"]), ("b", &["b1"])], "a: a2");
    check(&[], "0/2 nodes are available: 2 Insufficient cpu. preemption: no candidate node for preemption");
}

#[test]
fn an_extender_that_fails_takes_no_promise_away() {
    let mut state = full(with_preempt_verb());
    state.pod_applied(&greater(pod("p", "1")), ZERO);
    let question = check_question(&mut state, ZERO, "p", "a: a1 a2, b: b1");
    state.consulted_on_victims(leaving(question, &[("b", &["b1"])]), ZERO);
    assert_eq!(report(&mut state, ZERO), ("b: b1".to_owned(), false));
    // Another pod goes, which does not help; the pod is tried again.
    state.node_applied(&node("c", "500m"), at(1));
    let question = check_question(&mut state, at(5), "p", "a: a1 a2, b: b1");
    state.consulted_on_victims(answered(question, SaidOfVictims::Failed("boom".to_owned())), at(5));
    let text = "0/3 nodes are available: 3 Insufficient cpu. preemption: boom".to_owned();
    assert_eq!(report(&mut state, at(5)), (text, false));
    assert_eq!(state.cluster.nominated_node("p"), Some("b"));
}

#[test]
fn nobody_goes_where_the_node_has_changed_meanwhile_or_another_takes_the_pod() {
    let change: [fn(&mut State); 5] = [
        |state| state.node_applied(&node("c", "1"), ZERO),
        |state| state.pod_deleted(&on(pod("b1", "1"), "b"), ZERO),
        |state| state.node_applied(&node("b", "500m"), ZERO),
        |state| state.node_deleted(&node("b", "1")),
        // The same room is promised to another, which waits for something else.
        |state| {
            let mut other = greater(pod("other", "1"));
            other.spec.as_mut().unwrap().scheduling_gates = parse(json!([{"name": "example.com/quota"}]));
            other.status = parse(json!({"nominatedNodeName": "b"}));
            state.pod_applied(&other, ZERO);
        },
    ];
    for change in change {
        let mut state = full(with_preempt_verb());
        state.pod_applied(&greater(pod("p", "1")), ZERO);
        let question = check_question(&mut state, ZERO, "p", "a: a1 a2, b: b1");
        change(&mut state);
        state.consulted_on_victims(leaving(question, &[("b", &["b1"])]), ZERO);
        assert!(state.next_step(ZERO).is_none(), "it is tried again after its back-off");
        assert!(state.next_step(at(1)).is_some());
    }
}

#[test]
fn a_pod_that_goes_while_extenders_are_asked_has_nobody_go() {
    for shown in [true, false] {
        let mut state = full(with_preempt_verb());
        state.pod_applied(&greater(pod("p", "1")), ZERO);
        let question = check_question(&mut state, ZERO, "p", "a: a1 a2, b: b1");
        if shown {
            state.pod_deleted(&pod("p", "1"), ZERO);
            state.consulted_on_victims(leaving(question, &[("b", &["b1"])]), ZERO);
        } else {
            state.consulted_on_victims(answered(question, SaidOfVictims::Gone), ZERO);
        }
        assert!(state.next_step(ZERO).is_none());
    }
}

#[test]
fn preemptors_are_asked_about_one_after_the_other_and_others_do_not_wait_for_them() {
    let mut state = full(with_preempt_verb());
    state.node_applied(&node("c", "500m"), ZERO);
    state.pod_applied(&greater(pod("p", "1")), ZERO);
    state.pod_applied(&pod("plain", "500m"), ZERO);
    let question = check_question(&mut state, ZERO, "p", "a: a1 a2, b: b1");
    check_bind(&mut state, ZERO, ("plain", "c"));
    state.pod_applied(&greater(pod("q", "1")), ZERO);
    assert!(matches!(state.next_step(ZERO), Some(Step::Wait)));
    assert!(state.next_step(ZERO).is_none());
    state.consulted_on_victims(leaving(question, &[("a", &["a1", "a2"])]), ZERO);
    assert_eq!(report(&mut state, ZERO).0, "a: a1 a2");
    // What was promised to the first is none of the second's.
    check_question(&mut state, ZERO, "q", "b: b1");
}

#[test]
fn pods_that_no_extender_is_interested_in_have_others_go_without_it() {
    let mut extender = with_preempt_verb();
    extender.managed_resources = vec!["example.com/gpu".to_owned()];
    let mut state = full(extender);
    state.pod_applied(&greater(pod("p", "1")), ZERO);
    assert_eq!(report(&mut state, ZERO).0, "a: a1 a2");
}

/// Clears `b`, of everybody.
#[derive(Debug)]
struct ClearsB;

impl PostFilter for ClearsB {
    fn name(&self) -> &'static str {
        "ClearsB"
    }
    fn post_filter(&self, attempt: &Attempt<'_>) -> Result<Nomination, String> {
        let pods = attempt.cluster().node("b").unwrap().pods().to_vec();
        Ok(Nomination { node: "b".to_owned(), victims: pods })
    }
}

#[test]
fn extenders_choose_only_among_what_the_plugin_offers_that_cleared_a_node() {
    let extenders = || vec![with_preempt_verb()];
    // DefaultPreemption has nobody go for a pod like this.
    let profile = Profile::default_builder().post_filter(ClearsB).build();
    let mut state = full_with(Config { extenders: extenders(), profile, ..Config::default() });
    let mut never = greater(pod("p", "1"));
    never.spec.as_mut().unwrap().preemption_policy = Some("Never".to_owned());
    state.pod_applied(&never, ZERO);
    assert_eq!(report(&mut state, ZERO).0, "b: b1");
    // It would clear another node.
    let profile = Profile::default_builder().disable("DefaultPreemption").post_filter(ClearsB);
    let profile = profile.post_filter(DefaultPreemption::default()).build();
    let mut state = full_with(Config { extenders: extenders(), profile, ..Config::default() });
    let mut p = pod("p", "1");
    p.spec.as_mut().unwrap().priority = Some(0);
    state.pod_applied(&p, ZERO);
    assert_eq!(report(&mut state, ZERO).0, "b: b1");
}

#[test]
fn one_decision_may_ask_which_nodes_remain_and_who_goes() {
    let mut extender = with_preempt_verb();
    "filter".clone_into(&mut extender.filter_verb);
    let mut state = full(extender);
    state.node_applied(&node("c", "1"), ZERO);
    let p: Pod = greater(pod("p", "1"));
    state.pod_applied(&p, ZERO);
    let Some(Step::Consult(question)) = state.next_step(ZERO) else { panic!("c takes it") };
    let mut refusals = question.refusals;
    refusals.push(("c".into(), Refusal::unschedulable(NAME, "asleep")));
    let answer = Answer { pod: question.pod, began: question.began, said: Said::Nodes(Vec::new()), refusals };
    state.consulted(answer, at(1));
    assert_eq!(state.decisions(), 0);
    let question = check_question(&mut state, at(1), "p", "a: a1 a2, b: b1");
    assert_eq!(question.began, ZERO, "the decision began before the first question");
    state.consulted_on_victims(leaving(question, &[("b", &["b1"])]), at(2));
    assert_eq!((report(&mut state, at(2)).0, state.decisions()), ("b: b1".to_owned(), 1));
}
