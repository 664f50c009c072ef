//! Why nodes refuse the pods of one class, kept like its scores: a pod that fits nowhere costs what has changed since the
//! last one of its class, and so does preemption for it.

use super::log::Log;
use crate::cluster::{Cluster, Position};
use crate::framework::{Attempt, DryRuns, FilterCycle, FitError, Names, Profile, Refusal, Refusals};
use crate::model::Pod;
use crate::oracle;

/// The answers of one class's filters, and the dry runs of preemption for it.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    refusals: Refusals,
    dry_runs: DryRuns,
    /// Up to where in the log they are right; `None` before they were made.
    synced: Option<u64>,
}

impl Diagnosis {
    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Roughly how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.refusals.bytes() + self.dry_runs.bytes()
    }

    /// Brings it to the present state of the cluster. The filters are all that have a say about the class.
    pub(super) fn follow(
        &mut self,
        cluster: &Cluster,
        pod: &Pod,
        filters: &[Box<dyn FilterCycle>],
        (log, names): (&Log, &Names),
    ) {
        let look = |refusals: &mut Refusals, position: Position| {
            refusals.set(position as usize, refusal(cluster, pod, filters, position, None));
        };
        match self.synced.and_then(|synced| log.since(synced)) {
            Some((missed, _)) => {
                for position in missed.iter().filter(|position| cluster.table().row(**position).is_some()) {
                    look(&mut self.refusals, *position);
                    self.dry_runs.forget(*position);
                }
            }
            None => {
                self.refusals = Refusals::new(names.clone());
                self.dry_runs.clear();
                cluster.table().live().for_each(|position| look(&mut self.refusals, position));
            }
        }
        self.dry_runs.keep_under(&cluster.inventory().budgets);
        self.synced = Some(log.end());
    }

    /// What is to be said of a pod of the class that no node takes.
    pub(super) fn fit_error(
        &mut self,
        profile: &Profile,
        cluster: &Cluster,
        pod: &Pod,
        filters: &[Box<dyn FilterCycle>],
    ) -> Box<FitError> {
        let own = cluster.nominated_node(&pod.uid).and_then(|name| cluster.table().find(name));
        // The room that is promised to this very pod is not taken by it: its node may say something else for it alone.
        if let Some(own) = own {
            self.refusals.set(own as usize, refusal(cluster, pod, filters, own, Some(&pod.uid)));
            self.dry_runs.forget(own);
        }
        let attempt = Attempt { cluster, pod, cycles: filters, refusals: &self.refusals, kept: Some(&self.dry_runs) };
        let error = Box::new(oracle::nowhere(profile, &attempt));
        if let Some(own) = own {
            self.refusals.set(own as usize, refusal(cluster, pod, filters, own, None));
        }
        error
    }
}

/// Why the node at a position refuses the pod; a node that is gone does not.
fn refusal(
    cluster: &Cluster,
    pod: &Pod,
    filters: &[Box<dyn FilterCycle>],
    position: Position,
    itself: Option<&str>,
) -> Option<Refusal> {
    let table = cluster.table();
    table.row(position).filter(|row| !row.is_gone())?;
    oracle::run_filters(cluster, filters, pod, table.info(position), itself).err()
}
