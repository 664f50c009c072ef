//! What a cluster runs, in one line.

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Node, Pod};
use kubekit_core::environment::Random;
use kubekit_runtime::watcher::{Config, Event, watcher};
use kubekit_runtime::{Api, Client, Error, Object, ObjectKey, TypedObject};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// How many nodes and pods there are, and how they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Nodes whose condition Ready is true.
    pub nodes_ready: usize,
    /// All nodes.
    pub nodes: usize,
    /// Pods by phase.
    pub pods: BTreeMap<String, usize>,
}

impl fmt::Display for Summary {
    /// `nodes 3/3 ready; pods 5: 4 Running, 1 Pending`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.pods.values().sum();
        write!(f, "nodes {}/{} ready; pods {all}", self.nodes_ready, self.nodes)?;
        for (index, (phase, count)) in self.pods.iter().enumerate() {
            write!(f, "{} {count} {phase}", if index == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

type Events<K> = Pin<Box<dyn Stream<Item = Result<Event<K>, Error>> + Send>>;

/// Follows a cluster to keep a [`Summary`] of it: remembers one word of each node and pod, not the objects.
pub struct Watching {
    nodes: Events<Node>,
    pods: Events<Pod>,
    ready: HashMap<ObjectKey, bool>,
    phases: HashMap<ObjectKey, String>,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").field("summary", &self.summary()).finish_non_exhaustive()
    }
}

impl Watching {
    /// Follows through this client.
    pub fn new(client: &Client, random: &Arc<dyn Random>) -> Self {
        Self {
            nodes: events(client, random),
            pods: events(client, random),
            ready: HashMap::new(),
            phases: HashMap::new(),
        }
    }

    /// Returns when something has happened.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        tokio::select! {
            Some(Ok(event)) = self.nodes.next() => note(&mut self.ready, event, is_ready),
            Some(Ok(event)) = self.pods.next() => note(&mut self.phases, event, phase),
            else => {}
        }
    }

    /// As things stand.
    pub fn summary(&self) -> Summary {
        let mut pods = BTreeMap::new();
        for phase in self.phases.values() {
            *pods.entry(phase.clone()).or_insert(0) += 1;
        }
        Summary { nodes_ready: self.ready.values().filter(|ready| **ready).count(), nodes: self.ready.len(), pods }
    }
}

fn events<K: TypedObject>(client: &Client, random: &Arc<dyn Random>) -> Events<K> {
    Box::pin(watcher(Api::<K>::all(client.clone()), Config::default(), Arc::clone(random)))
}

fn note<K: Object, V>(known: &mut HashMap<ObjectKey, V>, event: Event<K>, value: fn(&K) -> V) {
    match event {
        Event::Restarted(objects) => *known = objects.iter().map(|object| (object.key(), value(object))).collect(),
        Event::Applied(object) => drop(known.insert(object.key(), value(&object))),
        Event::Deleted(object) => drop(known.remove(&object.key())),
        Event::Watching => {}
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

fn phase(pod: &Pod) -> String {
    if pod.is_being_deleted() {
        return "Terminating".to_owned();
    }
    pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_else(|| "Pending".to_owned())
}

#[cfg(test)]
mod tests {
    //! The line.

    use super::*;

    #[track_caller]
    fn check(nodes_ready: usize, nodes: usize, pods: &[(&str, usize)], expected: &str) {
        let pods = pods.iter().map(|(phase, count)| ((*phase).to_owned(), *count)).collect();
        assert_eq!(Summary { nodes_ready, nodes, pods }.to_string(), expected);
    }

    #[test]
    fn lines() {
        check(0, 0, &[], "nodes 0/0 ready; pods 0");
        check(3, 3, &[("Running", 2)], "nodes 3/3 ready; pods 2: 2 Running");
        check(2, 3, &[("Running", 4), ("Pending", 1)], "nodes 2/3 ready; pods 5: 1 Pending, 4 Running");
    }

    fn pod(phase: Option<&str>, deleted: bool) -> Pod {
        let mut pod = serde_json::json!({"metadata": {"name": "a"}, "status": {}});
        if let Some(phase) = phase {
            pod["status"]["phase"] = phase.into();
        }
        if deleted {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn phases() {
        for (of, expected) in [
            (pod(None, false), "Pending"),
            (pod(Some("Running"), false), "Running"),
            (pod(Some("Running"), true), "Terminating"),
        ] {
            assert_eq!(phase(&of), expected);
        }
    }
}
