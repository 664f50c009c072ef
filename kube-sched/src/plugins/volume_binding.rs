//! VolumeBinding: a pod goes only where its volumes are or can be.
//!
//! Bound claims: their volumes must be reachable from the node. Unbound claims whose class waits for the first consumer: the
//! smallest volume that fits and is reachable, else one that can be provisioned for the node, with room for it where the
//! driver says how much there is (KEP-1472). Unbound claims of other classes: the pod waits. What is to be bound or
//! provisioned comes out of Reserve as [`Change`]s. Source: kube-scheduler's `volumebinding`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Code, Depends, EventKind, Filter, PreFilter, Reason, Refusal, Reserve};
use crate::inventory::{Change, Inventory};
use crate::model::{Node, Pod};
use crate::storage::{Claim, PodVolume, StorageClass, Volume};
use std::sync::Arc;

const REASON_UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims";
const REASON_NODE: &str = "node(s) didn't match PersistentVolume's node affinity";
const REASON_BIND: &str = "node(s) didn't find available persistent volumes to bind";
const REASON_SPACE: &str = "node(s) did not have enough free storage";
const REASON_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const NAME: &str = "VolumeBinding";

/// Refuses nodes that cannot reach the pod's volumes, and decides which volumes are bound.
#[derive(Clone, Copy, Debug)]
pub struct VolumeBinding;

/// The claims of a pod.
#[derive(Clone, Debug)]
pub struct PodClaims {
    inventory: Inventory,
    /// The volumes of bound claims; `None` for one that is gone.
    bound: Vec<Option<Arc<Volume>>>,
    /// Claims that are bound when the pod is placed, the smallest first.
    waiting: Vec<Waiting>,
}

/// A claim that is bound when the pod is placed.
#[derive(Clone, Debug)]
struct Waiting {
    claim: Arc<Claim>,
    /// The volumes that it could be bound to, best first: the one that is promised to it alone, or by size.
    candidates: Vec<Arc<Volume>>,
}

impl Waiting {
    fn new(inventory: &Inventory, claim: &Arc<Claim>) -> Self {
        let fits = |volume: &&Arc<Volume>| {
            volume.class == claim.class
                && volume.capacity_bytes >= claim.request_bytes
                && volume.block == claim.block
                && volume.attributes_class == claim.attributes_class
        };
        let free = |volume: &&Arc<Volume>| {
            volume.available
                && volume.claim.is_none()
                && volume.access_modes.contains(claim.access_modes)
                && claim.selector.as_ref().is_none_or(|selector| selector.matches(&volume.labels))
        };
        let fitting = || inventory.volumes.iter().filter(fits);
        let mut candidates: Vec<_> = fitting().filter(|volume| volume.promised_to(claim)).take(1).cloned().collect();
        if candidates.is_empty() {
            candidates = fitting().filter(free).cloned().collect();
            candidates.sort_by_key(|volume| volume.capacity_bytes);
        }
        Self { claim: claim.clone(), candidates }
    }
}

impl Filter for VolumeBinding {
    type State = PodClaims;

    fn name(&self) -> &'static str {
        NAME
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<PodClaims> {
        if !pod.volumes.iter().any(|volume| matches!(volume, PodVolume::Claim { .. })) {
            return PreFilter::Skip;
        }
        match PodClaims::of(cluster.inventory(), pod) {
            Ok(claims) if claims.bear_on_no_node() => PreFilter::AllBut(Vec::new(), claims),
            Ok(claims) => PreFilter::Run(claims),
            Err(refusal) => PreFilter::Refuse(refusal),
        }
    }

    fn filter(&self, state: &PodClaims, _pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        state.place(node.node()).map(drop)
    }

    fn depends(&self, pod: &Pod) -> Depends {
        // Without volumes it has no say.
        if pod.volumes.is_empty() { Depends::Profile } else { Depends::Anything }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::NodeLabel, EventKind::Storage]
    }
}

impl Reserve for VolumeBinding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reserve(&self, _cluster: &Cluster, _pod: &Pod, _node: &str) -> Result<(), Refusal> {
        Ok(())
    }

    fn unreserve(&self, _cluster: &Cluster, _pod: &Pod, _node: &str) {}

    fn changes(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<Vec<Change>, Refusal> {
        match (self.pre_filter(cluster, pod), cluster.node(node)) {
            (PreFilter::Run(claims) | PreFilter::AllBut(_, claims), Some(info)) => claims.place(info.node()),
            (PreFilter::Refuse(refusal), _) => Err(refusal),
            _ => Ok(Vec::new()),
        }
    }
}

impl PodClaims {
    fn of(inventory: &Inventory, pod: &Pod) -> Result<Self, Refusal> {
        let mut claims = Self { inventory: inventory.clone(), bound: Vec::new(), waiting: Vec::new() };
        let mut immediate = false;
        for volume in &pod.volumes {
            let PodVolume::Claim { name, ephemeral } = volume else { continue };
            let claim = claim(inventory, pod, name, *ephemeral).map_err(|why| Refusal::unresolvable(NAME, why))?;
            match &claim.volume {
                Some(volume) if claim.bound => claims.bound.push(inventory.volumes.get("", volume).cloned()),
                // A claim that asks for a volume by name is bound by the volume controller, whatever its class says.
                None if waits(inventory, claim) => claims.waiting.push(Waiting::new(inventory, claim)),
                _ => immediate = true,
            }
        }
        if immediate {
            return Err(Refusal::unresolvable(NAME, REASON_UNBOUND));
        }
        // A large claim must not take a volume that a small one would have left it.
        claims.waiting.sort_by_key(|waiting| waiting.claim.request_bytes);
        Ok(claims)
    }

    /// Whether every claim is bound to a volume that all nodes reach.
    fn bear_on_no_node(&self) -> bool {
        let everywhere = |volume: &Volume| volume.node_affinity.is_none();
        self.waiting.is_empty() && self.bound.iter().all(|volume| volume.as_deref().is_some_and(everywhere))
    }

    /// What placing the pod on the node binds.
    ///
    /// # Errors
    /// Why it cannot be placed there.
    fn place(&self, node: &Node) -> Result<Vec<Change>, Refusal> {
        let mut reasons: Vec<Reason> = Vec::new();
        let gone = self.bound.iter().any(Option::is_none);
        if self.bound.iter().flatten().any(|volume| !volume.reachable(&node.labels, &node.name)) {
            reasons.push(REASON_NODE.into());
        }
        let placed = self.place_waiting(node);
        if let Err(reason @ (REASON_BIND | REASON_SPACE)) = placed {
            reasons.push(reason.into());
        }
        if gone {
            reasons.push(REASON_GONE.into());
        }
        if reasons.is_empty() {
            return placed.map_err(|failed| Refusal { plugin: NAME, code: Code::Error, reasons: vec![failed.into()] });
        }
        Err(Refusal { plugin: NAME, code: Code::Unresolvable, reasons })
    }

    fn place_waiting(&self, node: &Node) -> Result<Vec<Change>, &'static str> {
        let elsewhere = |waiting: &Waiting| waiting.claim.selected_node.as_ref().is_some_and(|at| *at != node.name);
        if self.waiting.iter().any(elsewhere) {
            return Err(REASON_BIND);
        }
        let mut changes = Vec::with_capacity(self.waiting.len());
        let mut chosen: Vec<&Arc<str>> = Vec::new();
        for Waiting { claim, candidates } in &self.waiting {
            let (namespace, name) = (claim.namespace.clone(), claim.name.clone());
            let fits =
                |volume: &&Arc<Volume>| !chosen.contains(&&volume.name) && volume.reachable(&node.labels, &node.name);
            let found = candidates.iter().find(fits).filter(|_| claim.selected_node.is_none());
            if let Some(volume) = found {
                chosen.push(&volume.name);
                changes.push(Change::BindVolume { volume: volume.name.clone(), namespace, claim: name });
            } else {
                self.provision(claim, node)?;
                changes.push(Change::SelectNode { namespace, claim: name, node: node.name.clone() });
            }
        }
        Ok(changes)
    }

    /// Whether a volume can be provisioned for the node.
    fn provision(&self, claim: &Claim, node: &Node) -> Result<(), &'static str> {
        let class = self.inventory.storage_classes.get("", &claim.class).ok_or("failed to find storage class")?;
        let by_hand = class.provisioner.is_empty() || *class.provisioner == *StorageClass::NO_PROVISIONER;
        let allowed = &class.allowed_topologies;
        if by_hand || !(allowed.0.is_empty() || allowed.matches(&node.labels, &node.name)) {
            return Err(REASON_BIND);
        }
        if self.has_capacity(claim, class, node) { Ok(()) } else { Err(REASON_SPACE) }
    }

    fn has_capacity(&self, claim: &Claim, class: &StorageClass, node: &Node) -> bool {
        let driver = self.inventory.csi_drivers.get("", &class.provisioner);
        if !driver.is_some_and(|driver| driver.storage_capacity) {
            return true;
        }
        self.inventory.capacities.iter().any(|capacity| {
            capacity.class == class.name
                && capacity.maximum_volume_bytes.or(capacity.capacity_bytes).is_some_and(|b| b >= claim.request_bytes)
                && capacity.topology.matches(&node.labels)
        })
    }
}

/// The claim of a pod's volume.
///
/// # Errors
/// Why the pod cannot use it.
fn claim<'a>(inventory: &'a Inventory, pod: &Pod, name: &str, ephemeral: bool) -> Result<&'a Arc<Claim>, String> {
    let Some(claim) = inventory.claims.get(&pod.namespace, name) else {
        return Err(if ephemeral {
            format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
        } else {
            format!("persistentvolumeclaim {name:?} not found")
        });
    };
    if claim.lost {
        let volume = claim.volume.as_deref().unwrap_or_default();
        return Err(format!("persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"));
    }
    if claim.deleting {
        return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
    }
    if ephemeral && claim.owner.as_ref() != Some(&pod.uid) {
        let (namespace, pod) = (&pod.namespace, &pod.name);
        return Err(format!("PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"));
    }
    Ok(claim)
}

fn waits(inventory: &Inventory, claim: &Claim) -> bool {
    inventory.storage_classes.get("", &claim.class).is_some_and(|class| class.wait_for_first_consumer)
}

#[cfg(test)]
mod tests;
