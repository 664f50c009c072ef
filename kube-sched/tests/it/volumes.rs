//! Volumes through the driver against a real API server; the test is the volume controller and the provisioner.

use crate::driver::{Rig, node_of, parse};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use kubekit_runtime::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

impl Rig {
    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.admin(), "default")
    }

    fn volumes(&self) -> Api<PersistentVolume> {
        Api::all(self.admin())
    }

    async fn add_class(&self, name: &str, provisioner: &str) {
        let class = json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"});
        Api::<StorageClass>::all(self.admin()).create(&parse(class)).await.expect("a class");
    }

    async fn add_claim(&self, name: &str, class: &str) {
        let claim = json!({"metadata": {"name": name}, "spec": {
            "storageClassName": class, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}});
        self.claims().create(&parse(claim)).await.expect("a claim");
    }

    async fn add_volume(&self, name: &str, class: &str, node: &str) {
        let volume = json!({"metadata": {"name": name}, "spec": {
            "storageClassName": class, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"},
            "local": {"path": "/data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": [
                {"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}});
        let volumes = self.volumes();
        let mut volume = volumes.create(&parse(volume)).await.expect("a volume");
        volume.status = parse(json!({"phase": "Available"}));
        volumes.replace_status(&volume).await.expect("available");
    }

    async fn add_user(&self, name: &str, claim: &str) {
        let pod = json!({"metadata": {"name": name}, "spec": {
            "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]}});
        self.pods().create(&parse::<Pod>(pod)).await.expect("a pod");
    }

    /// Does what the volume controller does to a claim.
    async fn complete(&self, claim: &str, volume: &str) {
        let patch = json!({
            "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"volumeName": volume}});
        self.claims().patch(claim, &PatchParams::default(), &Patch::Merge(patch)).await.expect("bound");
    }

    async fn until_some<T, F: Future<Output = Option<T>>>(&self, what: &str, look: impl Fn() -> F) -> T {
        let wait = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
    }
}

#[tokio::test]
async fn a_volume_is_provisioned_where_the_pod_goes() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "2").await;
    rig.add_class("fast", "csi.example.com").await;
    rig.add_claim("data", "fast").await;
    rig.add_user("p", "data").await;
    let node = rig
        .until_some("the claim names the node", || async {
            let claim = rig.claims().get("data").await.expect("the claim");
            claim.metadata.annotations?.get("volume.kubernetes.io/selected-node").cloned()
        })
        .await;
    assert_eq!(node, "a");
    assert!(rig.list().await.iter().all(|pod| node_of(pod).is_none()), "the pod waits for its volume");
    rig.add_volume("pv", "fast", "a").await;
    rig.complete("data", "pv").await;
    rig.until("the pod is bound", |pods| pods.iter().all(|pod| node_of(pod) == Some("a"))).await;
    rig.finish().await;
}

#[tokio::test]
async fn a_local_volume_draws_the_pod_to_its_node() {
    let rig = Rig::new(1).await;
    for node in ["a", "b", "c"] {
        rig.add_node(node, "2").await;
    }
    rig.add_class("local", "kubernetes.io/no-provisioner").await;
    rig.add_volume("pv", "local", "b").await;
    rig.add_claim("data", "local").await;
    rig.add_user("p", "data").await;
    let promised: Value = rig
        .until_some("the volume is promised to the claim", || async {
            let volume = rig.volumes().get("pv").await.expect("the volume");
            volume.spec?.claim_ref.map(|claim| json!([claim.namespace, claim.name]))
        })
        .await;
    assert_eq!(promised, json!(["default", "data"]));
    rig.complete("data", "pv").await;
    rig.until("the pod is bound", |pods| pods.iter().all(|pod| node_of(pod) == Some("b"))).await;
    rig.finish().await;
}

#[tokio::test]
async fn preemption_spares_what_a_budget_protects() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "1").await;
    rig.add_pod("protected", "1", None).await;
    rig.until("it is bound", |pods| pods.iter().all(|pod| node_of(pod) == Some("a"))).await;
    let label = json!({"metadata": {"labels": {"app": "db"}}});
    rig.pods().patch("protected", &PatchParams::default(), &Patch::Merge(label)).await.expect("a label");
    let budget =
        json!({"metadata": {"name": "db"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}}});
    Api::<PodDisruptionBudget>::namespaced(rig.admin(), "default").create(&parse(budget)).await.expect("a budget");
    rig.add_node("b", "1").await;
    rig.add_pod("other", "1", None).await;
    rig.until("both are bound", |pods| pods.iter().all(|pod| node_of(pod).is_some())).await;
    rig.add_pod("greater", "1", Some(1)).await;
    let pods = rig
        .until("one is being deleted", |pods| pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()))
        .await;
    let leaving: Vec<_> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()).collect();
    assert_eq!(leaving.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect::<Vec<_>>(), ["other"]);
    rig.finish().await;
}
