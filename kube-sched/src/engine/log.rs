//! Which positions may differ from what was computed: the journals of the clusters that were decided on, one after the
//! other, made into one sequence.
//!
//! When decisions go from a cluster to a fork of it, or back, or to a sister, what differs are the positions that either
//! changed since they parted. So one set of indexes serves a cluster and all its forks, at a cost of the changes made.

use crate::cluster::{Cluster, NodeRow, Position, divergence};
use std::sync::Arc;

/// More pieces than this, or a gap, and everything is computed anew.
const PIECES_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Log {
    lineage: Arc<Vec<(u64, u64)>>,
    layout: u64,
    /// How much of the present journal was taken in.
    journal_end: u64,
    /// Where changes of the present journal stand in this sequence: from the first number on, those from the second on.
    pieces: Vec<(u64, u64)>,
    positions: Vec<Position>,
    /// The rows of these nodes as they are now, or were when the node changed before its next change in this sequence: many
    /// classes read them one after the other, where the nodes themselves lie all over the memory.
    rows: Vec<NodeRow>,
    dropped: u64,
}

impl Log {
    /// The end of the sequence.
    pub(super) fn end(&self) -> u64 {
        self.dropped + self.positions.len() as u64
    }

    /// The positions from `start` on, and the rows of their nodes; `None` when they are no longer kept.
    pub(super) fn since(&self, start: u64) -> Option<(&[Position], &[NodeRow])> {
        let skip = usize::try_from(start.checked_sub(self.dropped)?).ok()?;
        Some((self.positions.get(skip..)?, self.rows.get(skip..)?))
    }

    /// Takes in what differs between the last cluster and this one; `false` when that is unknown, and everything that was
    /// computed is to be thrown away.
    pub(super) fn follow(&mut self, cluster: &Cluster) -> bool {
        let journal = cluster.journal();
        let known = cluster.table().layout() == self.layout && self.advance(cluster);
        if !known {
            self.lineage = journal.lineage().clone();
            self.layout = cluster.table().layout();
            self.journal_end = journal.end();
            self.dropped = self.end() + 1;
            self.positions.clear();
            self.rows.clear();
            self.pieces = vec![(journal.end(), self.dropped)];
        }
        for position in &self.positions[self.rows.len()..] {
            self.rows.push(cluster.table().row(*position).copied().unwrap_or_else(NodeRow::gone));
        }
        // What is kept lies in a row, and moves when half as much has come.
        let kept = (cluster.len() / 2).max(4096);
        if self.positions.len() > kept + kept / 2 {
            let excess = self.positions.len() - kept;
            self.positions.drain(..excess);
            self.rows.drain(..excess);
            self.dropped += excess as u64;
        }
        known
    }

    fn advance(&mut self, cluster: &Cluster) -> bool {
        let journal = cluster.journal();
        if !Arc::ptr_eq(&self.lineage, journal.lineage()) {
            let Some(parted) = divergence(&self.lineage, journal.lineage()) else { return false };
            if !self.go_back(parted.min(journal.end())) {
                return false;
            }
            self.lineage = journal.lineage().clone();
        }
        if journal.end() == self.journal_end {
            return true;
        }
        let Some(changes) = journal.since(self.journal_end) else { return false };
        self.positions.extend(changes);
        self.journal_end = journal.end();
        true
    }

    /// Counts what changed from the `parted`-th change on as changed once more, since it is now undone.
    fn go_back(&mut self, parted: u64) -> bool {
        if parted >= self.journal_end {
            return true;
        }
        let mut undone: Vec<Position> = Vec::new();
        let mut end = self.journal_end;
        loop {
            let Some((begin, at)) = self.pieces.pop() else { return false };
            let from = begin.max(parted);
            let Some((changes, _)) = self.since(at + (from - begin)) else { return false };
            undone.extend(changes.iter().take(usize::try_from(end - from).unwrap_or(usize::MAX)));
            if begin < parted {
                self.pieces.push((begin, at));
            }
            if begin <= parted {
                break;
            }
            end = begin;
        }
        if self.pieces.len() > PIECES_MAX {
            return false;
        }
        self.positions.extend(undone);
        self.journal_end = parted;
        self.pieces.push((parted, self.end()));
        true
    }
}

#[cfg(test)]
mod tests;
