//! Headers, failures, and when a request is tried again.

use crate::fake::{Fake, Fault, map};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::client::empty_request;
use kubekit_runtime::{Api, Error, Impersonation};
use std::time::Duration;
use tokio::time::Instant;

fn maps(server: &Fake) -> Api<ConfigMap> {
    Api::namespaced(server.client(), "ns")
}

#[tokio::test]
async fn who_asks_is_said_in_headers() {
    let server = Fake::default();
    let client = server.client().with_user_agent("my-operator/1.0").unwrap().with_bearer_token("t0ken\n").unwrap();
    let _ = Api::<ConfigMap>::namespaced(client, "ns").get("a").await;
    let headers = server.last_headers();
    assert_eq!(headers["user-agent"], "my-operator/1.0");
    assert_eq!(headers["authorization"], "Bearer t0ken");
    assert_eq!(headers["accept"], "application/json");

    let client = server.client().with_basic_auth("alice", "secret").unwrap();
    let _ = Api::<ConfigMap>::namespaced(client.clone(), "ns").get("a").await;
    assert_eq!(server.last_headers()["authorization"], "Basic YWxpY2U6c2VjcmV0");
    assert!(!format!("{client:?}").contains("YWxp"), "a client shows no secret");

    let (token, receiver) = tokio::sync::watch::channel("first".to_owned());
    let maps = Api::<ConfigMap>::namespaced(server.client().with_rotating_token(receiver), "ns");
    for text in ["first", "second"] {
        token.send_replace(text.to_owned());
        let _ = maps.get("a").await;
        assert_eq!(server.last_headers()["authorization"], format!("Bearer {text}"));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_first_token() {
    let server = Fake::default();
    let (token, receiver) = tokio::sync::watch::channel(String::new());
    let maps = Api::<ConfigMap>::namespaced(server.client().with_rotating_token(receiver), "ns");
    let request = tokio::spawn(async move { maps.get("a").await.map(drop) });
    crate::fake::settle().await;
    assert_eq!(server.requests(), [""; 0]);
    token.send_replace("late".to_owned());
    request.await.unwrap().unwrap_err();
    assert_eq!(server.last_headers()["authorization"], "Bearer late");
}

#[tokio::test]
async fn whom_a_client_acts_as_is_said_in_headers() {
    let server = Fake::default();
    let jane = Impersonation { user: "jane".into(), groups: vec!["a".into(), "b".into()], ..Impersonation::default() };
    let maps = Api::<ConfigMap>::namespaced(server.client().with_impersonation(jane), "ns");
    let _ = maps.get("a").await;
    let headers = server.last_headers();
    assert_eq!(headers["impersonate-user"], "jane");
    assert_eq!(headers.get_all("impersonate-group").iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[track_caller]
fn check(error: &Error, text: &str) {
    assert_eq!(error.chain(), text);
}

#[tokio::test(start_paused = true)]
async fn failures_say_what_failed() {
    let server = Fake::default();
    server.fault(Fault::Status(403, "Forbidden", None));
    let error = maps(&server).get("a").await.unwrap_err();
    assert!(error.is_forbidden());
    check(&error, "commanded");

    server.fault(Fault::Text(502, "bad gateway"));
    check(&maps(&server).get("a").await.unwrap_err(), "the server answered with HTTP status 502: bad gateway");

    server.fault(Fault::Text(200, "<html>"));
    check(
        &maps(&server).get("a").await.unwrap_err(),
        "GET /api/v1/namespaces/ns/configmaps/a: cannot decode the answer: expected value at line 1 column 1",
    );

    server.fault(Fault::Hang);
    let start = Instant::now();
    check(
        &maps(&server).create(&map("ns", "a", "1")).await.unwrap_err(),
        "POST /api/v1/namespaces/ns/configmaps: no answer from the API server within 60s",
    );
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_come_back_later_is_asked_again() {
    let server = Fake::default();
    server.put_map("ns", "a", "1");
    server.fault(Fault::Status(429, "TooManyRequests", Some(1)));
    server.fault(Fault::Status(503, "ServiceUnavailable", Some(2)));
    let start = Instant::now();
    maps(&server).get("a").await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn but_not_for_ever_and_not_unasked() {
    let server = Fake::default();
    for _ in 0..20 {
        server.fault(Fault::Status(429, "TooManyRequests", Some(1)));
    }
    let error = maps(&server).get("a").await.unwrap_err();
    assert!(error.is_too_many_requests());
    assert_eq!(server.requests().len(), 10);

    let server = Fake::default();
    server.fault(Fault::Status(500, "InternalError", None));
    maps(&server).get("a").await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "without Retry-After, the caller decides");
}

#[tokio::test]
async fn a_service_that_fails_is_no_answer() {
    let service = tower::service_fn(|_request: http::Request<kubekit_runtime::Body>| async {
        Err::<http::Response<kubekit_runtime::Body>, _>(std::io::Error::other("connection refused"))
    });
    let error =
        Api::<ConfigMap>::all(kubekit_runtime::Client::new(service)).list(&Default::default()).await.unwrap_err();
    check(&error, "GET /api/v1/configmaps: no answer from the API server: connection refused");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_come_back_too_late_is_given_and_not_waited_out() {
    let server = Fake::default();
    for _ in 0..3 {
        server.fault(Fault::Status(429, "TooManyRequests", Some(30)));
    }
    let start = Instant::now();
    let error = maps(&server).get("a").await.unwrap_err();
    assert!(error.is_too_many_requests(), "{error}");
    assert_eq!(start.elapsed(), Duration::from_secs(30), "the second wait would end with the time-out");
}

#[tokio::test]
async fn lines_of_a_log_are_given_as_they_are() {
    let server = Fake::default();
    server.fault(Fault::Text(200, "first\n\n  third\nlast"));
    let request = empty_request(http::Method::GET, "/api/v1/namespaces/ns/pods/p/log", "*/*").unwrap();
    let lines = server.client().request_lines(request, 100).await.unwrap();
    let lines: Vec<_> = lines.map(|line| line.unwrap()).collect().await;
    assert_eq!(lines, ["first", "", "  third", "last"]);
}
