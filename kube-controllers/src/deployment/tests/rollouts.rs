//! Whole rollouts, with the promises of the strategy checked at every step.

use super::super::progress::{AVAILABLE, PROGRESSING};
use super::super::{decide as decisions, replicas, revision};
use super::*;

/// A first rollout, then one to another image. Never more pods than the surge allows, never fewer available than promised.
#[track_caller]
fn check_rollout(wanted: i32, surge: &str, unavailable: &str) {
    let mut world = World::new(deployment(wanted, surge, unavailable));
    world.settle(|_| {});
    assert_eq!((world.total(), world.available()), (wanted, wanted));
    let most = wanted + replicas::max_surge(&world.deployment);
    let least = wanted - replicas::max_unavailable(&world.deployment);
    spec(&mut world.deployment).template = template("v2");
    world.settle(|world| {
        assert!(world.total() <= most, "{} pods, at most {most}", world.total());
        assert!(world.available() >= least, "{} available, at least {least}", world.available());
    });
    let sizes: Vec<i32> = world.sets.iter().map(replicas::of).collect();
    assert_eq!(sizes, [0, wanted]);
    assert_eq!(world.condition(PROGRESSING), ("True".into(), "NewReplicaSetAvailable".into()));
    assert_eq!(world.condition(AVAILABLE), ("True".into(), "MinimumReplicasAvailable".into()));
    let status = world.deployment.status.unwrap();
    assert_eq!(status.updated_replicas.unwrap_or(0), wanted);
    assert_eq!(status.observed_generation, world.deployment.metadata.generation);
    assert_eq!(world.deployment.metadata.annotations.unwrap()[revision::REVISION], "2");
}

#[test]
fn rolling_updates_keep_their_promises() {
    check_rollout(1, "25%", "25%");
    check_rollout(3, "25%", "25%");
    check_rollout(10, "25%", "25%");
    check_rollout(10, "0", "1");
    check_rollout(10, "1", "0");
    check_rollout(10, "100%", "0");
    check_rollout(10, "0", "100%");
    check_rollout(7, "3", "2");
}

#[test]
fn the_first_pass_creates_the_set_at_its_full_size() {
    let mut world = World::new(deployment(3, "25%", "25%"));
    world.pass();
    let set = &world.sets[0];
    assert_eq!(world.events, [format!("Scaled up replica set {} from 0 to 3", set.name())]);
    assert!(set.name().starts_with("web-"));
    let hash = &set.labels()["pod-template-hash"];
    assert_eq!(set.name(), format!("web-{hash}"));
    let spec = set.spec.as_ref().unwrap();
    assert_eq!(&spec.selector.match_labels.as_ref().unwrap()["pod-template-hash"], hash);
    assert_eq!(spec.template.as_ref().unwrap().metadata.as_ref().unwrap().labels.as_ref().unwrap()["app"], "web");
    assert_eq!(set.annotations()[revision::DESIRED_REPLICAS], "3");
    assert_eq!(set.annotations()[revision::MAX_REPLICAS], "4");
    assert_eq!(world.condition(PROGRESSING), ("True".into(), "NewReplicaSetCreated".into()));
}

#[test]
fn a_settled_deployment_writes_nothing() {
    let mut world = World::new(deployment(3, "1", "1"));
    world.settle(|_| {});
    assert_eq!(world.look().effects, []);
    assert_eq!(world.look().requeue_after, None, "a rollout that is complete has no deadline");
}

#[test]
fn scaling_is_one_write_and_no_new_revision() {
    let mut world = World::new(deployment(3, "1", "0"));
    world.settle(|_| {});
    let (writes, events) = (world.writes, world.events.len());
    spec(&mut world.deployment).replicas = Some(10);
    world.settle(|_| {});
    assert_eq!((world.total(), world.writes - writes), (10, 1));
    let name = world.sets[0].name().to_owned();
    assert_eq!(world.events[events..], [format!("Scaled up replica set {name} from 3 to 10")]);
    assert_eq!(world.sets[0].annotations()[revision::REVISION], "1");
    assert_eq!(world.condition(PROGRESSING).1, "NewReplicaSetAvailable", "scaling is no progress");
}

#[test]
fn undo_reuses_the_old_set_under_a_new_revision() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    let first = world.sets[0].name().to_owned();
    spec(&mut world.deployment).template = template("v2");
    world.settle(|_| {});
    spec(&mut world.deployment).template = template("v1");
    world.settle(|_| {});
    assert_eq!(world.sets.len(), 2);
    let set = world.sets.iter().find(|set| set.name() == first).unwrap();
    assert_eq!(replicas::of(set), 2);
    assert_eq!(set.annotations()[revision::REVISION], "3");
    assert_eq!(set.annotations()[revision::REVISION_HISTORY], "1");
    assert_eq!(world.deployment.annotations()[revision::REVISION], "3");
}

#[test]
fn a_paused_deployment_scales_but_rolls_nothing_out() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    spec(&mut world.deployment).paused = Some(true);
    spec(&mut world.deployment).template = template("v2");
    world.settle(|_| {});
    assert_eq!(world.sets.len(), 1);
    assert_eq!(world.condition(PROGRESSING), ("Unknown".into(), "DeploymentPaused".into()));
    spec(&mut world.deployment).replicas = Some(5);
    world.settle(|_| {});
    assert_eq!((world.sets.len(), world.total()), (1, 5));
    spec(&mut world.deployment).paused = Some(false);
    world.settle(|_| {});
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [0, 5]);
    assert_eq!(world.condition(PROGRESSING).1, "NewReplicaSetAvailable");
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_shared_in_proportion() {
    let mut world = World::new(deployment(10, "3", "2"));
    world.settle(|_| {});
    spec(&mut world.deployment).template = template("broken");
    // The first step: 3 more by the surge, then 2 fewer by the unavailable.
    world.pass();
    world.pass();
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [8, 5]);
    spec(&mut world.deployment).replicas = Some(15);
    world.pass();
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [11, 7], "5 more, 3 to 2");
}

#[test]
fn unhealthy_old_pods_go_first() {
    let mut world = World::new(deployment(4, "1", "1"));
    world.pass();
    // None of the first ever became available, so all may go at once, but for what maxUnavailable holds back.
    world.pods_follow(0);
    spec(&mut world.deployment).template = template("v2");
    world.pass();
    world.pods_follow(0);
    world.pass();
    let old = &world.sets[0];
    assert!(replicas::of(old) < 4, "{}", replicas::of(old));
    world.settle(|_| {});
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [0, 4]);
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut world = World::new(deployment(3, "1", "0"));
    let strategy = DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None };
    spec(&mut world.deployment).strategy = Some(strategy);
    world.settle(|_| {});
    spec(&mut world.deployment).template = template("v2");
    world.pass();
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [0]);
    world.pass();
    assert_eq!(world.sets.len(), 1, "the status still counts old pods");
    world.pods_follow(0);
    let old = Arc::new(world.sets[0].clone());
    let mut last = pod("last");
    last.metadata.owner_references = Some(vec![kubekit_runtime::controller_reference(&*old)]);
    let (sets, pods) = ([old], [Arc::new(last)]);
    let waiting = decide(&Observed { deployment: &world.deployment, sets: &sets, pods: &pods }, world.now);
    assert!(!waiting.effects.iter().any(|e| matches!(e, Effect::Create(_))), "{waiting:?}");
    world.settle(|_| {});
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn a_rollout_that_does_not_move_times_out_and_recovers() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    spec(&mut world.deployment).template = template("broken");
    for _ in 0..3 {
        world.pass();
        world.pods_follow(0);
    }
    let wait = world.look().requeue_after.expect("a deadline runs");
    assert!(wait.as_secs() <= 601, "{wait:?}");
    world.now += jiff::SignedDuration::from_secs(602);
    world.pass();
    assert_eq!(world.condition(PROGRESSING), ("False".into(), "ProgressDeadlineExceeded".into()));
    assert_eq!(world.condition(AVAILABLE).0, "True", "the old pods still serve");
    assert_eq!(world.look().requeue_after, None);
    world.settle(|_| {});
    assert_eq!(world.condition(PROGRESSING).1, "NewReplicaSetAvailable");
}

#[test]
fn the_history_is_cut_to_its_limit() {
    let mut world = World::new(deployment(1, "1", "0"));
    spec(&mut world.deployment).revision_history_limit = Some(1);
    for image in ["v1", "v2", "v3", "v4"] {
        spec(&mut world.deployment).template = template(image);
        world.settle(|_| {});
    }
    let revisions: Vec<i64> = world.sets.iter().map(revision::of).collect();
    assert_eq!(revisions, [3, 4]);
}

#[test]
fn an_empty_selector_is_refused() {
    let mut world = World::new(deployment(1, "1", "0"));
    spec(&mut world.deployment).selector = LabelSelector::default();
    world.pass();
    assert_eq!(world.events, ["SelectingAll"]);
    assert!(world.sets.is_empty());
    assert_eq!(world.deployment.status.unwrap().observed_generation, world.deployment.metadata.generation);
}

#[test]
fn a_deployment_on_its_way_out_scales_nothing() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    world.deployment.metadata.deletion_timestamp = Some(Time(world.now));
    spec(&mut world.deployment).replicas = Some(5);
    world.pass();
    assert_eq!(world.total(), 2);
}

#[test]
fn a_collision_changes_the_next_hash() {
    let mut world = World::new(deployment(1, "1", "0"));
    let first = world.look();
    world.deployment = decisions::collide(&world.deployment);
    let name = |decision: &Decision| match &decision.effects[0] {
        Effect::Create(set) => set.name().to_owned(),
        other => panic!("no create: {other:?}"),
    };
    assert_ne!(name(&first), name(&world.look()));
    let (failed, message) = decisions::creation_failed(&world.deployment, "web-x", "quota", world.now);
    assert_eq!(message, "Failed to create new replica set \"web-x\": quota");
    let status = failed.status.unwrap();
    let condition = super::super::progress::condition(&status, PROGRESSING).unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_deref()), ("False", Some("ReplicaSetCreateError")));
}

#[test]
fn a_set_that_was_scaled_by_somebody_else_does_not_stop_rollouts() {
    let mut world = World::new(deployment(3, "1", "0"));
    world.settle(|_| {});
    // Before the Deployment is looked at, both have another size already, and a template waits.
    world.sets[0].spec.get_or_insert_default().replicas = Some(5);
    spec(&mut world.deployment).replicas = Some(5);
    spec(&mut world.deployment).template = template("v2");
    world.settle(|_| {});
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [0, 5]);
}

#[test]
fn pods_that_fail_after_a_rollout_do_not_make_it_fail() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    let status = world.sets[0].status.get_or_insert_default();
    (status.ready_replicas, status.available_replicas) = (None, None);
    world.pass();
    world.now += jiff::SignedDuration::from_hours(1);
    world.pass();
    assert_eq!(world.condition(PROGRESSING), ("True".into(), "NewReplicaSetAvailable".into()));
    assert_eq!(world.condition(AVAILABLE).0, "False");
    assert_eq!(world.look().requeue_after, None, "no time runs out");
}

#[test]
fn no_time_runs_out_while_a_deployment_is_paused() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.pass();
    world.pods_follow(1);
    spec(&mut world.deployment).paused = Some(true);
    world.pass();
    assert_eq!(world.condition(PROGRESSING), ("Unknown".into(), "DeploymentPaused".into()));
    world.now += jiff::SignedDuration::from_hours(1);
    assert_eq!(world.look().effects, []);
    assert_eq!(world.look().requeue_after, None);
    spec(&mut world.deployment).paused = Some(false);
    world.pass();
    assert_eq!(world.condition(PROGRESSING), ("Unknown".into(), "DeploymentResumed".into()));
    assert_eq!(world.look().requeue_after, Some(std::time::Duration::from_secs(601)), "its time runs from now");
}

#[test]
fn a_rollout_that_is_scaled_and_made_to_recreate_at_once_ends() {
    let mut world = World::new(deployment(4, "1", "1"));
    world.settle(|_| {});
    spec(&mut world.deployment).template = template("v2");
    world.pass();
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [3, 1]);
    let recreate = DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None };
    spec(&mut world.deployment).strategy = Some(recreate);
    spec(&mut world.deployment).replicas = Some(6);
    world.settle(|_| {});
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [0, 6]);
}
