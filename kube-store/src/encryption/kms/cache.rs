//! Data keys that were unwrapped, in bounded number.

use super::seed::Seed;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most that are kept: a server makes one at each start and at each change of the service's key, so that more than a
/// few dozen are in use only where nothing was ever written anew.
pub(super) const KEPT_MAX: usize = 1000;

/// Seeds by their heads; the one that was used least recently goes first.
#[derive(Default)]
pub(super) struct Cache {
    seeds: HashMap<Vec<u8>, (u64, Arc<Seed>)>,
    /// By last use.
    uses: BTreeMap<u64, Vec<u8>>,
    clock: u64,
}

impl Cache {
    pub(super) fn get(&mut self, head: &[u8]) -> Option<Arc<Seed>> {
        let (used, seed) = self.seeds.get_mut(head)?;
        // Most often it is the one that was used last.
        if *used != self.clock {
            self.clock += 1;
            if let Some(head) = self.uses.remove(used) {
                self.uses.insert(self.clock, head);
            }
            *used = self.clock;
        }
        Some(Arc::clone(seed))
    }

    pub(super) fn put(&mut self, head: Vec<u8>, seed: Arc<Seed>) {
        self.clock += 1;
        self.uses.insert(self.clock, head.clone());
        if let Some((used, _)) = self.seeds.insert(head, (self.clock, seed)) {
            self.uses.remove(&used);
        }
        if self.seeds.len() > KEPT_MAX
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            self.seeds.remove(&oldest);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.seeds.len(), self.uses.len());
        self.seeds.len()
    }
}
