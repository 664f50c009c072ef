//! The shell: looks at nodes periodically, taints them as they change, and evicts pods.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod};
use kubekit_runtime::{
    Action, Api, Change, Controller, DeleteParams, Error, EventType, Object as _, ObjectKey, Patch, PatchParams,
    Reader, WatchScope, object_reference,
};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decide::{Config, Effect, Monitor};
use super::eviction::{self, Fate, Seen};
use super::taints;
use crate::context::Context;
use crate::pods;

const CONTROLLER: &str = "node-controller";
const TAINT_EVICTION: &str = "taint-eviction-controller";
/// Where agents keep their leases.
const LEASES: &str = "kube-node-lease";
/// Source: `scheduler.UpdateWorkerSize`.
const WORKERS: usize = 8;

/// Watches over nodes until `shutdown`.
pub async fn run(context: Context, config: Config, shutdown: CancellationToken) {
    let nodes = context.informers.informer::<Node>();
    let pods = context.informers.informer::<Pod>();
    pods.add_index(pods::NODE_INDEX, pods::by_node);
    let scope = WatchScope { namespace: LEASES.into(), ..WatchScope::default() };
    let leases = context.informers.informer_with::<Lease>(scope);
    let shell = Shell { pods: pods.reader(), context: context.clone() };
    let monitor = async {
        let synced = async { nodes.wait_synced().await && leases.wait_synced().await && pods.wait_synced().await };
        if shutdown.run_until_cancelled(synced).await == Some(true) {
            shell.monitor(config, &nodes.reader(), &leases.reader(), &shutdown).await;
        }
    };
    let known = nodes.reader();
    let tainting = Controller::new(CONTROLLER).watches(&nodes, |change| vec![change.key()]).workers(WORKERS);
    let tainting = tainting.run(shutdown.clone(), move |key: ObjectKey| {
        let node = known.get(&key);
        let context = context.clone();
        async move {
            let taints = node.as_ref().and_then(|node| taints::no_schedule(node, context.now()));
            if let (Some(node), Some(taints)) = (node, taints) {
                write_taints(&context, &node, taints).await?;
            }
            Ok::<Action, Error>(Action::Done)
        }
    });
    tokio::join!(monitor, tainting);
}

/// Replaces a node's taints, if the node has not changed since.
async fn write_taints(
    context: &Context,
    node: &Node,
    taints: Vec<k8s_openapi::api::core::v1::Taint>,
) -> Result<(), Error> {
    let patch = json!({
        "metadata": {"resourceVersion": node.resource_version(), "uid": node.uid()},
        "spec": {"taints": (!taints.is_empty()).then_some(taints)},
    });
    let api = Api::<Node>::all(context.client.clone());
    // A merge patch replaces the list whole: a strategic one merges by key alone, though effects tell taints apart too.
    match api.patch(node.name(), &PatchParams::default(), &Patch::Merge(patch)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Shell {
    context: Context,
    pods: Reader<Pod>,
}

impl Shell {
    async fn monitor(
        &self,
        config: Config,
        nodes: &Reader<Node>,
        leases: &Reader<Lease>,
        shutdown: &CancellationToken,
    ) {
        let period = config.monitor_period;
        let mut monitor = Monitor::new(config);
        let start = Instant::now();
        let mut next_look = start;
        loop {
            let lease = |name: &str| leases.get(&ObjectKey::new(LEASES, name));
            let due = Instant::now() >= next_look;
            let (uptime, now) = (start.elapsed(), self.context.now());
            let effects = if due {
                monitor.look(&nodes.list(), lease, uptime, now)
            } else {
                monitor.refresh(|name| nodes.get(&ObjectKey::cluster(name)));
                monitor.pass(uptime, now)
            };
            if due {
                next_look = Instant::now() + period;
            }
            for effect in effects {
                if let Err(error) = self.carry_out(effect).await {
                    tracing::warn!(error = %error.chain(), "a node could not be updated; the next look tries again");
                }
            }
            let next_pass = monitor.next_pass().map(|at| start + at);
            let until = next_pass.map_or(next_look, |at| at.min(next_look));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn node_event(&self, node: &Node, reason: &str, message: String) {
        // Events of nodes bear the name as uid, which is where kubectl describe looks for them.
        let reference = ObjectReference { uid: Some(node.name().to_owned()), ..object_reference(node) };
        self.context.recorder.event(&reference, EventType::Normal, reason, message);
    }

    async fn carry_out(&self, effect: Effect) -> Result<(), Error> {
        match effect {
            Effect::Registered(node) => {
                let message = format!("Node {0} event: Registered Node {0} in Controller", node.name());
                self.node_event(&node, "RegisteredNode", message);
            }
            Effect::Removed(node) => {
                let message = format!("Node {0} event: Removing Node {0} from Controller", node.name());
                self.node_event(&node, "RemovingNode", message);
            }
            Effect::NotReady(node) => {
                let message = format!("Node {} status is now: NodeNotReady", node.name());
                self.node_event(&node, "NodeNotReady", message);
            }
            Effect::Silence(node, conditions) => {
                let mut silenced = Node::clone(&node);
                silenced.status.get_or_insert_default().conditions = Some(conditions);
                Api::<Node>::all(self.context.client.clone()).replace_status(&silenced).await?;
            }
            Effect::Taint(node, taints) => write_taints(&self.context, &node, taints).await?,
            Effect::MarkPodsNotReady(node) => self.mark_pods_not_ready(&node).await?,
        }
        Ok(())
    }

    async fn mark_pods_not_ready(&self, node: &Node) -> Result<(), Error> {
        for pod in self.pods.by_index(pods::NODE_INDEX, node.name()) {
            let Some(marked) = pods::not_ready(&pod, self.context.now()) else { continue };
            let reference = object_reference(&*pod);
            let api = Api::<Pod>::all(self.context.client.clone());
            match api.replace_status(&marked).await {
                Ok(_) => {
                    let recorder = &self.context.recorder;
                    recorder.event(&reference, EventType::Warning, "NodeNotReady", "Node is not ready");
                }
                // Gone, or changed under our hands: the next look sees it anew.
                Err(error) if error.is_not_found() || error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Evicts pods from nodes with `NoExecute` taints until `shutdown`. Keys are pods.
pub async fn run_taint_eviction(context: Context, shutdown: CancellationToken) {
    let nodes = context.informers.informer::<Node>();
    let pods = context.informers.informer::<Pod>();
    pods.add_index(pods::NODE_INDEX, pods::by_node);
    let (on_node, tainted) = (pods.reader(), nodes.reader());
    let evictor = Arc::new(Evictor { nodes: nodes.reader(), pods: pods.reader(), marked: Mutex::default(), context });
    Controller::new(TAINT_EVICTION)
        .watches(&nodes, move |change| match change {
            Change::Applied { old, new } if old.as_ref().is_none_or(|old| taints::of(old) != taints::of(new)) => {
                let pods = on_node.by_index(pods::NODE_INDEX, new.name());
                pods.into_iter().map(|pod| pod.key()).collect()
            }
            _ => Vec::new(),
        })
        .watches(&pods, move |change| pod_changed(&tainted, change))
        .workers(WORKERS)
        .run(shutdown, move |key| {
            let evictor = Arc::clone(&evictor);
            async move { evictor.reconcile(&key).await }
        })
        .await;
}

/// A pod matters when it has come to a tainted node; that it leaves matters where it was marked.
fn pod_changed(nodes: &Reader<Node>, change: &Change<Pod>) -> Vec<ObjectKey> {
    let pod = change.object();
    let tolerations = |pod: &Pod| pod.spec.as_ref().and_then(|s| s.tolerations.clone());
    let moved = match change {
        Change::Applied { old: Some(old), new } => {
            pods::node_name(old) != pods::node_name(new) || tolerations(old) != tolerations(new)
        }
        _ => true,
    };
    let node = || nodes.get(&ObjectKey::cluster(pods::node_name(pod)));
    let tainted = || node().is_some_and(|node| taints::of(&node).iter().any(|t| t.effect == "NoExecute"));
    if moved && !pods::node_name(pod).is_empty() && tainted() { vec![pod.key()] } else { Vec::new() }
}

#[derive(Debug)]
struct Evictor {
    context: Context,
    nodes: Reader<Node>,
    pods: Reader<Pod>,
    /// Pods that must go when their time has come. Each is looked at again then, at the latest, and forgotten.
    marked: Mutex<HashMap<ObjectKey, Marked>>,
}

/// A pod that was found on a node whose taints it tolerates for a time.
#[derive(Clone, Debug)]
struct Marked {
    uid: String,
    seen: Seen,
}

impl Evictor {
    fn marked(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, Marked>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let marked = self.marked().remove(key);
        let Some(pod) = self.pods.get(key).filter(|pod| !pods::is_terminating(pod)) else { return Ok(Action::Done) };
        let marked = marked.filter(|marked| marked.uid == pod.uid());
        let now = self.context.now();
        let node = self.nodes.get(&ObjectKey::cluster(pods::node_name(&pod)));
        let taints = node.as_deref().map(taints::of).unwrap_or_default();
        let seen = marked.as_ref().map(|marked| marked.seen.clone()).unwrap_or_default().under(taints, now);
        let fate = eviction::fate(&pod, taints, &seen, now);
        let recorder = &self.context.recorder;
        let reference = object_reference(&*pod);
        match fate {
            Fate::Stays => {
                if marked.is_some() {
                    let message = format!("Cancelling deletion of Pod {key}");
                    recorder.event(&reference, EventType::Normal, "TaintManagerEviction", message);
                }
                Ok(Action::Done)
            }
            Fate::GoesAfter(left) => {
                self.marked().insert(key.clone(), Marked { uid: pod.uid().to_owned(), seen });
                Ok(Action::RequeueAfter(left))
            }
            Fate::Goes => {
                let message = format!("Marking for deletion Pod {key}");
                recorder.event(&reference, EventType::Normal, "TaintManagerEviction", message);
                let evicted = self.evict(&pod).await;
                if evicted.is_err() {
                    // It is tried again, and its time must not begin anew then.
                    self.marked().extend(marked.map(|marked| (key.clone(), marked)));
                }
                evicted.map(|()| Action::Done)
            }
        }
    }

    async fn evict(&self, pod: &Pod) -> Result<(), Error> {
        let api = Api::<Pod>::namespaced(self.context.client.clone(), pod.namespace());
        let condition = eviction::disruption_target(self.context.now());
        let patch = json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]}});
        match api.patch_status(pod.name(), &PatchParams::default(), &Patch::Strategic(patch)).await {
            Err(error) if error.is_not_found() || error.is_conflict() => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        match api.delete(pod.name(), &DeleteParams::default().uid(pod.uid())).await {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}
