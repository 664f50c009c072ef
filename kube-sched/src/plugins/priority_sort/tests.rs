//! PrioritySort. Source: "Pod Priority and Preemption", effect of pod priority on scheduling order.

use super::*;
use Ordering::{Equal, Greater, Less};

#[track_caller]
fn check(_source: &str, a: i32, b: i32, expected: Ordering) {
    assert_eq!(PrioritySort.compare(&Pod::new("a").priority(a), &Pod::new("b").priority(b)), expected);
}

#[test]
fn order() {
    check("docs: the higher priority comes first", 10, 5, Less);
    check("docs: the lower after it", 5, 10, Greater);
    check("docs: of equals the queue takes the older", 5, 5, Equal);
    check("docs: no priority is 0", 0, 0, Equal);
    check("docs: a negative class is below no class", -1, 0, Greater);
    check("docs: and above one that is lower still", -1, -2, Less);
    check("docs: system-node-critical before system-cluster-critical", 2_000_001_000, 2_000_000_000, Less);
    check(
        "docs: the largest of users (one thousand million) below system classes",
        1_000_000_000,
        2_000_000_000,
        Greater,
    );
    check("bad input: the limits do not overflow", i32::MAX, i32::MIN, Less);
    check("bad input: and back", i32::MIN, i32::MAX, Greater);
}
