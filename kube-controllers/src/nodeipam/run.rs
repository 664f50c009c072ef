//! The shell: watches nodes and writes their ranges.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Node, ObjectReference};
use kubekit_runtime::{
    Action, Api, Controller, Error, EventType, Object as _, ObjectKey, Patch, PatchParams, Reader, object_reference,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::decide::{self, Ranges};
use crate::context::Context;

const CONTROLLER: &str = "node-ipam-controller";

/// Gives nodes their part of `ranges`, of which nothing is given out yet, until `shutdown`.
pub async fn run(context: Context, ranges: Ranges, shutdown: CancellationToken) {
    let nodes = context.informers.informer::<Node>();
    // What nodes have must be known before anything is given out.
    if shutdown.run_until_cancelled(nodes.wait_synced()).await != Some(true) {
        return;
    }
    let shell = Arc::new(Shell { nodes: nodes.reader(), ranges: Mutex::new(ranges), context });
    for node in shell.nodes.list() {
        shell.ranges().occupy(&node);
    }
    Controller::new(CONTROLLER)
        .watches(&nodes, |change| vec![change.key()])
        .run(shutdown, move |key| {
            let shell = Arc::clone(&shell);
            async move { shell.reconcile(&key).await }
        })
        .await;
}

#[derive(Debug)]
struct Shell {
    context: Context,
    nodes: Reader<Node>,
    ranges: Mutex<Ranges>,
}

impl Shell {
    fn ranges(&self) -> std::sync::MutexGuard<'_, Ranges> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let Some(node) = self.nodes.get(key) else {
            self.ranges().release(&key.name);
            return Ok(Action::Done);
        };
        if !decide::written(&node).is_empty() {
            self.ranges().occupy(&node);
            return Ok(Action::Done);
        }
        let allocated = self.ranges().allocate(&key.name);
        let ranges = match allocated {
            Ok(ranges) => ranges,
            Err(error) => {
                let reference = ObjectReference { uid: Some(key.name.clone()), ..object_reference(&*node) };
                let message = format!("Node {key} status is now: CIDRNotAvailable");
                self.context.recorder.event(&reference, EventType::Normal, "CIDRNotAvailable", message);
                tracing::warn!(name = key.name, %error, "no range of pod addresses is left for a node");
                // A node that goes gives its range back, but nothing tells this one of it.
                return Ok(Action::RequeueAfter(std::time::Duration::from_secs(30)));
            }
        };
        let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        let patch = json!({
            "metadata": {"uid": node.uid()},
            "spec": {"podCIDR": texts.first(), "podCIDRs": texts},
        });
        let api = Api::<Node>::all(self.context.client.clone());
        match api.patch(&key.name, &PatchParams::default(), &Patch::Strategic(patch)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(Action::Done),
        }
    }
}
