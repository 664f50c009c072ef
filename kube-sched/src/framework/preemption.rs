//! What would have to go from a node so that a pod fits: the dry run of preemption on one node.
//!
//! Take away all pods of lower priority; if the pod then fits, reprieve from the most important down, those whose disruption
//! budget would be violated first. The answer depends on the pod's class, the node with its pods and the budgets, so the
//! engine keeps it until one of them changes. Source: kube-scheduler's `preemption` package.

use super::post_filter::Attempt;
use super::{Reason, WhatIf};
use crate::cluster::{Cluster, NodeInfo, Position};
use crate::inventory::{DisruptionBudget, Table};
use crate::model::Pod;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What would have to go from a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victims {
    /// Most important first; at least one.
    pub pods: Vec<Arc<Pod>>,
    /// How dear it is.
    pub cost: Cost,
}

/// How dear it is to clear a node; the least is best. Compared field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Number of victims whose disruption budget is violated.
    pub violations: usize,
    /// The highest priority of a victim.
    pub priority: i32,
    /// The sum of the victims' priorities, each shifted to be at least 0, so that many pods of negative priority do not look
    /// cheaper than few.
    pub priority_sum: i64,
    /// Number of victims.
    pub pods: usize,
    /// When the oldest of the victims of the highest priority started, in seconds: the latest is best.
    pub started_seconds: Reverse<i64>,
}

impl Victims {
    /// These pods, of which so many violate a disruption budget.
    pub fn new(mut pods: Vec<Arc<Pod>>, violations: usize) -> Self {
        pods.sort_by(|a, b| rank(a).cmp(&rank(b)));
        Self { cost: Cost::of(&pods, violations), pods }
    }
}

impl Cost {
    fn of(victims: &[Arc<Pod>], violations: usize) -> Self {
        let priority = victims.first().map_or(i32::MIN, |pod| pod.priority);
        let shifted = |pod: &Arc<Pod>| i64::from(pod.priority) + i64::from(i32::MAX) + 1;
        let start = victims.iter().filter(|pod| pod.priority == priority).map(|pod| pod.started_seconds).min();
        Self {
            violations,
            priority,
            priority_sum: victims.iter().map(shifted).sum(),
            pods: victims.len(),
            started_seconds: Reverse(start.unwrap_or(i64::MAX)),
        }
    }
}

/// What a dry run found: the victims, or why removing pods does not help.
type DryRun = Result<Arc<Victims>, Arc<[Reason]>>;

/// Dry runs of one class of pods by position, for as long as they hold.
#[derive(Debug, Default)]
pub(crate) struct DryRuns(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    runs: Vec<Option<DryRun>>,
    /// By position, a bit for each node that cannot be cleared: on a full cluster of equally important pods that is all of
    /// them, and who looks for one that can be need not ask each.
    failed: Arc<Vec<u64>>,
    failures: Failures,
    /// The budgets that they were made under.
    budgets: Table<DisruptionBudget>,
}

/// Reasons why clearing a node does not help, and of how many nodes.
pub type Failures = BTreeMap<Arc<[Reason]>, usize>;

/// The nodes of which it is known that they cannot be cleared.
#[derive(Debug, Default)]
pub(super) struct Failed(Arc<Vec<u64>>);

impl Failed {
    pub(super) fn contains(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|bits| bits >> (position % 64) & 1 == 1)
    }
}

impl DryRuns {
    /// Forgets what does not hold under these budgets.
    pub(crate) fn keep_under(&mut self, budgets: &Table<DisruptionBudget>) {
        let kept = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !kept.budgets.is_same(budgets) {
            *kept = Kept { budgets: budgets.clone(), ..Kept::default() };
        }
    }

    /// Forgets what was found out about a node.
    pub(crate) fn forget(&mut self, position: Position) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).forget(position as usize);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Roughly how much memory they take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.lock().runs[..])
    }

    /// The nodes that cannot be cleared, as far as it is known.
    pub(super) fn failed(&self) -> Failed {
        Failed(self.lock().failed.clone())
    }

    pub(super) fn failures(&self) -> Failures {
        self.lock().failures.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, at: usize) {
        let Some(Err(reasons)) = self.runs.get_mut(at).and_then(Option::take) else { return };
        Arc::make_mut(&mut self.failed)[at / 64] &= !(1 << (at % 64));
        if let Some(count) = self.failures.get_mut(&reasons) {
            *count -= 1;
            if *count == 0 {
                self.failures.remove(&reasons);
            }
        }
    }

    fn put(&mut self, at: usize, run: DryRun) {
        if self.runs.len() <= at {
            self.runs.resize(at + 1, None);
        }
        if let Err(reasons) = &run {
            let failed = Arc::make_mut(&mut self.failed);
            failed.resize(failed.len().max(at / 64 + 1), 0);
            failed[at / 64] |= 1 << (at % 64);
            *self.failures.entry(reasons.clone()).or_default() += 1;
        }
        self.runs[at] = Some(run);
    }
}

/// A node that removing pods may mend.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) position: Position,
}

impl<'a> Candidate<'a> {
    /// The node.
    pub fn node(&self) -> &'a NodeInfo {
        self.attempt.cluster().table().info(self.position)
    }

    /// What would have to go from it.
    ///
    /// # Errors
    /// The reasons why removing pods does not help.
    pub fn dry_run(&self) -> Result<Arc<Victims>, Arc<[Reason]>> {
        // Room that is promised to this very pod is not taken by it: the answer is another one than for its class.
        let name = &*self.node().node().name;
        let own = self.attempt.cluster().nominated_node(&self.attempt.pod().uid) == Some(name);
        let Some(kept) = self.attempt.kept.filter(|_| !own) else {
            return dry_run(self.attempt, self.node());
        };
        let at = self.position as usize;
        if let Some(run) = kept.lock().runs.get(at).and_then(Clone::clone) {
            return run;
        }
        let run = dry_run(self.attempt, self.node());
        kept.lock().put(at, run.clone());
        run
    }
}

fn dry_run(attempt: &Attempt<'_>, node: &NodeInfo) -> DryRun {
    const NO_VICTIMS: &str = "No preemption victims found for incoming pod";
    let pod = attempt.pod();
    let mut lower: Vec<Arc<Pod>> = node.pods().iter().filter(|other| other.priority < pod.priority).cloned().collect();
    if lower.is_empty() {
        return Err([NO_VICTIMS.into()].into());
    }
    lower.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let mut what_if = attempt.what_if(node);
    lower.iter().for_each(|other| what_if.remove(other));
    what_if.check().map_err(|refusal| Arc::<[Reason]>::from(refusal.reasons))?;
    let violating = violating(&lower, attempt.cluster());
    let mut stays = vec![false; lower.len()];
    for pass in [true, false] {
        for (index, other) in lower.iter().enumerate().filter(|(index, _)| violating[*index] == pass) {
            stays[index] = reprieve(&mut what_if, other);
        }
    }
    let violations = (0..lower.len()).filter(|&index| violating[index] && !stays[index]).count();
    let mut stays = stays.into_iter();
    lower.retain(|_| stays.next() != Some(true));
    if lower.is_empty() {
        // The node fits as it is: what refused it was not on this node.
        return Err([NO_VICTIMS.into()].into());
    }
    Ok(Arc::new(Victims::new(lower, violations)))
}

/// Most important first, of equals the longest running.
fn rank(pod: &Pod) -> (Reverse<i32>, i64, &str) {
    (Reverse(pod.priority), pod.started_seconds, &pod.uid)
}

/// Puts a pod back if there is room for both.
fn reprieve(what_if: &mut WhatIf<'_>, other: &Arc<Pod>) -> bool {
    what_if.add(other);
    let fits = what_if.fits();
    if !fits {
        what_if.remove(other);
    }
    fits
}

/// For each pod, most important first, whether a budget has nothing left for it when those before it have taken from it.
fn violating(pods: &[Arc<Pod>], cluster: &Cluster) -> Vec<bool> {
    let mut budgets: Vec<(&Arc<DisruptionBudget>, i64)> =
        cluster.inventory().budgets.iter().map(|budget| (budget, budget.disruptions_allowed)).collect();
    let violates = |pod: &Arc<Pod>| {
        let mut violated = false;
        for (budget, left) in &mut budgets {
            if budget.protects(&pod.namespace, &pod.name, &pod.labels) {
                *left = left.saturating_sub(1);
                violated |= *left < 0;
            }
        }
        violated
    };
    pods.iter().map(violates).collect()
}
