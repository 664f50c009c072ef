//! What a worker keeps of what it saw.

use super::*;
use crate::pod::fixture;
use crate::runtime::container::Mount;

#[test]
fn what_nobody_looks_at_again_is_let_go() {
    let expected = fixture::observed(&["app/1 +", "app/0 1"]);
    let mut seen = expected.clone();
    let more = || BTreeMap::from([("more".to_owned(), "m".to_owned())]);
    for sandbox in &mut seen.sandboxes {
        (sandbox.labels, sandbox.annotations) = (more(), more());
    }
    for ObservedContainer { status, .. } in &mut seen.containers {
        (status.labels, status.mounts) = (more(), vec![Mount::default()]);
        status.annotations.extend(more());
    }
    seen.containers.reserve(10);
    let kept = seen.slim();
    assert_eq!(kept, expected);
    assert_eq!(kept.containers.capacity(), 2);
    assert!(kept.containers[0].status.annotations.contains_key(HASH_ANNOTATION));
}
