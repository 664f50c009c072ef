//! Decisions in which extenders have a say, with the extenders' part played by the test.

use super::*;
use crate::driver::Config;
use crate::driver::state::tests::{ZERO, at, check_bind, check_report, greater, node, on, pod};

/// A driver with an extender for pods that want CPU, and nodes of these sizes.
fn state(nodes: &[(&str, &str)]) -> State {
    let mut extender = Extender::new("http://nowhere");
    "filter".clone_into(&mut extender.filter_verb);
    extender.managed_resources = vec!["example.com/gpu".to_owned()];
    let mut state = State::new(&Config { extenders: vec![extender], ..Config::default() });
    for (name, cpu) in nodes {
        let mut node = node(name, cpu);
        let gpus = k8s_openapi::apimachinery::pkg::api::resource::Quantity("8".to_owned());
        node.status.as_mut().unwrap().allocatable.as_mut().unwrap().insert("example.com/gpu".to_owned(), gpus);
        state.node_applied(&node, ZERO);
    }
    state
}

fn wants_gpu(name: &str, cpu: &str) -> k8s_openapi::api::core::v1::Pod {
    let mut pod = pod(name, cpu);
    let one = k8s_openapi::apimachinery::pkg::api::resource::Quantity("1".to_owned());
    let container = &mut pod.spec.as_mut().unwrap().containers[0];
    container.resources.as_mut().unwrap().requests.as_mut().unwrap().insert("example.com/gpu".to_owned(), one);
    pod
}

#[track_caller]
fn check_question(state: &mut State, now: Duration, name: &str, nodes: &[&str]) -> Question {
    match state.next_step(now) {
        Some(Step::Consult(question)) => {
            let feasible: Vec<&str> = question.feasible.iter().map(|(node, _)| &**node).collect();
            assert_eq!((&*question.pod.name, feasible), (name, nodes.to_vec()));
            question
        }
        other => panic!("expected a question, got {other:?}"),
    }
}

fn ranking(all: &[(&str, i64)]) -> Vec<(Arc<str>, i64)> {
    all.iter().map(|(node, total)| (Arc::from(*node), *total)).collect()
}

fn nodes(all: &[(&str, i64)]) -> Said {
    Said::Nodes(ranking(all))
}

fn answered(question: Question, said: Said) -> Answer {
    Answer { pod: question.pod, began: question.began, said, refusals: question.refusals }
}

#[test]
fn the_best_of_what_extenders_leave_is_the_place() {
    let mut state = state(&[("a", "4"), ("b", "4"), ("c", "0")]);
    state.pod_applied(&wants_gpu("p", "1"), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a", "b"]);
    assert_eq!(question.refusals.len(), 1);
    assert!(question.feasible.iter().all(|(_, total)| *total > 0), "scores come along");
    state.consulted(answered(question, nodes(&[("a", 10), ("b", 90)])), at(1));
    let Some(Step::Bind(binding)) = state.next_step(at(1)) else { panic!("it has a place") };
    assert_eq!((&*binding.node, binding.tried.started), ("b", ZERO), "the attempt began before extenders were asked");
}

#[test]
fn a_place_that_was_taken_meanwhile_is_not_given_twice() {
    let mut state = state(&[("a", "1"), ("b", "1")]);
    state.pod_applied(&wants_gpu("p", "1"), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a", "b"]);
    state.pod_applied(&on(pod("quick", "1"), "b"), ZERO);
    state.consulted(answered(question, nodes(&[("a", 10), ("b", 90)])), ZERO);
    check_bind(&mut state, ZERO, ("p", "a"));
    state.pod_applied(&wants_gpu("q", "0"), ZERO);
    let question = check_question(&mut state, ZERO, "q", &["a", "b"]);
    state.node_deleted(&node("a", "1"));
    state.consulted(answered(question, nodes(&[("a", 10)])), ZERO);
    assert!(state.next_step(ZERO).is_none(), "it is asked about again after its back-off");
    check_question(&mut state, at(1), "q", &["b"]);
}

#[test]
fn pods_are_asked_about_one_after_the_other_and_others_do_not_wait_for_them() {
    let mut state = state(&[("a", "4"), ("b", "4")]);
    state.pod_applied(&wants_gpu("p", "1"), ZERO);
    state.pod_applied(&pod("plain", "1"), ZERO);
    state.pod_applied(&wants_gpu("q", "1"), ZERO);
    state.pod_applied(&pod("later", "1"), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a", "b"]);
    assert!(matches!(state.next_step(ZERO), Some(Step::Bind(binding)) if &*binding.pod.name == "plain"));
    assert!(matches!(state.next_step(ZERO), Some(Step::Wait)));
    assert!(state.next_step(ZERO).is_none(), "what comes after a pod that waits for its turn waits too");
    state.pod_applied(&pod("unfit", "100"), ZERO);
    assert!(state.next_step(at(1000)).is_none() && state.next_deadline().is_none(), "and no time ends that");
    state.consulted(answered(question, nodes(&[("a", 1)])), ZERO);
    check_bind(&mut state, ZERO, ("p", "a"));
    check_question(&mut state, ZERO, "q", &["a", "b"]);
    assert!(matches!(state.next_step(ZERO), Some(Step::Bind(binding)) if &*binding.pod.name == "later"));
}

#[test]
fn an_extender_that_fails_is_told_as_an_error() {
    let mut state = state(&[("a", "4")]);
    state.pod_applied(&wants_gpu("p", "1"), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a"]);
    state.consulted(answered(question, Said::Failed("failed filter with extender".to_owned())), ZERO);
    check_report(&mut state, ZERO, "failed filter with extender");
    check_question(&mut state, at(1), "p", &["a"]);
}

#[test]
fn where_extenders_leave_no_node_lesser_pods_may_have_to_go() {
    let mut state = state(&[("a", "4"), ("b", "1")]);
    state.pod_applied(&on(pod("lesser", "1"), "b"), ZERO);
    state.pod_applied(&greater(wants_gpu("p", "1")), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a"]);
    let refusal = Refusal::unresolvable(NAME, "asleep");
    let mut answer = answered(question, nodes(&[]));
    answer.refusals.push(("a".into(), refusal));
    state.consulted(answer, ZERO);
    match state.next_step(ZERO) {
        Some(Step::Report { error, .. }) => {
            let text = "0/2 nodes are available: 1 Insufficient cpu, 1 asleep.";
            assert!(error.to_string().starts_with(text), "{error}");
            assert_eq!(error.nomination.unwrap().node, "b");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_that_goes_while_extenders_are_asked_is_forgotten() {
    let mut state = state(&[("a", "4")]);
    state.pod_applied(&wants_gpu("p", "1"), ZERO);
    state.pod_applied(&wants_gpu("q", "1"), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a"]);
    assert!(matches!(state.next_step(ZERO), Some(Step::Wait)));
    state.pod_deleted(&wants_gpu("p", "1"), ZERO);
    state.pod_deleted(&wants_gpu("q", "1"), ZERO);
    state.consulted(answered(question, nodes(&[("a", 1)])), ZERO);
    assert!(matches!(state.next_step(ZERO), Some(Step::Wait)));
    assert!(state.next_step(at(100)).is_none());
}

#[test]
fn a_pod_whose_end_the_watch_shows_late_is_told_nothing() {
    let mut state = state(&[("a", "4")]);
    state.pod_applied(&wants_gpu("p", "1"), ZERO);
    let question = check_question(&mut state, ZERO, "p", &["a"]);
    state.consulted(answered(question, Said::Gone), ZERO);
    assert!(state.next_step(ZERO).is_none(), "no report, which would end in an event and a 404");
    state.pod_deleted(&wants_gpu("p", "1"), ZERO);
    assert!(state.next_step(at(100)).is_none());
}

#[test]
fn a_pod_that_fits_nowhere_is_not_asked_about() {
    let mut state = state(&[("a", "1")]);
    state.pod_applied(&wants_gpu("p", "2"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes are available: 1 Insufficient cpu.");
}

#[test]
fn equals_are_drawn_and_the_others_follow_by_name() {
    let all = |lot| ranked(lot, ranking(&[("b", 5), ("a", 5), ("c", 5), ("d", 1)])).join(" ");
    assert_eq!([all(0), all(1), all(2), all(3)], ["a b c d", "b a c d", "c a b d", "a b c d"]);
    assert!(ranked(7, Vec::new()).is_empty());
}
