//! An API server that counts what it is asked for. The clock is paused.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kubekit_runtime::Body;
use serde_json::{Value, json};

use super::*;
use crate::pod::fixture::pod;

/// What was asked for: the method, the path and the body.
type Asked = Arc<Mutex<Vec<(Method, String, Value)>>>;

/// A server with the ConfigMap `cm` and the Secret `sec`, that gives tokens for at most 20 minutes.
fn server() -> (Objects, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        let seen = Arc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let count = {
                let mut seen = seen.lock();
                seen.push((parts.method, parts.uri.path().to_owned(), body.clone()));
                seen.len()
            };
            Ok::<_, Infallible>(answer(parts.uri.path(), &body, count))
        }
    });
    (Objects::new(Client::new(service)), asked)
}

fn answer(path: &str, body: &Value, count: usize) -> Response<Full<Bytes>> {
    let (status, value) = match path.rsplit('/').next() {
        Some("cm") => (StatusCode::OK, json!({"metadata": {"name": "cm"}, "data": {"k": count.to_string()}})),
        Some("sec") => (StatusCode::OK, json!({"metadata": {"name": "sec"}, "data": {"k": "dg=="}})),
        Some("token") => {
            let wanted = body["spec"]["expirationSeconds"].as_i64().unwrap_or(i64::MAX);
            let spec = json!({"audiences": body["spec"]["audiences"], "expirationSeconds": wanted.min(1_200)});
            let status = json!({"token": format!("jwt-{count}"), "expirationTimestamp": "2026-01-01T00:00:00Z"});
            (StatusCode::CREATED, json!({"metadata": {}, "spec": spec, "status": status}))
        }
        _ => {
            let status =
                json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no"});
            (StatusCode::NOT_FOUND, status)
        }
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::from(value.to_string())).expect("an answer")
}

fn wanted(names: &[(Kind, &str)]) -> BTreeSet<(Kind, String)> {
    names.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn pods_that_start_together_read_an_object_once() {
    let (objects, asked) = server();
    let both = wanted(&[(Kind::ConfigMap, "cm"), (Kind::Secret, "sec")]);
    let value = async || {
        let sources = objects.sources("ns", &both).await.expect("read");
        assert_eq!(sources.get(Kind::Secret, "sec").expect("the Secret")["k"], b"v");
        String::from_utf8(sources.get(Kind::ConfigMap, "cm").expect("the ConfigMap")["k"].clone()).expect("text")
    };
    let first = value().await;
    assert_eq!((value().await, asked.lock().len()), (first.clone(), 2));
    tokio::time::advance(FRESH).await;
    assert_ne!(value().await, first, "what is older is read again");
    assert_eq!(asked.lock().len(), 4);
    objects.sources("other", &both).await.expect("read");
    assert_eq!(asked.lock().len(), 6, "another namespace has objects of its own");
}

#[tokio::test(start_paused = true)]
async fn what_is_absent_is_looked_for_each_time() {
    let (objects, asked) = server();
    for _ in 0..2 {
        let sources = objects.sources("ns", &wanted(&[(Kind::ConfigMap, "gone")])).await.expect("absent is no error");
        assert_eq!(sources.get(Kind::ConfigMap, "gone"), None);
        assert_eq!(objects.secret("ns", "gone").await.expect("nor here"), None);
    }
    assert_eq!(asked.lock().len(), 4, "so that a pod which waits for it starts soon after it was made");
}

fn projection(audience: Option<&str>, seconds: Option<i64>) -> ServiceAccountTokenProjection {
    ServiceAccountTokenProjection {
        audience: audience.map(str::to_owned),
        expiration_seconds: seconds,
        path: "token".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_bound_to_its_pod_and_for_its_audience() {
    let (objects, asked) = server();
    let mut pod = pod("Always", vec![], vec![]);
    objects.token(&pod, &projection(None, None)).await.expect("a token");
    pod.spec.as_mut().expect("spec").service_account_name = Some("robot".into());
    objects.token(&pod, &projection(Some("vault"), Some(600))).await.expect("a token");
    let asked = asked.lock();
    let paths: Vec<&str> = asked.iter().map(|(_, path, _)| path.as_str()).collect();
    let path = |account: &str| format!("/api/v1/namespaces/ns/serviceaccounts/{account}/token");
    assert_eq!(paths, [path("default"), path("robot")]);
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "uid-1"});
    let spec = json!({"audiences": ["vault"], "expirationSeconds": 600, "boundObjectRef": bound});
    assert_eq!(asked[1].2["spec"], spec);
    assert_eq!(
        (&asked[0].2["spec"]["audiences"], &asked[0].2["spec"]["expirationSeconds"]),
        (&json!([]), &json!(3_600))
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_when_most_of_its_life_is_over() {
    let (objects, asked) = server();
    let pod = pod("Always", vec![], vec![]);
    let token = async |seconds| objects.token(&pod, &projection(None, Some(seconds))).await.expect("a token");
    let first = token(600).await;
    tokio::time::advance(Duration::from_secs(479)).await;
    assert_eq!(token(600).await, first);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_ne!(token(600).await, first, "four fifths of ten minutes are over");
    // The server gives 20 minutes at most, and that is what counts.
    let long = token(86_400).await;
    tokio::time::advance(Duration::from_secs(959)).await;
    assert_eq!(token(86_400).await, long);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_ne!(token(86_400).await, long);
    assert_eq!(asked.lock().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_a_pod_are_its_own_and_forgotten_with_it() {
    let (objects, _) = server();
    let (one, mut other) = (pod("Always", vec![], vec![]), pod("Always", vec![], vec![]));
    other.metadata.uid = Some("uid-2".into());
    let token = async |pod: &Pod, audience| objects.token(pod, &projection(audience, None)).await.expect("a token");
    let tokens = [token(&one, None).await, token(&one, Some("vault")).await, token(&other, None).await];
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 3);
    objects.forget("uid-1");
    assert_ne!(token(&one, None).await, tokens[0]);
    assert_eq!(token(&other, None).await, tokens[2]);
    assert!(!format!("{objects:?}").contains("jwt"), "no token is shown");
}
