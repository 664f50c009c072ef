//! Events that came while pods were being tried: kept once for all of them, for as long as one is.

use crate::framework::ClusterEvent;
use std::collections::VecDeque;

/// With more the oldest are forgotten, and pods that were already being tried then are simply tried again.
const KEPT_MAX: usize = 1024;

/// The events since the oldest attempt that is under way began.
#[derive(Debug, Default)]
pub(super) struct RecentEvents {
    /// Each with the pod that it does not help.
    events: VecDeque<(ClusterEvent, Box<str>)>,
    dropped: u64,
    /// How many attempts are under way.
    attempts: usize,
}

impl RecentEvents {
    /// An attempt begins; what it gets names the events that come after.
    pub(super) fn begin(&mut self) -> u64 {
        self.attempts += 1;
        self.dropped + self.events.len() as u64
    }

    /// An attempt has ended.
    pub(super) fn end(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
        if self.attempts == 0 {
            self.dropped += self.events.len() as u64;
            self.events.clear();
        }
    }

    /// An event, which helps all pods but one.
    pub(super) fn push(&mut self, event: &ClusterEvent, but: &str) {
        if self.attempts == 0 {
            return;
        }
        if self.events.len() == KEPT_MAX {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back((event.clone(), but.into()));
    }

    /// The events since that may help a pod; `None` when some are forgotten.
    pub(super) fn since(&self, start: u64, uid: &str) -> Option<impl Iterator<Item = &ClusterEvent>> {
        let skip = usize::try_from(start.checked_sub(self.dropped)?).ok()?;
        Some(self.events.iter().skip(skip).filter(move |(_, but)| **but != *uid).map(|(event, _)| event))
    }
}
