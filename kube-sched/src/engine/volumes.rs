//! Pods with volumes: what plugins say of those, on top of what is kept of pods like them without any.
//!
//! Two pods hardly ever have a claim in common, so that each would be a class of its own. But most claims bear on no node,
//! or on few: a bound one whose volume all nodes reach, and a driver that attaches more volumes than most nodes have. Plugins
//! that look at volumes name those few ([`PreFilter::AllBut`](crate::framework::PreFilter::AllBut)); for all others the pod
//! is one of its class.

use crate::cluster::{Cluster, Position};
use crate::framework::{Depends, Profile, Started};
use crate::model::Pod;

/// The nodes that refuse a pod for what plugins have to be asked anew about; `None` when those may be any.
pub(super) fn refusing(profile: &Profile, cluster: &Cluster, pod: &Pod) -> Option<Vec<Position>> {
    if profile.scores.iter().any(|(plugin, _)| plugin.depends(pod) == Depends::Anything) {
        return None;
    }
    let table = cluster.table();
    let mut refusing = Vec::new();
    for plugin in profile.filters.iter().filter(|plugin| plugin.depends(pod) == Depends::Anything) {
        match plugin.clone().start(cluster, pod) {
            Started::Skip => {}
            // What the plugin says of a node beside pods that are promised room there is another answer.
            Started::AllBut(nodes, cycle) if !cluster.has_nominations() => {
                let named = nodes.iter().filter_map(|name| table.find(name));
                refusing.extend(named.filter(|position| cycle.filter(pod, table.info(*position)).is_err()));
            }
            _ => return None,
        }
    }
    Some(refusing)
}
