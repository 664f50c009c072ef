//! Which nodes changed, in order, so that what was computed from an older state, or from a fork of it, can be mended at
//! the nodes that differ.

use super::table::{Position, unique};
use std::collections::VecDeque;
use std::sync::Arc;

/// How many changes are kept. Who has missed more looks at all nodes again.
const KEPT_MIN: usize = 4096;

/// The changes of one cluster, and of those that it was forked from until then.
#[derive(Debug)]
pub(crate) struct Journal {
    /// The clusters that this one comes from, oldest first, each with the number of changes at which it began; the last
    /// is this one.
    lineage: Arc<Vec<(u64, u64)>>,
    /// Number of changes that are no longer kept.
    dropped: u64,
    changes: VecDeque<Position>,
    kept: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self { lineage: Arc::new(vec![(unique(), 0)]), dropped: 0, changes: VecDeque::new(), kept: KEPT_MIN }
    }
}

impl Journal {
    /// Number of changes ever.
    pub(crate) fn end(&self) -> u64 {
        self.dropped + self.changes.len() as u64
    }

    /// Which clusters it speaks of.
    pub(crate) fn lineage(&self) -> &Arc<Vec<(u64, u64)>> {
        &self.lineage
    }

    /// A node changed; `nodes` is their number.
    pub(crate) fn push(&mut self, position: Position, nodes: usize) {
        if self.changes.len() >= self.kept {
            self.kept = KEPT_MIN.max(nodes / 16);
            while self.changes.len() >= self.kept {
                self.changes.pop_front();
                self.dropped += 1;
            }
        }
        self.changes.push_back(position);
    }

    /// The changes from the `start`-th on; `None` when some are no longer kept.
    pub(crate) fn since(&self, start: u64) -> Option<impl Iterator<Item = Position> + '_> {
        let skip = usize::try_from(start.checked_sub(self.dropped)?).ok()?;
        (skip <= self.changes.len()).then(|| self.changes.range(skip..).copied())
    }

    /// The journal of a fork, which goes on on its own.
    pub(crate) fn fork(&self) -> Self {
        let mut lineage = (*self.lineage).clone();
        lineage.push((unique(), self.end()));
        Self { lineage: Arc::new(lineage), dropped: self.dropped, changes: self.changes.clone(), kept: self.kept }
    }

    /// Whether `fork` began at the present end of this journal.
    pub(crate) fn is_parent_of(&self, fork: &Self) -> bool {
        let generations = self.lineage.len();
        fork.lineage.len() > generations
            && fork.lineage[..generations] == self.lineage[..]
            && fork.lineage[generations].1 == self.end()
    }

    /// Goes on with the changes of a fork that began at the end of this journal.
    pub(crate) fn adopt(&mut self, fork: Self) {
        let lineage = self.lineage.clone();
        *self = Self { lineage, ..fork };
    }
}

/// Up to which change two lineages are one: `None` when they have nothing in common, `u64::MAX` when they are the same.
pub(crate) fn divergence(a: &[(u64, u64)], b: &[(u64, u64)]) -> Option<u64> {
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let ends = [a.get(shared), b.get(shared)].into_iter().flatten().map(|(_, begin)| *begin);
    Some(ends.min().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
