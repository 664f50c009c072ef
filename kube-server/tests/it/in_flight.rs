//! How many requests are served at a time: places are given back, however a request ends.

use crate::harness::{CONFIG_MAPS, Harness, config_map, request};
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kubekit_core::status::ApiError;
use kubekit_server::admission::{Admission, AdmissionRequest};
use kubekit_server::identity::UserInfo;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tower::ServiceExt;

/// A plugin with a mistake in it.
#[derive(Debug)]
struct Panics;

impl Admission for Panics {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
        assert_ne!(request.name, "boom", "as this test wants it");
        Ok(())
    }
}

fn alice() -> UserInfo {
    UserInfo::new("alice", ["people"])
}

/// A server with one place for changes and no line before it, and Alice, who may do everything but has no privileges.
async fn one_place() -> Harness {
    let h = Harness::with(|builder| {
        builder.admission(Arc::new(Panics)).configure(|config| {
            config.mutating_in_flight_max = 1;
            config.queued_max = 0;
        })
    })
    .await;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": {"name": "alice"}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
    });
    h.made("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding).await;
    h.as_user(alice())
}

type Never = futures::stream::Pending<Result<Frame<Bytes>, Infallible>>;

/// A create whose body never comes.
fn stuck() -> Request<StreamBody<Never>> {
    request(Method::POST, CONFIG_MAPS, &[], "").map(|_| StreamBody::new(futures::stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn a_request_that_makes_the_server_panic_gives_its_place_back() {
    let h = one_place().await;
    for name in ["boom", "boom"] {
        h.post(CONFIG_MAPS, &config_map(name)).await.refused(
            500,
            "InternalError",
            "This request caused apiserver to panic. Look in the logs for details.",
        );
    }
    h.made(CONFIG_MAPS, config_map("a")).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_gives_its_place_back() {
    let h = one_place().await;
    let mut gone = Box::pin(h.server.as_user(alice()).oneshot(stuck()));
    assert!(gone.as_mut().now_or_never().is_none(), "it waits for the body");
    assert_eq!(h.post(CONFIG_MAPS, &config_map("a")).await.code, 429);
    drop(gone);
    h.made(CONFIG_MAPS, config_map("a")).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_ends_with_the_requests_time() {
    let h = one_place().await;
    let began = tokio::time::Instant::now();
    let answer = h.server.as_user(alice()).oneshot(stuck()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(began.elapsed(), h.server.config().request_timeout);
    h.made(CONFIG_MAPS, config_map("a")).await;
}
