//! An ordered map with O(1) snapshots: a copy-on-write B+tree over shared nodes.
//!
//! Cloning the tree clones one pointer. A change copies only the nodes on its path that a snapshot still shares, and
//! changes the others in place, so that a store without readers pays for no copies. Subtrees know their size, which
//! makes counting a range logarithmic.

mod keys;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use walk::Walk;

use keys::Keys;
use std::fmt;
use std::sync::Arc;

/// Entries of a leaf and children of a branch at most. At 64, a tree of 100,000 entries is three or four levels deep and
/// the copy of a node (2 reference counts an entry) stays near a microsecond.
const CAPACITY: usize = 64;
/// A node below this is merged with a neighbour where both fit into one.
const SPARSE: usize = CAPACITY / 4;
/// A merged node keeps room, so that the next insertion does not split it again.
const MERGED: usize = CAPACITY * 3 / 4;

/// The map. `Clone` is the snapshot.
pub(crate) struct Tree<V> {
    root: Arc<Node<V>>,
    len: usize,
}

#[derive(Clone)]
enum Node<V> {
    Leaf(Leaf<V>),
    Branch(Branch<V>),
}

#[derive(Clone)]
struct Leaf<V> {
    keys: Keys,
    values: Vec<V>,
}

/// Child `i + 1` holds keys from `separators[i]` on; child `i` only keys below it.
#[derive(Clone)]
struct Branch<V> {
    separators: Keys,
    children: Vec<Child<V>>,
}

#[derive(Clone)]
struct Child<V> {
    node: Arc<Node<V>>,
    /// Number of entries below.
    size: usize,
}

/// The right half of a node that was split, with its lower bound.
type Split<V> = Option<(Arc<str>, Child<V>)>;

/// Where a key stands in a tree: the child to take at each branch, then the place in the leaf. It holds until the tree
/// is changed otherwise than by [`Tree::replace`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    steps: [u8; Self::STEPS],
    len: u8,
}

impl Place {
    /// Steps at most. Branches are on average a quarter full or more, so that no tree that fits into memory is higher.
    const STEPS: usize = 15;

    const START: Self = Self { steps: [0; Self::STEPS], len: 0 };

    fn push(&mut self, step: usize) {
        self.steps[usize::from(self.len)] = u8::try_from(step).expect("a node has fewer places than 256");
        self.len += 1;
    }
}

impl<V> Clone for Tree<V> {
    fn clone(&self) -> Self {
        Self { root: Arc::clone(&self.root), len: self.len }
    }
}

impl<V> Default for Tree<V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Leaf { keys: Keys::default(), values: Vec::new() })), len: 0 }
    }
}

impl<V> fmt::Debug for Tree<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<V> Tree<V> {
    /// Number of entries.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Branch(branch) => node = &branch.children[branch.child_of(key)].node,
                Node::Leaf(leaf) => return leaf.position(key).ok().map(|i| &leaf.values[i]),
            }
        }
    }

    /// The value under `key`, and its place, so that it can be replaced without a second search.
    pub(crate) fn find(&self, key: &str) -> Option<(Place, &V)> {
        let mut place = Place::START;
        let mut node = &*self.root;
        loop {
            match node {
                Node::Branch(branch) => {
                    let child = branch.child_of(key);
                    place.push(child);
                    node = &branch.children[child].node;
                }
                Node::Leaf(leaf) => {
                    let i = leaf.position(key).ok()?;
                    place.push(i);
                    return Some((place, &leaf.values[i]));
                }
            }
        }
    }

    /// Number of entries under `prefix` that sort after `after`.
    pub(crate) fn count(&self, prefix: &str, after: Option<&str>) -> usize {
        let end = self.rank(|key| key < prefix || key.starts_with(prefix));
        let start = match after {
            Some(after) if after >= prefix => self.rank(|key| key <= after),
            _ => self.rank(|key| key < prefix),
        };
        end.saturating_sub(start)
    }

    /// Number of entries for which `before` holds; it must hold for a run of keys from the first on.
    fn rank(&self, before: impl Fn(&str) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &*self.root;
        loop {
            match node {
                Node::Branch(branch) => {
                    let child = branch.separators.as_slice().partition_point(|key| before(key));
                    rank += branch.children[..child].iter().map(|c| c.size).sum::<usize>();
                    node = &branch.children[child].node;
                }
                Node::Leaf(leaf) => return rank + leaf.keys.as_slice().partition_point(|key| before(key)),
            }
        }
    }
}

impl<V: Clone> Tree<V> {
    /// A walk over the entries under `prefix` that sort after `after`, on the state of this moment.
    pub(crate) fn walk(&self, prefix: &str, after: Option<&str>) -> Walk<V> {
        Walk::new(Arc::clone(&self.root), prefix, after)
    }

    /// Puts `value` under `key` and returns what was there.
    pub(crate) fn insert(&mut self, key: &Arc<str>, value: V) -> Option<V> {
        let (old, split) = insert(&mut self.root, key, value);
        if old.is_none() {
            self.len += 1;
        }
        if let Some((separator, right)) = split {
            let left = Child { size: self.len - right.size, node: Arc::clone(&self.root) };
            self.root =
                Arc::new(Node::Branch(Branch { separators: Keys::one(separator), children: vec![left, right] }));
        }
        old
    }

    /// Replaces the value at a place where [`Tree::find`] found one in this same tree, and returns it.
    pub(crate) fn replace(&mut self, place: Place, value: V) -> V {
        let mut node = &mut self.root;
        let [steps @ .., last] = &place.steps[..usize::from(place.len)] else {
            unreachable!("a place has a last step")
        };
        for step in steps {
            let Node::Branch(branch) = Arc::make_mut(node) else { unreachable!("a place leads through branches") };
            node = &mut branch.children[usize::from(*step)].node;
        }
        let Node::Leaf(leaf) = Arc::make_mut(node) else { unreachable!("a place leads to a leaf") };
        std::mem::replace(&mut leaf.values[usize::from(*last)], value)
    }

    /// Removes `key` and returns what was there.
    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        // Looking first keeps the removal of an absent key from copying a path.
        self.get(key)?;
        let old = remove(&mut self.root, key);
        self.len -= 1;
        while let Node::Branch(branch) = &*self.root {
            if branch.children.len() > 1 {
                break;
            }
            let only = Arc::clone(&branch.children[0].node);
            self.root = only;
        }
        old
    }
}

fn insert<V: Clone>(node: &mut Arc<Node<V>>, key: &Arc<str>, value: V) -> (Option<V>, Split<V>) {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => leaf.insert(key, value),
        Node::Branch(branch) => branch.insert(key, value),
    }
}

fn remove<V: Clone>(node: &mut Arc<Node<V>>, key: &str) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => {
            let i = leaf.position(key).ok()?;
            leaf.keys.remove(i);
            Some(leaf.values.remove(i))
        }
        Node::Branch(branch) => {
            let i = branch.child_of(key);
            let child = &mut branch.children[i];
            let old = remove(&mut child.node, key)?;
            child.size -= 1;
            if child.node.width() < SPARSE {
                branch.mend(i);
            }
            Some(old)
        }
    }
}

/// Where a full node is cut: in the middle, or before its last element when that was just appended, so that keys which
/// arrive in order (a recovery, generated names) leave full nodes behind.
fn cut(len: usize, appended: bool) -> usize {
    if appended { len - 1 } else { len / 2 }
}

impl<V> Node<V> {
    fn width(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.keys.len(),
            Self::Branch(branch) => branch.children.len(),
        }
    }
}

impl<V: Clone> Leaf<V> {
    fn insert(&mut self, key: &Arc<str>, value: V) -> (Option<V>, Split<V>) {
        let i = match self.position(key) {
            Ok(i) => return (Some(std::mem::replace(&mut self.values[i], value)), None),
            Err(i) => i,
        };
        self.keys.insert(i, Arc::clone(key));
        self.values.insert(i, value);
        if self.keys.len() <= CAPACITY {
            return (None, None);
        }
        let at = cut(self.keys.len(), i + 1 == self.keys.len());
        let right = Self { keys: self.keys.split_off(at), values: self.values.split_off(at) };
        let separator = Arc::clone(&right.keys.as_slice()[0]);
        (None, Some((separator, Child { size: right.keys.len(), node: Arc::new(Node::Leaf(right)) })))
    }
}

impl<V> Leaf<V> {
    fn position(&self, key: &str) -> Result<usize, usize> {
        self.keys.search(key)
    }
}

impl<V> Branch<V> {
    /// The child that holds `key` if any does.
    fn child_of(&self, key: &str) -> usize {
        self.separators.search(key).map_or_else(|i| i, |i| i + 1)
    }
}

impl<V: Clone> Branch<V> {
    fn insert(&mut self, key: &Arc<str>, value: V) -> (Option<V>, Split<V>) {
        let i = self.child_of(key);
        let child = &mut self.children[i];
        let (old, split) = insert(&mut child.node, key, value);
        if old.is_none() {
            child.size += 1;
        }
        let Some((separator, right)) = split else { return (old, None) };
        child.size -= right.size;
        self.separators.insert(i, separator);
        self.children.insert(i + 1, right);
        if self.children.len() <= CAPACITY {
            return (old, None);
        }
        let at = cut(self.children.len(), i + 2 == self.children.len());
        let right = Self { children: self.children.split_off(at), separators: self.separators.split_off(at) };
        let separator = self.separators.pop().expect("a branch over capacity has a separator at its cut");
        let size = right.children.iter().map(|c| c.size).sum();
        (old, Some((separator, Child { size, node: Arc::new(Node::Branch(right)) })))
    }

    /// Drops child `i` if it is empty, or merges it with a neighbour where both fit into one node.
    fn mend(&mut self, i: usize) {
        if self.children[i].node.width() == 0 {
            self.children.remove(i);
            if !self.separators.is_empty() {
                self.separators.remove(i.saturating_sub(1));
            }
            return;
        }
        let left = i.saturating_sub(1);
        let Some(neighbour) = self.children.get(left + 1) else { return };
        if self.children[left].node.width() + neighbour.node.width() > MERGED {
            return;
        }
        let right = self.children.remove(left + 1);
        let separator = self.separators.remove(left);
        let child = &mut self.children[left];
        child.size += right.size;
        match (Arc::make_mut(&mut child.node), Arc::unwrap_or_clone(right.node)) {
            (Node::Leaf(into), Node::Leaf(mut from)) => {
                into.keys.append(from.keys);
                into.values.append(&mut from.values);
            }
            (Node::Branch(into), Node::Branch(mut from)) => {
                into.separators.append(Keys::one(separator));
                into.separators.append(from.separators);
                into.children.append(&mut from.children);
            }
            _ => unreachable!("children of one branch are of one height"),
        }
    }
}
