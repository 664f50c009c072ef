//! Extenders behind real HTTP, with a driver and a real API server.

use crate::driver::{Rig, condition, node_of, parse, until};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kubekit_runtime::environment::Environment;
use kubekit_sched::driver::{Config, Driver};
use kubekit_sched::extender::Extender;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What an extender answers.
pub(crate) enum Reply {
    Json(Value),
    Code(u16),
    Garbage,
    Later(Duration, Value),
    Never,
}

pub(crate) type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// An extender on a port of its own, which ends with the test's runtime; gives its URL and what it was asked.
pub(crate) async fn serve(answer: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/scheduler", listener.local_addr().expect("it has one"));
    let seen = Seen::default();
    let (answer, asked) = (Arc::new(answer), seen.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, asked) = (answer.clone(), asked.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (answer, asked) = (answer.clone(), asked.clone());
                async move {
                    let verb = request.uri().path().trim_start_matches("/scheduler/").to_owned();
                    let body = request.into_body().collect().await.expect("a whole request").to_bytes();
                    let arguments: Value = serde_json::from_slice(&body).expect("arguments are JSON");
                    let reply = answer(&verb, &arguments);
                    asked.lock().expect("nobody panicked with it").push((verb, arguments));
                    let (code, body) = match reply {
                        Reply::Json(value) => (200, value.to_string()),
                        Reply::Code(code) => (code, String::new()),
                        Reply::Garbage => (200, "{".to_owned()),
                        Reply::Later(after, value) => {
                            tokio::time::sleep(after).await;
                            (200, value.to_string())
                        }
                        Reply::Never => std::future::pending().await,
                    };
                    let answer = Response::builder().status(code).body(Full::new(Bytes::from(body)));
                    Ok::<_, Infallible>(answer.expect("a response"))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, seen)
}

/// One that filters, by names.
fn filter(url: &str) -> Extender {
    let mut extender = Extender::new(url);
    "filter".clone_into(&mut extender.filter_verb);
    extender.node_cache_capable = true;
    extender
}

pub(crate) fn with(extender: Extender) -> Config {
    let mut config = Config::default();
    config.extenders.push(extender);
    config
}

pub(crate) async fn rig(extender: Extender) -> Rig {
    let rig = Rig::with(vec![with(extender)]).await;
    rig.add_node("a", "2").await;
    rig.add_node("b", "2").await;
    rig
}

async fn bound_to(rig: &Rig, pod: &str) -> String {
    let named = |known: &&Pod| known.metadata.name.as_deref() == Some(pod);
    let pods = rig.until("it is bound", |pods| pods.iter().find(named).is_some_and(|pod| node_of(pod).is_some())).await;
    pods.iter().find(named).and_then(node_of).expect("it was just there").to_owned()
}

/// Reason and message of the condition of the pod that is refused.
async fn refused(rig: &Rig) -> (String, String) {
    let pods = rig
        .until("it says why not", |pods| pods.iter().any(|pod| condition(pod).is_some_and(|c| c.0 == "False")))
        .await;
    let refused = pods.iter().filter_map(condition).find(|condition| condition.0 == "False");
    let (_, reason, message) = refused.expect("it was just there");
    (reason.to_owned(), message.to_owned())
}

#[tokio::test]
async fn an_extender_filters_by_names() {
    let (url, seen) = serve(|_, arguments| {
        assert_eq!(arguments["Nodes"], Value::Null);
        Reply::Json(json!({"NodeNames": ["b"], "FailedNodes": {"a": "asleep"}}))
    })
    .await;
    let rig = rig(filter(&url)).await;
    for i in 0..2 {
        rig.add_pod(&format!("p{i}"), "1", None).await;
        assert_eq!(bound_to(&rig, &format!("p{i}")).await, "b");
    }
    let (verb, arguments) = seen.lock().unwrap()[0].clone();
    assert_eq!((verb.as_str(), &arguments["NodeNames"]), ("filter", &json!(["a", "b"])));
    assert_eq!(arguments["Pod"]["metadata"]["name"], "p0");
    rig.finish().await;
}

#[tokio::test]
async fn an_extender_without_a_cache_is_sent_whole_nodes_and_says_why_not() {
    let (url, seen) = serve(|_, arguments| {
        let names = arguments["Nodes"]["items"].as_array().expect("whole nodes").len();
        assert_eq!((names, &arguments["NodeNames"]), (2, &Value::Null));
        Reply::Json(json!({"nodes": {"items": []}, "failedNodes": {"a": "asleep"}, "failedAndUnresolvableNodes": {"b": "gone"}}))
    })
    .await;
    let mut extender = filter(&url);
    extender.node_cache_capable = false;
    let rig = rig(extender).await;
    rig.add_pod("p", "1", None).await;
    let (reason, message) = refused(&rig).await;
    assert_eq!(reason, "Unschedulable");
    assert!(message.starts_with("0/2 nodes are available: 1 asleep, 1 gone."), "{message}");
    assert!(!seen.lock().unwrap().is_empty());
    rig.finish().await;
}

#[tokio::test]
async fn an_extender_prefers_a_node() {
    let (url, seen) = serve(|_, _| Reply::Json(json!([{"Host": "a", "Score": 0}, {"Host": "b", "Score": 10}]))).await;
    let mut extender = Extender::new(url);
    "prioritize".clone_into(&mut extender.prioritize_verb);
    extender.weight = 5;
    let rig = rig(extender).await;
    // The plugins alone would spread them.
    for name in ["p", "q"] {
        rig.add_pod(name, "500m", None).await;
        assert_eq!(bound_to(&rig, name).await, "b");
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
    rig.finish().await;
}

#[tokio::test]
async fn the_time_that_extenders_take_is_part_of_the_decision() {
    // However slow everything else is, it takes no less.
    const TAKES: Duration = Duration::from_millis(100);
    let (url, _) = serve(|_, _| Reply::Later(TAKES, json!({"NodeNames": ["b"]}))).await;
    let rig = rig(filter(&url)).await;
    rig.add_pod("p", "1", None).await;
    bound_to(&rig, "p").await;
    let text = rig.metrics();
    let value = |name: &str| -> f64 {
        let name = format!("scheduler_scheduling_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&*name)).expect("it is there").parse().expect("a number")
    };
    let labels = "{result=\"scheduled\",profile=\"default-scheduler\"}";
    assert!(value("algorithm_duration_seconds_count") == 1.0, "{text}");
    assert!(value("algorithm_duration_seconds_sum") >= TAKES.as_secs_f64(), "{text}");
    assert!(value(&format!("attempt_duration_seconds_sum{labels}")) >= TAKES.as_secs_f64(), "{text}");
    rig.finish().await;
}

#[tokio::test]
async fn an_extender_binds() {
    let (url, seen) = serve(|_, _| Reply::Json(json!({}))).await;
    let mut extender = Extender::new(url);
    "bind".clone_into(&mut extender.bind_verb);
    let rig = rig(extender).await;
    rig.add_pod("p", "1", None).await;
    until("the extender is asked", || !seen.lock().unwrap().is_empty()).await;
    let (verb, arguments) = seen.lock().unwrap()[0].clone();
    let pod = &rig.list().await[0];
    assert_eq!(
        (verb.as_str(), arguments["PodName"].as_str(), arguments["PodNamespace"].as_str()),
        ("bind", Some("p"), Some("default"))
    );
    assert_eq!(arguments["PodUID"].as_str(), pod.metadata.uid.as_deref());
    assert!(["a", "b"].contains(&arguments["Node"].as_str().expect("a node")));
    assert_eq!(node_of(pod), None, "the scheduler itself bound nothing");
    rig.finish().await;
}

/// What is told of a pod when an extender that must answer does this.
async fn failing(reply: fn() -> Reply, change: fn(&mut Extender)) -> (String, String) {
    let (url, _) = serve(move |_, _| reply()).await;
    let mut extender = filter(&url);
    change(&mut extender);
    let rig = rig(extender).await;
    rig.add_pod("p", "1", None).await;
    let told = refused(&rig).await;
    rig.finish().await;
    (told.0, told.1.replace(&url, "URL"))
}

#[tokio::test]
async fn what_fails_with_an_extender_is_told() {
    let quick = |extender: &mut Extender| extender.http_timeout = Duration::from_millis(50);
    let nothing = |_: &mut Extender| {};
    for (told, expected) in [
        (failing(|| Reply::Code(500), nothing).await, "failed filter with extender at URL URL/filter, code 500"),
        (
            failing(|| Reply::Never, quick).await,
            "failed filter with extender at URL URL/filter: no answer within 0.05 s",
        ),
        (failing(|| Reply::Garbage, nothing).await, "extender \"URL\" answered filter with what is no JSON"),
        (failing(|| Reply::Json(json!({"Error": "boom"})), nothing).await, "boom"),
        (
            failing(|| Reply::Json(json!({"NodeNames": ["z"]})), nothing).await,
            "extender \"URL\" claims a filtered node \"z\" which is not found in the input node list",
        ),
        (failing(|| Reply::Json(json!([])), nothing).await, "extender \"URL\" gave a filter result of another form"),
    ] {
        assert_eq!(told.0, "SchedulerError");
        assert!(told.1.starts_with(expected), "{:?} does not begin with {expected:?}", told.1);
    }
}

#[tokio::test]
async fn an_extender_that_may_be_ignored_holds_nothing_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it has one"));
    // Nobody is there any more.
    drop(listener);
    let mut extender = filter(&url);
    extender.ignorable = true;
    "bind".clone_into(&mut extender.bind_verb);
    "prioritize".clone_into(&mut extender.prioritize_verb);
    let rig = rig(extender).await;
    rig.add_pod("p", "1", None).await;
    bound_to(&rig, "p").await;
    rig.finish().await;
}

#[tokio::test]
async fn only_pods_with_managed_resources_are_asked_about() {
    let (url, seen) = serve(|_, _| Reply::Json(json!({"NodeNames": []}))).await;
    let mut extender = filter(&url);
    extender.managed_resources = vec!["example.com/gpu".to_owned()];
    let rig = rig(extender).await;
    rig.add_pod("plain", "1", None).await;
    bound_to(&rig, "plain").await;
    assert!(seen.lock().unwrap().is_empty());
    let wants: Pod = parse(json!({"metadata": {"name": "wants"}, "spec": {"containers": [
        {"name": "c", "image": "i", "resources": {"limits": {"example.com/gpu": "1"}}}]}}));
    rig.pods().create(&wants).await.expect("a pod");
    let (_, message) = refused(&rig).await;
    assert!(message.starts_with("0/2 nodes are available: 2 Insufficient example.com/gpu."), "{message}");
    assert!(seen.lock().unwrap().is_empty(), "no node could take it anyway");
    rig.finish().await;
}

#[tokio::test]
async fn a_url_that_is_none_is_told_before_anything_runs() {
    let rig = Rig::new(0).await;
    let driver = Driver::new(rig.admin(), with(Extender::new("ftp://nonsense")), Environment::system());
    let error = driver.run(CancellationToken::new()).await.expect_err("there is no such extender");
    assert!(error.to_string().contains("nonsense"), "{error}");
    rig.finish().await;
}
