//! Whose right it is, as time goes by.

use super::*;

const WALL: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

fn candidate(identity: &str) -> Candidate {
    Candidate::new(&Config::new("kube-system", "work", identity))
}

fn lease(holder: &str, renewals: i64) -> Lease {
    let mut candidate = candidate(holder);
    let wall = jiff::Timestamp::from_second(renewals).unwrap();
    match candidate.decide(None, Instant::now(), wall) {
        Decision::Create(mut lease) => {
            lease.metadata.resource_version = Some(renewals.to_string());
            lease
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(candidate: &mut Candidate, found: Option<Lease>, now: Instant, expected: &str) {
    let decision = match candidate.decide(found, now, WALL) {
        Decision::Create(lease) => format!("create {}", show(&lease)),
        Decision::Update(lease) => format!("update {}", show(&lease)),
        Decision::HeldBy(holder) => format!("held by {holder}"),
    };
    assert_eq!(decision, expected);
}

fn show(lease: &Lease) -> String {
    let spec = lease.spec.clone().unwrap_or_default();
    format!(
        "{:?} for {}s, transition {}",
        spec.holder_identity.unwrap_or_default(),
        spec.lease_duration_seconds.unwrap_or_default(),
        spec.lease_transitions.unwrap_or_default(),
    )
}

#[test]
fn a_lease_that_is_not_there_is_created() {
    check(&mut candidate("me"), None, Instant::now(), "create \"me\" for 15s, transition 0");
}

#[test]
fn a_lease_says_whole_seconds_and_never_too_few() {
    for (milliseconds, seconds) in [(500, 1), (1_000, 1), (1_001, 2), (14_900, 15)] {
        let mut config = Config::new("kube-system", "work", "me");
        config.lease_duration = Duration::from_millis(milliseconds);
        let expected = format!("create \"me\" for {seconds}s, transition 0");
        check(&mut Candidate::new(&config), None, Instant::now(), &expected);
    }
}

#[test]
fn a_lease_is_held_for_its_duration_after_it_was_last_seen_to_change() {
    let (mut me, start) = (candidate("me"), Instant::now());
    let after = |seconds| start + Duration::from_secs(seconds);
    check(&mut me, Some(lease("you", 1)), start, "held by you");
    check(&mut me, Some(lease("you", 1)), after(14), "held by you");
    check(&mut me, Some(lease("you", 2)), after(14), "held by you");
    check(&mut me, Some(lease("you", 2)), after(28), "held by you");
    check(&mut me, Some(lease("you", 2)), after(29), "update \"me\" for 15s, transition 1");
}

#[test]
fn the_times_in_a_lease_do_not_matter() {
    // Written an hour ago by its own account, but seen only now.
    check(&mut candidate("me"), Some(lease("you", -3600)), Instant::now(), "held by you");
}

#[test]
fn a_released_lease_is_free_at_once() {
    let mut you = candidate("you");
    you.observe(lease("you", 1), Instant::now());
    let released = you.release(WALL).unwrap();
    assert_eq!(show(&released), "\"\" for 1s, transition 0");
    assert_eq!(you.release(WALL), None, "it is no longer known to be held");
    check(&mut candidate("me"), Some(released), Instant::now(), "update \"me\" for 15s, transition 1");
}

#[test]
fn only_the_holder_renews_without_reading_and_keeps_when_it_acquired() {
    let mut me = candidate("me");
    assert_eq!(me.renewal(WALL), None);
    me.observe(lease("you", 1), Instant::now());
    assert_eq!(me.renewal(WALL), None);
    me.observe(lease("me", 1), Instant::now());
    let wall = jiff::Timestamp::from_second(100).unwrap();
    let renewed = me.renewal(wall).unwrap().spec.unwrap();
    assert_eq!(renewed.acquire_time, Some(MicroTime(jiff::Timestamp::from_second(1).unwrap())));
    assert_eq!(renewed.renew_time, Some(MicroTime(wall)));
}

#[test]
fn a_lease_of_this_identity_is_taken_up_again() {
    // After a restart under the same identity, there is nobody to wait for.
    check(&mut candidate("me"), Some(lease("me", 1)), Instant::now(), "update \"me\" for 15s, transition 0");
}
