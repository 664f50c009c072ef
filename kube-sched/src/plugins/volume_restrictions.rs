//! VolumeRestrictions: some volumes are used by one pod at a time.
//!
//! Disks that pods name themselves are mounted once on a node (unless all only read them); a claim with the access mode
//! `ReadWriteOncePod` is used by one pod of the cluster (KEP-2485). Source: kube-scheduler's `volumerestrictions`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal};
use crate::model::Pod;
use crate::storage::{Disk, PodVolume};
use std::sync::Arc;

const NAME: &str = "VolumeRestrictions";
const REASON_DISK: &str = "node(s) had no available disk";
const REASON_ONE_POD: &str =
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

/// Refuses nodes where a disk of the pod is in use, and every node while its claim for one pod is.
#[derive(Clone, Copy, Debug)]
pub struct VolumeRestrictions;

/// The pod's claims for one pod, and how often other pods use them.
#[derive(Clone, Debug)]
pub struct InUse {
    claims: Vec<Arc<str>>,
    users: i64,
}

impl InUse {
    fn by(&self, pod: &Pod, other: &Pod) -> i64 {
        if other.namespace != pod.namespace {
            return 0;
        }
        let shared = claims(other).filter(|name| self.claims.contains(name)).count();
        i64::try_from(shared).unwrap_or(i64::MAX)
    }
}

impl Filter for VolumeRestrictions {
    type State = InUse;

    fn name(&self) -> &'static str {
        NAME
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<InUse> {
        if pod.volumes.is_empty() {
            return PreFilter::Skip;
        }
        let mut in_use = InUse { claims: Vec::new(), users: 0 };
        for name in claims(pod) {
            match cluster.inventory().claims.get(&pod.namespace, name) {
                None => {
                    let why = format!("persistentvolumeclaim {name:?} not found");
                    return PreFilter::Refuse(Refusal::unresolvable(NAME, why));
                }
                Some(claim) if claim.access_modes.read_write_once_pod => in_use.claims.push(name.clone()),
                Some(_) => {}
            }
        }
        if !in_use.claims.is_empty() {
            in_use.users = cluster.nodes().flat_map(NodeInfo::pods).map(|other| in_use.by(pod, other)).sum();
        }
        if in_use.users == 0 && disks(pod).next().is_none() { PreFilter::Skip } else { PreFilter::Run(in_use) }
    }

    fn filter(&self, state: &InUse, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let taken = |disk: &Disk| node.pods().iter().flat_map(|other| disks(other)).any(|other| disk.conflicts(other));
        if disks(pod).any(taken) {
            return Err(Refusal::unschedulable(NAME, REASON_DISK));
        }
        if state.users > 0 {
            return Err(Refusal::unschedulable(NAME, REASON_ONE_POD));
        }
        Ok(())
    }

    fn depends(&self, pod: &Pod) -> Depends {
        // Without volumes it has no say.
        if pod.volumes.is_empty() { Depends::Profile } else { Depends::Anything }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn add_pod(&self, state: &mut InUse, pod: &Pod, other: &Pod, _node: &NodeInfo, _cluster: &Cluster) {
        state.users += state.by(pod, other);
    }

    fn remove_pod(&self, state: &mut InUse, pod: &Pod, other: &Pod, _node: &NodeInfo, _cluster: &Cluster) {
        state.users -= state.by(pod, other);
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::PodDelete, EventKind::Storage]
    }
}

fn claims(pod: &Pod) -> impl Iterator<Item = &Arc<str>> {
    pod.volumes.iter().filter_map(|volume| match volume {
        PodVolume::Claim { name, ephemeral: false } => Some(name),
        _ => None,
    })
}

fn disks(pod: &Pod) -> impl Iterator<Item = &Disk> {
    pod.volumes.iter().filter_map(|volume| match volume {
        PodVolume::Disk(disk) => Some(disk),
        PodVolume::Claim { .. } => None,
    })
}

#[cfg(test)]
mod tests;
