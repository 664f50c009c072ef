//! Why nodes refuse a pod: an answer per node, of which there are few different ones, kept once each.
//!
//! On a full cluster thousands of nodes say the same, and the same again for the next pod of its kind. So the engine keeps
//! the answers of a class of pods and changes those of nodes that changed; a decision takes them along for the price of a
//! pointer.

use super::Refusal;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Names of nodes by position, in order; a position without a node repeats the name before it.
pub(crate) type Names = Arc<[Arc<str>]>;

/// Why nodes refuse a pod, in the order of their names. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Inner>);

#[derive(Clone, Default)]
struct Inner {
    names: Names,
    /// By position: 0 where nothing was refused, else the number of the answer and 1.
    numbers: Vec<u32>,
    answers: Vec<Answer>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// How many nodes refused.
    len: usize,
}

#[derive(Clone)]
struct Answer {
    refusal: Arc<Refusal>,
    /// How many nodes gave it.
    nodes: usize,
}

/// So many answers that no node gives any more are kept before they are forgotten.
const UNUSED_MAX: usize = 1024;

impl Refusals {
    /// No refusals by nodes of these names.
    pub(crate) fn new(names: Names) -> Self {
        Self(Arc::new(Inner { numbers: vec![0; names.len()], names, ..Inner::default() }))
    }

    /// Number of nodes that refused.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether no node refused.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Every node that refused, and why, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Refusal)> {
        let given = self.0.names.iter().zip(&self.0.numbers).filter(|(_, number)| **number > 0);
        given.map(|(name, number)| (name, &*self.0.answers[*number as usize - 1].refusal))
    }

    /// The different answers, and how many nodes gave each.
    pub fn answers(&self) -> impl Iterator<Item = (&Refusal, usize)> {
        self.0.answers.iter().filter(|answer| answer.nodes > 0).map(|answer| (&*answer.refusal, answer.nodes))
    }

    /// Why a node refused; `None` where it did not.
    pub fn get(&self, node: &str) -> Option<&Refusal> {
        let from = self.0.names.partition_point(|name| **name < *node);
        let same = self.0.names[from..].iter().take_while(|name| ***name == *node).count();
        let number = self.0.numbers[from..from + same].iter().find(|number| **number > 0)?;
        Some(&self.0.answers[*number as usize - 1].refusal)
    }

    /// Roughly how much memory they take, in bytes; names are shared.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.0.numbers[..]) + self.0.answers.len() * size_of::<(Answer, Refusal)>()
    }

    /// The positions of nodes whose answer meets a condition, in order.
    pub(crate) fn positions(&self, wanted: impl Fn(&Refusal) -> bool) -> impl Iterator<Item = usize> {
        let given = std::iter::once(false).chain(self.0.answers.iter().map(|answer| wanted(&answer.refusal)));
        let wanted: Vec<bool> = given.collect();
        self.0.numbers.iter().enumerate().filter(move |(_, number)| wanted[**number as usize]).map(|(at, _)| at)
    }

    /// What those of these nodes say that have said nothing.
    pub(crate) fn set_rest(&mut self, positions: impl Iterator<Item = usize>, refusal: Refusal) {
        let inner = Arc::make_mut(&mut self.0);
        let mut number = None;
        for position in positions.filter(|position| inner.numbers[*position] == 0).collect::<Vec<_>>() {
            inner.len += 1;
            inner.numbers[position] = match number {
                None => inner.count(refusal.clone()) + 1,
                Some(number) => {
                    inner.answers[number as usize - 1].nodes += 1;
                    number
                }
            };
            number = Some(inner.numbers[position]);
        }
    }

    /// What the node at a position says now; `None` where it does not refuse.
    pub(crate) fn set(&mut self, position: usize, refusal: Option<Refusal>) {
        let known = self.0.numbers[position].checked_sub(1).map(|number| &*self.0.answers[number as usize].refusal);
        if known == refusal.as_ref() {
            return;
        }
        let inner = Arc::make_mut(&mut self.0);
        if let Some(old) = inner.numbers[position].checked_sub(1) {
            inner.answers[old as usize].nodes -= 1;
            inner.len -= 1;
        }
        inner.numbers[position] = match refusal {
            None => 0,
            Some(refusal) => {
                inner.len += 1;
                inner.count(refusal) + 1
            }
        };
    }
}

impl Inner {
    /// Counts one more node with this answer; gives the answer's number.
    fn count(&mut self, refusal: Refusal) -> u32 {
        if self.answers.len() > UNUSED_MAX + 2 * self.len {
            self.forget_unused();
        }
        let hash = self.hasher.hash_one(&refusal);
        let (answers, hasher) = (&mut self.answers, &self.hasher);
        let known = self.table.find(hash, |number| *answers[*number as usize].refusal == refusal);
        if let Some(number) = known {
            answers[*number as usize].nodes += 1;
            return *number;
        }
        let number = u32::try_from(answers.len()).expect("there are fewer answers than positions, which have 32 bits");
        answers.push(Answer { refusal: Arc::new(refusal), nodes: 1 });
        self.table.insert_unique(hash, number, |number| hasher.hash_one(&*answers[*number as usize].refusal));
        number
    }

    fn forget_unused(&mut self) {
        let mut renumbered = vec![0_u32; self.answers.len() + 1];
        let mut kept: Vec<Answer> = Vec::new();
        for (number, answer) in self.answers.drain(..).enumerate().filter(|(_, answer)| answer.nodes > 0) {
            kept.push(answer);
            renumbered[number + 1] = u32::try_from(kept.len()).expect("there were more before");
        }
        self.numbers.iter_mut().for_each(|number| *number = renumbered[*number as usize]);
        self.answers = kept;
        let (answers, hasher) = (&self.answers, &self.hasher);
        let hash = |number: &u32| hasher.hash_one(&*answers[*number as usize].refusal);
        self.table.clear();
        for number in (0..answers.len()).filter_map(|number| u32::try_from(number).ok()) {
            self.table.insert_unique(hash(&number), number, hash);
        }
    }
}

/// Refusals of nodes by name, in any order.
impl FromIterator<(Arc<str>, Refusal)> for Refusals {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Refusal)>>(iter: T) -> Self {
        let (names, refusals): (Vec<_>, Vec<_>) = iter.into_iter().collect::<BTreeMap<_, _>>().into_iter().unzip();
        let mut found = Self::new(names.into());
        refusals.into_iter().enumerate().for_each(|(position, refusal)| found.set(position, Some(refusal)));
        found
    }
}

/// Equal when the same nodes say the same.
impl PartialEq for Refusals {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Refusals {}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
