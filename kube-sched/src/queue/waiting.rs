//! Unschedulable pods, by the plugins that refused them: an event is told only to pods that one of their plugins has
//! registered it for, so that a million pods that wait for room cost a change of labels nothing.

use crate::framework::{ClusterEvent, DynFilter, EventKind, Hint, Profile};
use crate::model::Pod;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What orders pods that wait: since when, and the number under which they were tried last.
pub(super) type Turn = (Duration, u64);

/// Pods that wait for an event.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    groups: Vec<Group>,
    numbers: HashMap<BTreeSet<&'static str>, usize>,
}

/// Pods that the same plugins refused.
#[derive(Debug)]
struct Group {
    plugins: Vec<Arc<dyn DynFilter>>,
    /// Whether nobody knows what may help them, see [`is_foreign`].
    any_event: bool,
    pods: BTreeMap<Turn, Arc<Pod>>,
}

impl Waiting {
    /// Lets a pod wait; gives the number of its group.
    pub(super) fn insert(
        &mut self,
        profile: &Profile,
        refused_by: BTreeSet<&'static str>,
        turn: Turn,
        pod: Arc<Pod>,
    ) -> usize {
        let number = match self.numbers.get(&refused_by) {
            Some(number) => *number,
            None => {
                let plugins: Vec<_> = refusing(profile, &refused_by).cloned().collect();
                let any_event = is_foreign(&plugins, &refused_by);
                self.groups.push(Group { plugins, any_event, pods: BTreeMap::new() });
                self.numbers.insert(refused_by, self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        self.groups[number].pods.insert(turn, pod);
        number
    }

    pub(super) fn remove(&mut self, group: usize, turn: Turn) {
        self.groups[group].pods.remove(&turn);
    }

    /// The pods that an event may help, those that wait longest first in each group. They stay.
    pub(super) fn helped(&self, event: &ClusterEvent) -> Vec<Arc<Pod>> {
        let mut helped = Vec::new();
        for group in self.groups.iter().filter(|group| !group.pods.is_empty()) {
            let concerned = group.plugins.iter().filter(|plugin| is_told(plugin, event)).collect::<Vec<_>>();
            let all = group.any_event || event.kind == EventKind::Flush;
            if !all && concerned.is_empty() {
                continue;
            }
            let may_help =
                |pod: &&Arc<Pod>| all || concerned.iter().any(|plugin| plugin.hint(event, pod) == Hint::Queue);
            helped.extend(group.pods.values().filter(may_help).cloned());
        }
        helped
    }

    /// The pod that waits longest, and since when.
    pub(super) fn oldest(&self) -> Option<(Duration, &Arc<Pod>)> {
        let firsts = self.groups.iter().filter_map(|group| group.pods.first_key_value());
        firsts.min_by_key(|(turn, _)| **turn).map(|((since, _), pod)| (*since, pod))
    }
}

fn is_told(plugin: &Arc<dyn DynFilter>, event: &ClusterEvent) -> bool {
    plugin.events_to_register().contains(&event.kind)
}

fn refusing<'a>(
    profile: &'a Profile,
    refused_by: &'a BTreeSet<&'static str>,
) -> impl Iterator<Item = &'a Arc<dyn DynFilter>> {
    profile.filters.iter().filter(|plugin| refused_by.contains(plugin.name()))
}

/// Whether others than these filters refused, or none did, as in a cluster without nodes: any event may help then. Source:
/// `isPodWorthRequeuing` of kube-scheduler's queue.
fn is_foreign(filters: &[Arc<dyn DynFilter>], refused_by: &BTreeSet<&'static str>) -> bool {
    refused_by.is_empty() || refused_by.iter().any(|name| filters.iter().all(|plugin| plugin.name() != *name))
}

/// Whether an event may help a pod that these plugins refused.
pub(super) fn may_help(
    profile: &Profile,
    refused_by: &BTreeSet<&'static str>,
    event: &ClusterEvent,
    pod: &Pod,
) -> bool {
    let plugins: Vec<_> = refusing(profile, refused_by).cloned().collect();
    event.kind == EventKind::Flush
        || is_foreign(&plugins, refused_by)
        || plugins.iter().any(|plugin| is_told(plugin, event) && plugin.hint(event, pod) == Hint::Queue)
}
