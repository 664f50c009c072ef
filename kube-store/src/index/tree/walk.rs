//! The lazy walk over a snapshot of a tree.

use super::Node;
use std::sync::Arc;

/// Values under a prefix, in key order. It holds the nodes that lie ahead of it, and nothing that would stop a writer.
pub(crate) struct Walk<V> {
    prefix: Box<str>,
    /// Branches above the current leaf, each with the child to visit next.
    path: Vec<(Arc<Node<V>>, usize)>,
    leaf: Arc<Node<V>>,
    /// Next value of the leaf, and the end of those under the prefix.
    at: usize,
    end: usize,
}

impl<V: Clone> Walk<V> {
    pub(super) fn new(root: Arc<Node<V>>, prefix: &str, after: Option<&str>) -> Self {
        let after = after.filter(|after| *after >= prefix);
        let before = |key: &str| after.map_or(key < prefix, |after| key <= after);
        let mut path = Vec::new();
        let mut node = root;
        loop {
            let next = match &*node {
                Node::Leaf(leaf) => {
                    let at = leaf.keys.as_slice().partition_point(|key| before(key));
                    let mut walk = Self { prefix: prefix.into(), path, leaf: Arc::clone(&node), at, end: 0 };
                    walk.bound();
                    return walk;
                }
                Node::Branch(branch) => {
                    // A separator at the bound itself means that the next key is at the start of its right side.
                    let child = branch.separators.as_slice().partition_point(|key| before(key));
                    path.push((Arc::clone(&node), child + 1));
                    Arc::clone(&branch.children[child].node)
                }
            };
            node = next;
        }
    }

    /// Finds the end of the prefix in the current leaf; one comparison where the whole leaf is under it.
    fn bound(&mut self) {
        let Node::Leaf(leaf) = &*self.leaf else { unreachable!("a walk rests on leaves") };
        self.end = match leaf.keys.as_slice().last() {
            None => 0,
            Some(last) if last.starts_with(&*self.prefix) => leaf.keys.len(),
            Some(_) => {
                // Nothing beyond this leaf can be under the prefix, unless the walk has not reached the prefix yet.
                let run = leaf.keys.as_slice()[self.at..].partition_point(|key| key.starts_with(&*self.prefix));
                if self.at < leaf.keys.len() {
                    self.path.clear();
                }
                self.at + run
            }
        };
    }

    /// Moves to the first leaf behind the current one.
    fn advance(&mut self) -> bool {
        let mut node = loop {
            let Some((branch, next)) = self.path.last_mut() else { return false };
            let Node::Branch(inner) = &**branch else { unreachable!("the path consists of branches") };
            if let Some(child) = inner.children.get(*next) {
                *next += 1;
                break Arc::clone(&child.node);
            }
            self.path.pop();
        };
        while let Node::Branch(branch) = &*node {
            let first = Arc::clone(&branch.children[0].node);
            self.path.push((node, 1));
            node = first;
        }
        self.leaf = node;
        self.at = 0;
        self.bound();
        true
    }
}

impl<V: Clone> Iterator for Walk<V> {
    type Item = V;

    fn next(&mut self) -> Option<V> {
        loop {
            if self.at < self.end {
                let Node::Leaf(leaf) = &*self.leaf else { unreachable!("a walk rests on leaves") };
                let value = leaf.values[self.at].clone();
                self.at += 1;
                return Some(value);
            }
            if !self.advance() {
                return None;
            }
        }
    }
}
