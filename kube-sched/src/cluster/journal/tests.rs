//! What a journal keeps, and where lineages part.

use super::*;

fn since(journal: &Journal, start: u64) -> Option<Vec<Position>> {
    journal.since(start).map(Iterator::collect)
}

#[test]
fn changes_are_kept_in_order_until_there_are_too_many() {
    let mut journal = Journal::default();
    (0..10).for_each(|i| journal.push(i, 0));
    assert_eq!(since(&journal, 7), Some(vec![7, 8, 9]));
    assert_eq!(since(&journal, 10), Some(vec![]));
    assert_eq!(since(&journal, 11), None);
    (10..10_000).for_each(|i| journal.push(i, 0));
    assert_eq!(journal.end(), 10_000);
    assert_eq!(since(&journal, 0), None);
    assert_eq!(since(&journal, 9_998), Some(vec![9_998, 9_999]));
}

#[test]
fn lineages_part_where_the_earlier_fork_was_made() {
    let mut root = Journal::default();
    root.push(1, 0);
    let mut a = root.fork();
    root.push(2, 0);
    let b = root.fork();
    a.push(3, 0);
    let nested = a.fork();
    for (left, right, expected) in [
        (&root, &root, Some(u64::MAX)),
        (&root, &a, Some(1)),
        (&a, &b, Some(1)),
        (&root, &b, Some(2)),
        (&nested, &a, Some(2)),
        (&nested, &b, Some(1)),
        (&Journal::default(), &a, None),
    ] {
        assert_eq!(divergence(left.lineage(), right.lineage()), expected);
        assert_eq!(divergence(right.lineage(), left.lineage()), expected);
    }
}

#[test]
fn a_fork_is_adopted_only_by_its_unchanged_parent() {
    let mut root = Journal::default();
    root.push(1, 0);
    let mut fork = root.fork();
    fork.push(2, 0);
    assert!(root.is_parent_of(&fork));
    assert!(!fork.is_parent_of(&root));
    root.adopt(fork);
    assert_eq!(since(&root, 0), Some(vec![1, 2]));
    let late = root.fork();
    root.push(3, 0);
    assert!(!root.is_parent_of(&late));
}
