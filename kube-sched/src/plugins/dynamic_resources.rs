//! DynamicResources: a pod goes only where the devices that it claims are or can be had (KEP-4381).
//!
//! Claims that have devices: the node must reach them. Claims that have none: devices are searched for on each node, and
//! come out of Reserve as [`Change`]s. Score: the earlier the alternatives that a node can offer, the better (KEP-4816).
//! Source: kube-scheduler's `dynamicresources`.

use crate::cluster::{Cluster, NodeInfo};
use crate::dra::{Allocation, AllocationError, Pools, ResourceClaim, allocate, can_allocate};
use crate::framework::{Code, Depends, EventKind, Filter, PreFilter, Refusal, Reserve, Score, normalize_by_max};
use crate::inventory::{Change, Inventory};
use crate::model::{Node, Pod, PodResourceClaim};
use std::sync::Arc;

const NAME: &str = "DynamicResources";
/// How many alternatives a request may have. Source: `FirstAvailableDeviceRequestMaxSize`.
const ALTERNATIVES_MAX: usize = 8;

/// Refuses nodes without the devices that the pod claims.
#[derive(Clone, Copy, Debug)]
pub struct DynamicResources;

/// The claims of a pod.
#[derive(Clone, Debug)]
pub struct PodResourceClaims {
    inventory: Inventory,
    allocated: Vec<Arc<ResourceClaim>>,
    waiting: Vec<Arc<ResourceClaim>>,
    pools: Pools,
}

impl Filter for DynamicResources {
    type State = PodResourceClaims;

    fn name(&self) -> &'static str {
        NAME
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<PodResourceClaims> {
        if pod.resource_claims.is_empty() {
            return PreFilter::Skip;
        }
        match PodResourceClaims::of(cluster, pod) {
            Ok(claims) => PreFilter::Run(claims),
            Err(why) => PreFilter::Refuse(Refusal::unresolvable(NAME, why)),
        }
    }

    fn filter(&self, state: &PodResourceClaims, _pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        state.fits(node.node())
    }

    fn depends(&self, pod: &Pod) -> Depends {
        if pod.resource_claims.is_empty() { Depends::Profile } else { Depends::Anything }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::NodeLabel, EventKind::PodDelete, EventKind::Devices]
    }
}

impl Score for DynamicResources {
    type State = PodResourceClaims;

    fn name(&self) -> &'static str {
        NAME
    }

    fn depends(&self, pod: &Pod) -> Depends {
        if pod.resource_claims.is_empty() { Depends::Profile } else { Depends::Anything }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn pre_score(&self, cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<PodResourceClaims> {
        if pod.resource_claims.is_empty() {
            return None;
        }
        let claims = PodResourceClaims::of(cluster, pod).ok()?;
        let choosing = |claim: &Arc<ResourceClaim>| claim.requests.iter().any(|r| r.alternatives.len() > 1);
        claims.waiting.iter().any(choosing).then_some(claims)
    }

    fn score(&self, state: &PodResourceClaims, _pod: &Pod, node: &NodeInfo) -> i64 {
        let Ok(allocations) = state.place(node.node()) else { return 0 };
        state.waiting.iter().zip(&allocations).map(|(claim, allocation)| rank(claim, allocation)).sum()
    }

    fn normalize(&self, _state: &PodResourceClaims, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        normalize_by_max(scores, false);
    }
}

/// Eight for each first alternative that a claim was given, one less for each second, and so on.
fn rank(claim: &ResourceClaim, allocation: &Allocation) -> i64 {
    let given =
        |request: &str| allocation.results.iter().find_map(|r| r.request.strip_prefix(request)?.strip_prefix('/'));
    let ranks = claim.requests.iter().filter_map(|request| {
        let name = given(&request.name)?;
        let index = request.alternatives.iter().position(|alternative| *alternative.name == *name)?;
        i64::try_from(ALTERNATIVES_MAX.saturating_sub(index)).ok()
    });
    ranks.sum()
}

impl Reserve for DynamicResources {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reserve(&self, _cluster: &Cluster, _pod: &Pod, _node: &str) -> Result<(), Refusal> {
        Ok(())
    }

    fn unreserve(&self, _cluster: &Cluster, _pod: &Pod, _node: &str) {}

    fn changes(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<Vec<Change>, Refusal> {
        let (claims, info) = match (self.pre_filter(cluster, pod), cluster.node(node)) {
            (PreFilter::Run(claims), Some(info)) => (claims, info),
            (PreFilter::Refuse(refusal), _) => return Err(refusal),
            _ => return Ok(Vec::new()),
        };
        let use_claim = |claim: &Arc<ResourceClaim>, allocation: Option<Allocation>| Change::UseResourceClaim {
            namespace: claim.namespace.clone(),
            claim: claim.name.clone(),
            allocation,
            pod: pod.name.clone(),
            pod_uid: pod.uid.clone(),
        };
        let allocations = claims.place(info.node())?;
        let reserved = claims.allocated.iter().filter(|claim| !claim.reserved_for.contains(&pod.uid));
        let mut changes: Vec<Change> = reserved
            // What another pod's placement assumes may not be carried out by the time this one's is.
            .map(|claim| use_claim(claim, claim.allocation.clone().filter(|_| claim.assumed)))
            .collect();
        changes.extend(claims.waiting.iter().zip(allocations).map(|(claim, given)| use_claim(claim, Some(given))));
        Ok(changes)
    }
}

impl PodResourceClaims {
    fn of(cluster: &Cluster, pod: &Pod) -> Result<Self, String> {
        let inventory = cluster.inventory();
        let mut claims =
            Self { inventory: inventory.clone(), allocated: Vec::new(), waiting: Vec::new(), pools: Pools::default() };
        for reference in &pod.resource_claims {
            let Some(claim) = claim(inventory, pod, reference)? else { continue };
            let Some(_) = &claim.allocation else {
                check_classes(inventory, claim)?;
                claims.waiting.push(claim.clone());
                continue;
            };
            let full = claim.reserved_for.len() >= ResourceClaim::RESERVED_FOR_MAX;
            if full && !claim.reserved_for.contains(&pod.uid) {
                return Err("resourceclaim in use".to_owned());
            }
            claims.allocated.push(claim.clone());
        }
        if !claims.waiting.is_empty() {
            claims.pools = cluster.pools();
        }
        Ok(claims)
    }

    /// What the waiting claims are given on a node, in their order.
    fn place(&self, node: &Node) -> Result<Vec<Allocation>, Refusal> {
        self.judge(node, |claims| allocate(&self.inventory, &self.pools, claims, node))
    }

    /// Whether [`Self::place`] would find a place, which costs less to say than to give it.
    fn fits(&self, node: &Node) -> Result<(), Refusal> {
        let search = |claims: &[_]| can_allocate(&self.inventory, &self.pools, claims, node);
        self.judge(node, |claims| search(claims).map(|found| found.then_some(())))
    }

    /// What comes of a search for the waiting claims on a node, if those with devices can be used there.
    fn judge<T: Default>(
        &self,
        node: &Node,
        search: impl FnOnce(&[Arc<ResourceClaim>]) -> Result<Option<T>, AllocationError>,
    ) -> Result<T, Refusal> {
        let reachable = |claim: &Arc<ResourceClaim>| {
            let nodes = claim.allocation.as_ref().and_then(|allocation| allocation.nodes.as_ref());
            nodes.is_none_or(|nodes| nodes.matches(&node.labels, &node.name))
        };
        let found = if self.waiting.is_empty() { Ok(Some(T::default())) } else { search(&self.waiting) };
        match found {
            Err(error) => Err(Refusal { plugin: NAME, code: Code::Error, reasons: vec![error.to_string().into()] }),
            Ok(None) => Err(Refusal::unresolvable(NAME, "cannot allocate all claims")),
            Ok(Some(_)) if !self.allocated.iter().all(reachable) => {
                Err(Refusal::unresolvable(NAME, "resourceclaim not available on the node"))
            }
            Ok(Some(found)) => Ok(found),
        }
    }
}

/// The claim that a pod refers to; `None` when the pod does without one after all.
fn claim<'a>(
    inventory: &'a Inventory,
    pod: &Pod,
    reference: &PodResourceClaim,
) -> Result<Option<&'a Arc<ResourceClaim>>, String> {
    let (namespace, name) = (&pod.namespace, &pod.name);
    let (claim_name, own) = match reference {
        PodResourceClaim::Named(claim) => (claim, false),
        PodResourceClaim::Made(claim) => (claim, true),
        PodResourceClaim::None => return Ok(None),
        PodResourceClaim::NotMade => return Err(format!("pod \"{namespace}/{name}\": ResourceClaim not created yet")),
    };
    let claim = inventory.resource_claims.get(namespace, claim_name);
    let claim = claim.ok_or_else(|| format!("resourceclaim.resource.k8s.io {claim_name:?} not found"))?;
    if claim.deleting {
        return Err(format!("resourceclaim {claim_name:?} is being deleted"));
    }
    if own && claim.owner.as_ref() != Some(&pod.uid) {
        return Err(format!(
            "ResourceClaim {namespace}/{claim_name} was not created for pod {namespace}/{name} (pod is not owner)"
        ));
    }
    Ok(Some(claim))
}

fn check_classes(inventory: &Inventory, claim: &ResourceClaim) -> Result<(), String> {
    for request in &claim.requests {
        for exact in &request.alternatives {
            if inventory.device_classes.get("", &exact.class).is_none() {
                let alternative = if exact.name.is_empty() { String::new() } else { format!("/{}", exact.name) };
                let (name, class) = (&request.name, &exact.class);
                return Err(format!("request {name}{alternative}: device class {class} does not exist"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
