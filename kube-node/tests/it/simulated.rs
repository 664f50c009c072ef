//! The simulated runtime keeps the contract, and time is `tokio::time`'s.

use std::sync::Arc;
use std::time::Duration;

use kubekit_node::runtime::conformance::{self, Fixture};
use kubekit_node::runtime::simulated::{Config, Simulated};
use kubekit_node::runtime::{ContainerRuntime, Filter, SandboxConfig};
use kubekit_runtime::environment::TokioClock;

async fn runtime() -> Simulated {
    let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time"));
    let runtime = Simulated::new(Config { node_name: "n1".into(), ..Config::default() }, Arc::new(clock));
    runtime.set_pod_cidr("10.9.8.0/29").await.expect("a range");
    runtime
}

#[tokio::test(start_paused = true)]
async fn conforms() {
    let runtime = runtime().await;
    conformance::run(&Fixture { runtime: &runtime, image: "busybox:1.36", log_root: "" }).await;
}

#[tokio::test(start_paused = true)]
async fn addresses_are_unique_and_come_back() {
    let runtime = runtime().await;
    let config = |n: u32| SandboxConfig { name: format!("p{n}"), uid: format!("u{n}"), ..SandboxConfig::default() };
    let mut ids = Vec::new();
    for n in 0..5 {
        let id = runtime.run_sandbox(&config(n)).await.expect("an address is free");
        let ips = runtime.sandbox_status(&id).await.expect("status").ips;
        assert_eq!(ips, [format!("10.9.8.{}", n + 2)]);
        ids.push(id);
    }
    let error = runtime.run_sandbox(&config(5)).await.expect_err("the range is used up");
    assert!(error.to_string().contains("no IP addresses available"), "{error}");
    runtime.stop_sandbox(&ids[2]).await.expect("stop");
    let id = runtime.run_sandbox(&config(6)).await.expect("an address is free again");
    assert_eq!(runtime.sandbox_status(&id).await.expect("status").ips, ["10.9.8.4"]);
}

#[tokio::test(start_paused = true)]
async fn identifiers_repeat_with_the_seed() {
    let (first, second) = (runtime().await, runtime().await);
    let config = SandboxConfig::default();
    let ids = (first.run_sandbox(&config).await.expect("run"), second.run_sandbox(&config).await.expect("run"));
    assert_eq!(ids.0, ids.1);
    assert_eq!(ids.0.len(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_lost_sandbox_is_not_ready() {
    let runtime = runtime().await;
    let id = runtime.run_sandbox(&SandboxConfig::default()).await.expect("run");
    runtime.crash_sandbox(&id);
    let listed = runtime.list_sandboxes(&Filter::default()).await.expect("list");
    assert_eq!(listed[0].state, kubekit_node::runtime::SandboxState::NotReady);
    tokio::time::sleep(Duration::from_millis(1)).await;
}
