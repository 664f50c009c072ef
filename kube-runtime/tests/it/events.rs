//! Events as they arrive at the server.

use crate::fake::{Fake, Fault, settle};
use k8s_openapi::api::core::v1::ObjectReference;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{EventType, Recorder};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn pod(name: &str) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".into()),
        namespace: Some("ns".into()),
        name: Some(name.into()),
        ..ObjectReference::default()
    }
}

/// A recorder whose writer runs.
fn recorder(server: &Fake) -> Recorder {
    let (recorder, writer) = Recorder::new(server.client(), "kubelet", "node-1", Environment::system());
    tokio::spawn(writer.run(CancellationToken::new()));
    recorder
}

/// `count reason message` of each event.
fn events(server: &Fake) -> Vec<String> {
    server
        .objects("/api/v1 events")
        .iter()
        .map(|event| format!("{} {} {}", event["count"], event["reason"], event["message"]).replace('"', ""))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_repeats_is_one_object_with_a_count() {
    let server = Fake::default();
    let recorder = recorder(&server);
    for _ in 0..3 {
        recorder.event(&pod("a"), EventType::Warning, "BackOff", "Back-off restarting failed container");
    }
    settle().await;
    assert_eq!(events(&server), ["3 BackOff Back-off restarting failed container"]);
    let event = server.objects("/api/v1 events").remove(0);
    assert_eq!(event["source"], serde_json::json!({"component": "kubelet", "host": "node-1"}));
    assert_eq!(event["metadata"]["namespace"], "ns");
    assert_eq!(event["type"], "Warning");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_has_been_deleted_meanwhile_is_created_again() {
    let server = Fake::default();
    let recorder = recorder(&server);
    recorder.event(&pod("a"), EventType::Normal, "Pulled", "done");
    settle().await;
    server.fault(Fault::Status(404, "NotFound", None));
    recorder.event(&pod("a"), EventType::Normal, "Pulled", "done");
    settle().await;
    let requests = server.requests();
    assert!(requests[1].starts_with("PATCH ") && requests[2].starts_with("POST "), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn what_got_no_answer_is_sent_again_what_was_refused_is_not() {
    let server = Fake::default();
    let recorder = recorder(&server);
    server.fault(Fault::Hang);
    recorder.event(&pod("a"), EventType::Normal, "Pulled", "done");
    tokio::time::sleep(Duration::from_secs(71)).await;
    assert_eq!(events(&server), ["1 Pulled done"]);
    server.fault(Fault::Status(403, "Forbidden", None));
    recorder.event(&pod("b"), EventType::Normal, "Pulled", "done");
    tokio::time::sleep(Duration::from_secs(71)).await;
    assert_eq!(events(&server), ["1 Pulled done"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_answer_was_lost_is_counted_on() {
    let server = Fake::default();
    let recorder = recorder(&server);
    server.fault(Fault::LoseAnswer);
    recorder.event(&pod("a"), EventType::Normal, "Pulled", "done");
    tokio::time::sleep(Duration::from_secs(71)).await;
    recorder.event(&pod("a"), EventType::Normal, "Pulled", "done");
    settle().await;
    assert_eq!(events(&server), ["2 Pulled done"]);
}

#[tokio::test(start_paused = true)]
async fn recording_never_waits() {
    let server = Fake::default();
    server.set_down(true);
    let recorder = recorder(&server);
    for index in 0..3000 {
        recorder.event(&pod(&format!("p{index}")), EventType::Normal, "Pulled", "done");
    }
    assert_eq!(recorder.dropped(), 2000);
}

#[tokio::test(start_paused = true)]
async fn the_writer_ends_on_shutdown_and_without_recorders() {
    let server = Fake::default();
    let (recorder, writer) = Recorder::new(server.client(), "kubelet", "", Environment::system());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(writer.run(shutdown.clone()));
    shutdown.cancel();
    running.await.unwrap();
    drop(recorder);

    let (recorder, writer) = Recorder::new(server.client(), "kubelet", "", Environment::system());
    drop(recorder);
    writer.run(CancellationToken::new()).await;
}
