//! Nodes that the plugins of one class are asked about together, so that a plugin is called once for all of them.

use crate::cluster::{NodeRow, Position};

/// What plugins say of a node: its group and its own score so far; `None` when it cannot take the pod.
pub(crate) type Verdict = Option<(u16, i16)>;

/// A node that plugins are asked about.
#[derive(Debug)]
pub(crate) struct Prospect<'a> {
    pub(crate) position: Position,
    /// The node's row as it is, or as it was when it was noted.
    pub(crate) row: &'a NodeRow,
    pub(crate) verdict: Verdict,
}

impl<'a> Prospect<'a> {
    /// A node of which nothing is known yet.
    pub(crate) fn new(position: Position, row: &'a NodeRow) -> Self {
        Self { position, row, verdict: None }
    }
}
