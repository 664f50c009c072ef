//! The tree against a look at all scores.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(index: &Index, scores: &[i16]) {
    let best = scores.iter().copied().filter(|score| *score != NONE).max();
    let tied: Vec<usize> = (0..scores.len()).filter(|i| Some(scores[*i]) == best).collect();
    let (given, added) = index.scores().split_at(scores.len());
    assert_eq!(given, scores);
    assert!(added.len() < FAN_OUT && added.iter().all(|score| *score == NONE));
    assert_eq!(index.feasible(), scores.iter().filter(|score| **score != NONE).count());
    assert_eq!(index.best(), best.map(|best| (best, u32::try_from(tied.len()).unwrap())));
    let found: Vec<usize> = (0..).map_while(|n| index.nth_best(n)).collect();
    assert_eq!(found, tied);
}

#[test]
fn an_index_without_nodes_has_no_best() {
    check(&Index::default(), &[]);
    let mut index = Index::default();
    index.fill(Vec::new());
    check(&index, &[]);
    index.fill(vec![NONE; 70]);
    check(&index, &[NONE; 70]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_tree_knows_what_a_scan_finds(
        mut scores in prop::collection::vec(prop_oneof![Just(NONE), 0i16..4], 1..9000),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(NONE), 0i16..5]), 0..60),
    ) {
        let mut index = Index::default();
        index.fill(scores.clone());
        check(&index, &scores);
        for (at, score) in changes {
            let at = at.index(scores.len());
            index.set(at, score);
            scores[at] = score;
            prop_assert_eq!(index.get(at), score);
        }
        check(&index, &scores);
    }
}
