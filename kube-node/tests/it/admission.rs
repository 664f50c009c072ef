//! Pods that somebody has bound to a node without room for them.

use k8s_openapi::api::core::v1::Pod;
use kubekit_runtime::DeleteParams;
use serde_json::json;

use crate::world::{World, phase};

/// Binds a pod that asks for so much.
async fn bind(world: &World, name: &str, cpu: &str) {
    let pod = json!({
        "metadata": {"name": name},
        "spec": {"nodeName": "n1", "containers": [
            {"name": "a", "image": "busybox:1", "resources": {"requests": {"cpu": cpu}}},
        ]},
    });
    world.pods().create(&serde_json::from_value(pod).expect("a pod")).await.expect("created");
}

async fn pod(world: &World, name: &str) -> Pod {
    world.pods().get(name).await.expect("there")
}

async fn check_refused(world: &World) {
    let large = pod(world, "large").await;
    assert_eq!(phase(&large), "Failed");
    let status = large.status.expect("a status");
    assert_eq!(status.reason.as_deref(), Some("OutOfcpu"));
    let message = "Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000";
    assert_eq!(status.message.as_deref(), Some(format!("Pod was rejected: {message}").as_str()));
    assert_eq!((status.start_time, status.container_statuses), (None, None), "kubectl shows the reason");
    World::told(&world.events().await, "OutOfcpu", message);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_fit_fails_and_takes_no_room() {
    let world = World::new().await;
    bind(&world, "first", "3").await;
    world.after(5.0).await;
    bind(&world, "large", "2").await;
    bind(&world, "small", "1").await;
    world.after(5.0).await;
    check_refused(&world).await;
    assert_eq!(phase(&pod(&world, "small").await), "Running");

    let world = world.restart_agent().await;
    world.after(5.0).await;
    check_refused(&world).await;
    assert_eq!(phase(&pod(&world, "first").await), "Running", "what was taken up stays");

    for name in ["large", "first"] {
        world.pods().delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    world.after(60.0).await;
    assert!(world.pods().get_opt("large").await.expect("an answer").is_none());
    bind(&world, "later", "3").await;
    world.after(5.0).await;
    assert_eq!(phase(&pod(&world, "later").await), "Running");
}

/// Whose object is gone is known to nobody any more, so that its successor need not wait for the containers to end.
#[tokio::test(start_paused = true)]
async fn a_pod_that_was_deleted_by_force_takes_no_room() {
    let world = World::new().await;
    bind(&world, "first", "3").await;
    world.after(5.0).await;
    world.pods().delete("first", &DeleteParams::default().grace_period_seconds(0)).await.expect("deleted");
    bind(&world, "later", "3").await;
    world.after(60.0).await;
    assert_eq!(phase(&pod(&world, "later").await), "Running");
}

#[tokio::test(start_paused = true)]
async fn what_came_first_has_room_first_whatever_its_name() {
    let mut world = World::new().await;
    bind(&world, "z", "2").await;
    world.after(5.0).await;
    world.stop_agent().await;
    for name in ["y", "a"] {
        bind(&world, name, "2").await;
        world.after(5.0).await;
    }
    let world = world.with_agent().await;
    world.after(5.0).await;
    let mut phases = Vec::new();
    for name in ["z", "y", "a"] {
        phases.push(phase(&pod(&world, name).await));
    }
    assert_eq!(phases, ["Running", "Running", "Failed"]);
}
