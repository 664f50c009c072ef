//! Workloads on simulated nodes, from the Deployment to what is left after it.

use crate::{deployment, eventually};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use kubekit_cluster::{Cluster, Watching};
use kubekit_runtime::environment::{Environment, SeededRandom, TokioClock};
use kubekit_runtime::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use std::sync::Arc;

async fn cluster(nodes: usize) -> Cluster {
    Cluster::builder().simulated_nodes(nodes).start().await.expect("an answer")
}

async fn available(cluster: &Cluster, name: &str) -> i32 {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.get(name).await.expect("an answer").status.and_then(|status| status.available_replicas).unwrap_or(0)
}

async fn pods(cluster: &Cluster) -> Vec<Pod> {
    Api::<Pod>::namespaced(cluster.client(), "default").list(&ListParams::default()).await.expect("an answer").items
}

#[tokio::test]
async fn a_deployment_runs_scales_and_leaves_nothing() {
    let cluster = cluster(3).await;
    let nodes: Api<Node> = Api::all(cluster.client());
    eventually("three nodes take pods", async || {
        let takes_pods = |node: &&Node| is_ready(node) && node.spec.as_ref().is_none_or(|spec| spec.taints.is_none());
        nodes.list(&ListParams::default()).await.unwrap().items.iter().filter(takes_pods).count() == 3
    })
    .await;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.create(&deployment("web", 3)).await.unwrap();
    eventually("three pods run", async || available(&cluster, "web").await == 3).await;
    let scale = Patch::Merge(json!({"spec": {"replicas": 10}}));
    deployments.patch("web", &PatchParams::default(), &scale).await.unwrap();
    eventually("ten pods run", async || available(&cluster, "web").await == 10).await;
    let nodes: std::collections::BTreeSet<_> =
        pods(&cluster).await.into_iter().filter_map(|pod| pod.spec.and_then(|spec| spec.node_name)).collect();
    assert_eq!(nodes.len(), 3, "they are spread");
    deployments.delete("web", &DeleteParams::background()).await.unwrap();
    eventually("nothing is left", async || {
        let sets = Api::<ReplicaSet>::all(cluster.client()).list(&ListParams::default()).await.unwrap();
        pods(&cluster).await.is_empty() && sets.items.is_empty()
    })
    .await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_summary_follows() {
    let cluster = cluster(2).await;
    let mut watching = Watching::new(&cluster.client(), &cluster.environment().random);
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.create(&deployment("web", 2)).await.unwrap();
    let followed = async {
        while watching.summary().to_string() != "nodes 2/2 ready; pods 2: 2 Running" {
            watching.changed().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), followed).await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_node_that_falls_silent_are_replaced_and_the_node_comes_back() {
    // Tolerations are counted by the wall clock, which must go with the paused one.
    let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
    let environment = Environment { clock: Arc::new(clock), random: Arc::new(SeededRandom::new(1)) };
    let mut cluster = Cluster::builder().environment(environment).simulated_nodes(2).start().await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.create(&deployment("web", 4)).await.unwrap();
    eventually("four pods run", async || available(&cluster, "web").await == 4).await;

    cluster.stop_node("node-2").await;
    silent(&cluster, "node-2").await;
    cluster.start_node("node-2");
    let nodes: Api<Node> = Api::all(cluster.client());
    eventually("the node is ready again", async || is_ready(&nodes.get("node-2").await.unwrap())).await;
    cluster.stop().await.unwrap();
}

/// Waits until a node is not ready and its pods run elsewhere: 40 s of silence and five minutes of tolerance.
async fn silent(cluster: &Cluster, name: &str) {
    let nodes: Api<Node> = Api::all(cluster.client());
    let moved = async {
        loop {
            let running_elsewhere = pods(cluster)
                .await
                .iter()
                .filter(|pod| pod.metadata.deletion_timestamp.is_none())
                .all(|pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) != Some(name));
            if !is_ready(&nodes.get(name).await.expect("in time"))
                && running_elsewhere
                && available(cluster, "web").await == 4
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(600), moved).await.expect("in time");
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
