//! NodeVolumeLimits: a CSI driver attaches only so many volumes to a node.
//!
//! Counted are the volumes of the node's pods, and volumes still attached to it, each once; a claim that is not bound yet
//! counts as a volume of its class's provisioner. Source: KEP-554 and kube-scheduler's `nodevolumelimits`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal};
use crate::inventory::Inventory;
use crate::model::Pod;
use crate::storage::Source;
use std::collections::BTreeSet;
use std::sync::Arc;

const NAME: &str = "NodeVolumeLimits";

/// Refuses nodes to which no more of the pod's volumes can be attached.
#[derive(Clone, Copy, Debug)]
pub struct NodeVolumeLimits;

/// A driver, and what tells a volume from its others.
type Attached = (Arc<str>, Arc<str>);

/// The volumes that the pod brings, and where to look those of others up.
#[derive(Clone, Debug)]
pub struct NewVolumes {
    inventory: Inventory,
    volumes: BTreeSet<Attached>,
}

impl Filter for NodeVolumeLimits {
    type State = NewVolumes;

    fn name(&self) -> &'static str {
        NAME
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<NewVolumes> {
        let inventory = cluster.inventory();
        let mut volumes = BTreeSet::new();
        for name in pod.claims() {
            if inventory.claims.get(&pod.namespace, name).is_none() {
                let why = format!(
                    "looking up PVC {namespace}/{name}: persistentvolumeclaim {name:?} not found",
                    namespace = pod.namespace
                );
                return PreFilter::Refuse(Refusal::unresolvable(NAME, why));
            }
            volumes.extend(attached(inventory, &pod.namespace, name));
        }
        if volumes.is_empty() {
            return PreFilter::Skip;
        }
        let near = near_a_limit(cluster, &volumes);
        let state = NewVolumes { inventory: inventory.clone(), volumes };
        match near {
            Some(near) => PreFilter::AllBut(near, state),
            None => PreFilter::Run(state),
        }
    }

    fn filter(&self, state: &NewVolumes, _pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let Some(drivers) = state.inventory.csi_nodes.get("", &node.node().name) else { return Ok(()) };
        let limits = || drivers.drivers.iter().filter_map(|(driver, limit)| Some((driver, (*limit)?)));
        if !limits().any(|(driver, _)| state.volumes.iter().any(|(of, _)| of == driver)) {
            return Ok(());
        }
        let there = state.attached_to(node);
        for (driver, limit) in limits() {
            let count = |volumes: &mut dyn Iterator<Item = &Attached>| volumes.filter(|(of, _)| of == driver).count();
            let new = count(&mut state.volumes.difference(&there));
            let old = count(&mut there.iter());
            if new > 0 && i64::try_from(old + new).unwrap_or(i64::MAX) > limit {
                return Err(Refusal::unschedulable(NAME, "node(s) exceed max volume count"));
            }
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

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::PodDelete, EventKind::Storage]
    }
}

impl NewVolumes {
    fn attached_to(&self, node: &NodeInfo) -> BTreeSet<Attached> {
        let inventory = &self.inventory;
        let used = node
            .pods()
            .iter()
            .flat_map(|pod| pod.claims().filter_map(|name| attached(inventory, &pod.namespace, name)));
        let mut found: BTreeSet<Attached> = used.collect();
        for attachment in inventory.attachments.in_namespace(&node.node().name) {
            let volume = inventory.volumes.get("", &attachment.volume);
            if let Some(Source::Csi { driver, handle }) = volume.map(|volume| &volume.source) {
                found.insert((driver.clone(), handle.clone()));
            }
        }
        found
    }
}

/// The volume that a claim stands for; `None` when it is no driver's.
fn attached(inventory: &Inventory, namespace: &str, name: &str) -> Option<Attached> {
    let claim = inventory.claims.get(namespace, name)?;
    match claim.volume.as_ref().and_then(|volume| inventory.volumes.get("", volume)).map(|volume| &volume.source) {
        Some(Source::Csi { driver, handle }) => Some((driver.clone(), handle.clone())),
        Some(Source::Other) => None,
        None => {
            let class = inventory.storage_classes.get("", &claim.class)?;
            Some((class.provisioner.clone(), format!("{namespace}/{name}").into()))
        }
    }
}

/// The nodes that may have no room for these volumes; `None` when that may be any.
fn near_a_limit(cluster: &Cluster, volumes: &BTreeSet<Attached>) -> Option<Vec<Arc<str>>> {
    let drivers: BTreeSet<&Arc<str>> = volumes.iter().map(|(driver, _)| driver).collect();
    let Some(limit) = drivers.into_iter().filter_map(|driver| cluster.least_volume_limit(driver)).min() else {
        return Some(Vec::new());
    };
    // A node with fewer has room, whichever driver they are of.
    let few = usize::try_from(limit).unwrap_or(0).saturating_add(1).saturating_sub(volumes.len());
    if few == 0 {
        return None;
    }
    let attachments = &cluster.inventory().attachments;
    let many = |node: &str| {
        let claims = cluster.node(node).map_or(0, NodeInfo::claims);
        claims + attachments.in_namespace(node).count() >= few
    };
    // Where both add up to so many, one is at least half.
    let half = few.div_ceil(2);
    let by_claims = cluster.nodes_with_claims(half);
    let by_attachments = attachments.namespaces().filter(|(_, count)| *count >= half).map(|(node, _)| node);
    let near: BTreeSet<&Arc<str>> = by_claims.chain(by_attachments).filter(|node| many(node)).collect();
    Some(near.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests;
