//! VolumeZone: a volume that is labelled with a zone or region is used there. Source: kube-scheduler's `volumezone`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal};
use crate::model::{Labels, Pod};
use crate::storage::PodVolume;

const NAME: &str = "VolumeZone";

/// The labels of zones and regions, each with its name before Kubernetes 1.17.
const KEYS: [(&str, &str); 2] = [
    ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
];

/// Refuses nodes outside the zones and regions of the pod's volumes.
#[derive(Clone, Copy, Debug)]
pub struct VolumeZone;

/// What nodes must be labelled with: a key, its other name, and the values of which one must be the node's.
type Topologies = Vec<(&'static str, &'static str, Vec<String>)>;

impl Filter for VolumeZone {
    type State = Topologies;

    fn name(&self) -> &'static str {
        NAME
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<Topologies> {
        match topologies(cluster, pod) {
            Err(why) => PreFilter::Refuse(Refusal::unresolvable(NAME, why)),
            Ok(topologies) if topologies.is_empty() => PreFilter::Skip,
            Ok(topologies) => PreFilter::Run(topologies),
        }
    }

    fn filter(&self, state: &Topologies, _pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let labels = &node.node().labels;
        // A node that is nowhere in particular is everywhere.
        if !KEYS.iter().any(|(key, old)| labels.contains(key) || labels.contains(old)) {
            return Ok(());
        }
        let here = |(key, other, values): &(&str, &str, Vec<String>)| {
            labels.get(key).or_else(|| labels.get(other)).is_some_and(|value| values.iter().any(|v| v == value))
        };
        if state.iter().all(here) {
            Ok(())
        } else {
            Err(Refusal::unresolvable(NAME, "node(s) had no available volume zone"))
        }
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

fn topologies(cluster: &Cluster, pod: &Pod) -> Result<Topologies, String> {
    let inventory = cluster.inventory();
    let mut found = Topologies::new();
    for volume in &pod.volumes {
        let PodVolume::Claim { name, ephemeral: false } = volume else { continue };
        let claim = inventory
            .claims
            .get(&pod.namespace, name)
            .ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
        let Some(volume) = &claim.volume else {
            if claim.class.is_empty() {
                return Err("PersistentVolumeClaim had no pv name and storageClass name".to_owned());
            }
            let class = inventory.storage_classes.get("", &claim.class);
            let class = class.ok_or_else(|| format!("storageclass.storage.k8s.io {:?} not found", claim.class))?;
            if class.wait_for_first_consumer {
                continue;
            }
            return Err("PersistentVolume had no name".to_owned());
        };
        let volume =
            inventory.volumes.get("", volume).ok_or_else(|| format!("persistentvolume {volume:?} not found"))?;
        found.extend(of_volume(&volume.labels));
    }
    Ok(found)
}

/// A value may name several zones, joined by two underscores.
fn of_volume(labels: &Labels) -> Topologies {
    let both_names = KEYS.into_iter().flat_map(|(key, old)| [(key, old), (old, key)]);
    both_names
        .filter_map(|(key, other)| {
            let values = labels.get(key)?.split("__").map(|zone| zone.trim().to_owned()).collect();
            Some((key, other, values))
        })
        .collect()
}

#[cfg(test)]
mod tests;
