//! Namespaces get what they need, and leave nothing behind.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use kubekit_controllers::Config;
use kubekit_runtime::{Api, DeleteParams, ListParams, TypedObject};
use serde_json::json;

use crate::cluster::{Cluster, workload};

async fn count<K: TypedObject>(cluster: &Cluster, namespace: &str) -> usize {
    Api::<K>::namespaced(cluster.client(), namespace).list(&ListParams::default()).await.unwrap().items.len()
}

#[tokio::test(start_paused = true)]
async fn a_namespace_gets_its_account_and_the_root_certificate_back() {
    let mut cluster = Cluster::stopped().await;
    let mut config = Config::default();
    config.root_ca = "PEM".into();
    cluster.run(config);
    cluster.create::<Namespace>(json!({"metadata": {"name": "team"}})).await;
    let accounts = Api::<ServiceAccount>::namespaced(cluster.client(), "team");
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), "team");
    let account = async || accounts.get_opt("default").await.unwrap().is_some();
    let published = async || {
        let map = maps.get_opt("kube-root-ca.crt").await.unwrap();
        map.and_then(|map| map.data).is_some_and(|data| data["ca.crt"] == "PEM")
    };
    cluster.eventually("it has an account", account).await;
    cluster.eventually("it has the certificate", published).await;
    accounts.delete("default", &DeleteParams::default()).await.unwrap();
    cluster.eventually("the account is back", account).await;
    let edit = kubekit_runtime::Patch::Merge(json!({"data": {"ca.crt": "evil"}}));
    maps.patch("kube-root-ca.crt", &Default::default(), &edit).await.unwrap();
    cluster.eventually("the certificate is restored", published).await;
    maps.delete("kube-root-ca.crt", &DeleteParams::default()).await.unwrap();
    cluster.eventually("the certificate is back", published).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_namespace_leaves_nothing() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Namespace>(json!({"metadata": {"name": "team"}})).await;
    cluster.create_in::<Deployment>("team", workload("web", 3, "live-1")).await;
    cluster.create_in::<Secret>("team", json!({"metadata": {"name": "s"}})).await;
    cluster.eventually("the pods are there", async || count::<Pod>(&cluster, "team").await == 3).await;
    cluster.api::<Namespace>().delete("team", &DeleteParams::default()).await.unwrap();
    cluster.until_gone::<Namespace>("team").await;
    assert_eq!(count::<Pod>(&cluster, "team").await, 0);
    assert_eq!(count::<ReplicaSet>(&cluster, "team").await, 0);
    assert_eq!(count::<Deployment>(&cluster, "team").await, 0);
    assert_eq!(count::<Secret>(&cluster, "team").await, 0);
    assert_eq!(count::<ServiceAccount>(&cluster, "team").await, 0);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_waits_for_finalizers_and_says_so() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Namespace>(json!({"metadata": {"name": "team"}})).await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    cluster.create_in::<ConfigMap>("team", held).await;
    cluster.api::<Namespace>().delete("team", &DeleteParams::default()).await.unwrap();
    let says = |namespace: &Namespace| {
        let conditions = namespace.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|c| {
            c.type_ == "NamespaceFinalizersRemaining"
                && c.status == "True"
                && c.message.as_deref()
                    == Some("Some finalizers are remaining: example.com/hold in 1 resource instances")
        })
    };
    let namespace = cluster.until::<Namespace>("team", "it says what it waits for", says).await;
    assert_eq!(namespace.status.unwrap().phase.as_deref(), Some("Terminating"));
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), "team");
    let release = kubekit_runtime::Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &Default::default(), &release).await.unwrap();
    cluster.until_gone::<Namespace>("team").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_pods_need_stays_until_they_are_gone() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Namespace>(json!({"metadata": {"name": "team"}})).await;
    cluster.create_in::<Secret>("team", json!({"metadata": {"name": "s"}})).await;
    let pod = json!({"metadata": {"name": "slow", "finalizers": ["example.com/hold"]},
                     "spec": {"containers": [{"name": "c", "image": "x"}]}});
    cluster.create_in::<Pod>("team", pod).await;
    cluster.api::<Namespace>().delete("team", &DeleteParams::default()).await.unwrap();
    let message = |namespace: &Namespace| {
        let conditions = namespace.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let remaining = conditions.into_iter().find(|c| c.type_ == "NamespaceContentRemaining" && c.status == "True");
        remaining.and_then(|c| c.message)
    };
    let waiting = cluster.until::<Namespace>("team", "it tells what is left", |n| message(n).is_some()).await;
    let text = "Some resources are remaining: pods. has 1 resource instances";
    assert_eq!(message(&waiting).as_deref(), Some(text));
    assert_eq!(count::<Secret>(&cluster, "team").await, 1);
    let release = kubekit_runtime::Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let pods = Api::<Pod>::namespaced(cluster.client(), "team");
    pods.patch("slow", &Default::default(), &release).await.unwrap();
    cluster.until_gone::<Namespace>("team").await;
    assert_eq!(count::<Secret>(&cluster, "team").await, 0);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_while_it_is_not_known_whether_pods_are_there() {
    let mut cluster = Cluster::stopped().await;
    cluster.create::<Namespace>(json!({"metadata": {"name": "team"}})).await;
    cluster.create_in::<Secret>("team", json!({"metadata": {"name": "s"}})).await;
    cluster.api::<Namespace>().delete("team", &DeleteParams::default()).await.unwrap();
    cluster.refuse("/api/v1/namespaces/team/pods");
    cluster.run(Config::default());
    let told = |namespace: &Namespace| {
        let conditions = namespace.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "NamespaceDeletionContentFailure" && c.status == "True")
    };
    cluster.until::<Namespace>("team", "it tells of the failure", told).await;
    assert_eq!(count::<Secret>(&cluster, "team").await, 1);
    cluster.stop().await;
    cluster.refuse("");
    cluster.run(Config::default());
    cluster.until_gone::<Namespace>("team").await;
    cluster.stop().await;
}
