//! Pods that wait in Permit, with a driver and a real API server.

use crate::driver::{Rig, condition, node_of, until};
use kubekit_sched::driver::Config;
use kubekit_sched::framework::{Permit, PermitDecision, WaitingPods};
use kubekit_sched::{Cluster, Pod, Profile};
use std::time::Duration;

/// Lets pods through in pairs: the first waits for the second.
#[derive(Debug)]
struct Pairs {
    waiting: WaitingPods,
    at_most: Duration,
}

impl Permit for Pairs {
    fn name(&self) -> &'static str {
        "Pairs"
    }
    fn permit(&self, _: &Cluster, _: &Pod, _: &str) -> PermitDecision {
        match self.waiting.iter().next() {
            Some(other) => {
                other.allow("Pairs");
                PermitDecision::Allow
            }
            None => PermitDecision::Wait(self.at_most),
        }
    }
}

fn pairs(at_most: Duration) -> (Config, WaitingPods) {
    let mut config = Config::default();
    let waiting = config.waiting_pods.clone();
    config.profile = Profile::default_builder().permit(Pairs { waiting: waiting.clone(), at_most }).build();
    (config, waiting)
}

#[tokio::test]
async fn pods_wait_for_each_other_and_keep_their_places() {
    let (config, waiting) = pairs(Duration::from_secs(600));
    let rig = Rig::with(vec![config]).await;
    rig.add_node("a", "2").await;
    rig.add_pod("first", "1", None).await;
    until("a pod waits", || !waiting.is_empty()).await;
    assert_eq!(
        waiting.iter().map(|pod| (pod.pod().name.to_string(), pod.node().to_owned())).next(),
        Some(("first".to_owned(), "a".to_owned()))
    );
    assert!(rig.list().await.iter().all(|pod| node_of(pod).is_none()), "it is not bound yet");
    rig.add_pod("second", "1", None).await;
    rig.until("both are bound", |pods| pods.iter().all(|pod| node_of(pod) == Some("a"))).await;
    rig.finish().await;
}

#[tokio::test]
async fn a_pod_that_waits_in_vain_says_so() {
    let (config, _) = pairs(Duration::from_millis(20));
    let rig = Rig::with(vec![config]).await;
    rig.add_node("a", "2").await;
    rig.add_pod("alone", "1", None).await;
    let pods =
        rig.until("it says why", |pods| pods.iter().any(|pod| condition(pod).is_some_and(|c| c.0 == "False"))).await;
    let (_, reason, message) = condition(&pods[0]).expect("it was just there");
    let expected = "0/1 nodes are available: 1 rejected due to timeout after waiting 20ms at plugin Pairs.";
    assert_eq!((reason, message), ("Unschedulable", expected));
    rig.finish().await;
}
