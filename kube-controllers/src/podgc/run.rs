//! The shell: looks periodically, and deletes.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kubekit_runtime::{Api, DeleteParams, Error, Object as _, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::decide::{Collector, Config, Reason};
use crate::context::Context;
use crate::pods;

/// Collects pods until `shutdown`.
pub async fn run(context: Context, config: Config, shutdown: CancellationToken) {
    let pods = context.informers.informer::<Pod>();
    let nodes = context.informers.informer::<Node>();
    let synced = async { pods.wait_synced().await && nodes.wait_synced().await };
    if shutdown.run_until_cancelled(synced).await != Some(true) {
        return;
    }
    let mut collector = Collector::default();
    let start = Instant::now();
    let mut ticks = tokio::time::interval(config.period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let (pods, nodes) = (pods.reader().list(), nodes.reader().list());
        for (pod, reason) in collector.look(&config, &pods, &nodes, start.elapsed()) {
            if let Err(error) = collect(&context, &pod, reason).await {
                let (namespace, name) = (pod.namespace(), pod.name());
                tracing::warn!(namespace, name, error = %error.chain(), "a pod could not be collected");
            }
        }
    }
}

async fn collect(context: &Context, pod: &Pod, reason: Reason) -> Result<(), Error> {
    // The cache may lack a node that has just joined.
    if reason == Reason::Orphaned {
        let node = Api::<Node>::all(context.client.clone()).get_opt(pods::node_name(pod)).await?;
        if node.is_some() {
            return Ok(());
        }
    }
    let api = Api::<Pod>::namespaced(context.client.clone(), pod.namespace());
    if !pods::is_terminal(pod) {
        // Nobody else will write the phase of a pod without an agent.
        let conditions: Vec<_> = reason.condition(context.now()).into_iter().collect();
        let status = json!({"phase": "Failed", "conditions": conditions});
        let patch = Patch::Strategic(json!({"metadata": {"uid": pod.uid()}, "status": status}));
        match api.patch_status(pod.name(), &PatchParams::default(), &patch).await {
            Err(error) if error.is_not_found() || error.is_conflict() => return Ok(()),
            result => drop(result?),
        }
    }
    let params = DeleteParams::default().uid(pod.uid()).grace_period_seconds(0);
    match api.delete(pod.name(), &params).await {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}
