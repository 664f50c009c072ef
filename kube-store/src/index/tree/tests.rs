//! The tree against `BTreeMap`.

use super::{CAPACITY, Node, Tree};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn tree(keys: impl IntoIterator<Item = String>) -> Tree<usize> {
    let mut tree = Tree::default();
    for (i, key) in keys.into_iter().enumerate() {
        tree.insert(&Arc::from(key), i);
    }
    tree
}

/// Checks the shape of a subtree and returns its size and height.
fn check_node<V>(node: &Node<V>, root: bool) -> (usize, usize) {
    match node {
        Node::Leaf(leaf) => {
            assert_eq!(leaf.keys.len(), leaf.values.len());
            assert!(leaf.keys.as_slice().is_sorted());
            assert!(leaf.keys.len() <= CAPACITY);
            assert!(root || !leaf.keys.is_empty());
            for (i, key) in leaf.keys.as_slice().iter().enumerate() {
                assert_eq!(leaf.keys.search(key), Ok(i));
            }
            (leaf.keys.len(), 0)
        }
        Node::Branch(branch) => {
            assert_eq!(branch.separators.len() + 1, branch.children.len());
            assert!(branch.separators.as_slice().is_sorted());
            assert!(branch.children.len() <= CAPACITY);
            let mut total = 0;
            let mut heights = Vec::new();
            for child in &branch.children {
                let (size, height) = check_node(&child.node, false);
                assert_eq!(size, child.size);
                total += size;
                heights.push(height);
            }
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]), "all leaves are equally deep");
            (total, heights[0] + 1)
        }
    }
}

#[track_caller]
fn check(tree: &Tree<usize>, model: &BTreeMap<String, usize>) {
    assert_eq!(check_node(&tree.root, true).0, model.len());
    assert_eq!(tree.len(), model.len());
    assert!(tree.walk("", None).eq(model.values().copied()));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String),
    Replace(String),
    Remove(String),
    RemoveMany(String),
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    // Few letters make keys that are prefixes of each other; three of them exceed several nodes.
    // The second kind differs only behind more bytes than a head has.
    let key = prop_oneof!["[a-c]{0,7}", "aaaabbbbcccc[a-c]{1,6}", "[aü]{1,6}"];
    prop_oneof![
        8 => key.clone().prop_map(Step::Insert),
        4 => key.clone().prop_map(Step::Replace),
        3 => key.prop_map(Step::Remove),
        1 => "[a-c]{1,2}".prop_map(Step::RemoveMany),
        1 => Just(Step::Snapshot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn behaves_as_an_ordered_map(steps in prop::collection::vec(step(), 1..1500), prefix in "[a-c]{0,3}", after in "[a-c]{0,4}") {
        let mut tree = Tree::default();
        let mut model = BTreeMap::new();
        let mut snapshots = Vec::new();
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(key) => prop_assert_eq!(tree.insert(&Arc::from(&*key), i), model.insert(key, i)),
                Step::Replace(key) => {
                    let found = tree.find(&key).map(|(place, value)| (place, *value));
                    prop_assert_eq!(found.map(|(_, value)| value), model.get(&key).copied());
                    if let Some((place, _)) = found {
                        prop_assert_eq!(Some(tree.replace(place, i)), model.insert(key, i));
                    }
                }
                Step::Remove(key) => prop_assert_eq!(tree.remove(&key), model.remove(&key)),
                Step::RemoveMany(prefix) => {
                    let keys: Vec<_> = model.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
                    for key in keys {
                        prop_assert_eq!(tree.remove(&key), model.remove(&key));
                    }
                }
                Step::Snapshot => snapshots.push((tree.clone(), model.clone())),
            }
        }
        snapshots.push((tree, model));
        for (tree, model) in &snapshots {
            check(tree, model);
            for (key, value) in model {
                prop_assert_eq!(tree.get(key), Some(value));
            }
            for after in [None, Some(&*after)] {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(key, _)| key.starts_with(&prefix) && after.is_none_or(|after| key.as_str() > after))
                    .map(|(_, value)| *value)
                    .collect();
                prop_assert_eq!(tree.count(&prefix, after), expected.len());
                prop_assert_eq!(tree.walk(&prefix, after).collect::<Vec<_>>(), expected);
            }
        }
    }
}

#[test]
fn keys_in_order_leave_full_nodes() {
    let tree = tree((0..10 * CAPACITY).map(|i| format!("{i:06}")));
    let Node::Branch(root) = &*tree.root else { panic!("one level of leaves") };
    assert_eq!(root.children.len(), 10);
}

#[test]
fn removing_everything_leaves_an_empty_leaf() {
    let keys: Vec<_> = (0..5000).map(|i| format!("{i:06}")).collect();
    for backwards in [false, true] {
        let mut tree = tree(keys.iter().cloned());
        let mut order = keys.clone();
        if backwards {
            order.reverse();
        }
        for key in &order {
            assert!(tree.remove(key).is_some());
        }
        check(&tree, &BTreeMap::new());
        assert!(tree.walk("", None).next().is_none());
    }
}

#[test]
fn a_change_copies_one_path_only() {
    let mut tree = tree((0..5000).map(|i| format!("{i:06}")));
    let snapshot = tree.clone();
    tree.insert(&Arc::from("002500"), 7);
    let (Node::Branch(new), Node::Branch(old)) = (&*tree.root, &*snapshot.root) else { panic!("branches") };
    let copied = new.children.iter().zip(&old.children).filter(|(new, old)| !Arc::ptr_eq(&new.node, &old.node));
    assert_eq!(copied.count(), 1);
    assert_eq!(snapshot.get("002500"), Some(&2500));
}
