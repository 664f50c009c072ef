//! A control plane in a test: what is there at once, and who may do what.

use crate::{eventually, map};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Secret, Service, ServiceAccount};
use kubekit_cluster::{Cluster, identity};
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_runtime::environment::SystemClock;
use kubekit_runtime::{Api, DeleteParams, ListParams, TypedObject};
use kubekit_server::identity::UserInfo;
use std::sync::Arc;
use std::time::Instant;

#[tokio::test]
async fn the_first_create_succeeds_and_the_namespace_is_furnished() {
    let start = Instant::now();
    let cluster = Cluster::in_memory().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "default");
    maps.create(&map("a")).await.unwrap();
    println!("control plane and first create: {:?}", start.elapsed());

    let service = Api::<Service>::namespaced(cluster.client(), "default").get("kubernetes").await.unwrap();
    assert_eq!(service.spec.unwrap().cluster_ip.as_deref(), Some("10.96.0.1"));
    Api::<ServiceAccount>::namespaced(cluster.client(), "kube-system").get("default").await.unwrap();
    eventually("the root CA is published", async || maps.get("kube-root-ca.crt").await.is_ok()).await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_namespace_that_is_deleted_is_emptied_and_goes() {
    let cluster = Cluster::in_memory().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("work".to_owned());
    namespaces.create(&namespace).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "work");
    maps.create(&map("a")).await.unwrap();
    namespaces.delete("work", &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", async || namespaces.get_opt("work").await.unwrap().is_none()).await;
    assert!(maps.list(&ListParams::default()).await.unwrap().items.is_empty());
    cluster.stop().await.unwrap();
}

async fn may_list<K: TypedObject>(cluster: &Cluster, user: UserInfo) -> bool {
    match Api::<K>::all(cluster.client_as(user)).list(&ListParams::default()).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_forbidden(), "{error}");
            false
        }
    }
}

#[tokio::test]
async fn components_may_do_what_their_roles_say_and_no_more() {
    let cluster = Cluster::builder().without_controllers().without_scheduler().start().await.unwrap();
    for (user, nodes, secrets) in [
        (identity::administrator(), true, true),
        (identity::scheduler(), true, false),
        (identity::proxy(), true, false),
        (identity::controller("deployment-controller"), false, false),
        (identity::controller("node-controller"), true, false),
        (identity::service_account("default", "default"), false, false),
    ] {
        let name = user.name.clone();
        assert_eq!(may_list::<Node>(&cluster, user.clone()).await, nodes, "{name} lists nodes");
        assert_eq!(may_list::<Secret>(&cluster, user).await, secrets, "{name} lists secrets");
    }
    for user in [identity::scheduler(), identity::proxy(), identity::node("n"), identity::controller_manager()] {
        assert!(!user.groups.iter().any(|group| group == "system:masters"), "{user:?}");
    }
    cluster.stop().await.unwrap();
}

#[track_caller]
fn check_refused(outcome: kubekit_cluster::Result<Cluster>, expected: &str) {
    assert_eq!(outcome.err().map(|error| error.to_string()).as_deref(), Some(expected));
}

#[tokio::test]
async fn nodes_have_names_of_their_own() {
    let runtime = || Arc::new(Simulated::new(simulated::Config::default(), Arc::new(SystemClock)));
    let node = |name: &str| Cluster::builder().node(name, runtime(), "unused");
    check_refused(
        node("node-2").simulated_nodes(1).start().await,
        "cannot start the agent of node node-2: there are two nodes of this name",
    );
    let error = node("My_Machine").start().await.unwrap_err().to_string();
    assert!(error.starts_with("cannot start the agent of node My_Machine: a lowercase RFC 1123 subdomain"), "{error}");
}

#[tokio::test]
async fn clusters_do_not_know_each_other() {
    let (one, other) = (Cluster::in_memory().await.unwrap(), Cluster::in_memory().await.unwrap());
    Api::<ConfigMap>::namespaced(one.client(), "default").create(&map("a")).await.unwrap();
    assert_eq!(Api::<ConfigMap>::namespaced(other.client(), "default").get_opt("a").await.unwrap(), None);
    assert!(one.url().is_none() && one.kubeconfig(&kubekit_server::pki::Subject::administrator()).is_err());
}
