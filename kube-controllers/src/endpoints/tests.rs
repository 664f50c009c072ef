//! Rows for what an `Endpoints` says.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service, ServicePort, ServiceSpec};
use kubekit_runtime::Object as _;

use super::decide::{ADDRESSES_MAX, Effect, MANAGED_BY, OVER_CAPACITY, decide};
use crate::objects::{at, labels, meta, on_node, pod, pod_ready_since, terminating, with_ip};

fn service() -> Service {
    let port = ServicePort { port: 80, ..ServicePort::default() };
    let spec = ServiceSpec {
        selector: Some(labels(&[("app", "web")])),
        cluster_ip: Some("10.96.0.10".into()),
        ip_families: Some(vec!["IPv4".into()]),
        ports: Some(vec![port]),
        ..ServiceSpec::default()
    };
    Service { metadata: meta("web"), spec: Some(spec), status: None }
}

fn ready(name: &str, ip: &str) -> Pod {
    on_node(with_ip(pod_ready_since(name, 5), ip), "n1")
}

fn unready(name: &str, ip: &str) -> Pod {
    on_node(with_ip(pod(name), ip), "n1")
}

#[track_caller]
fn written(service: &Service, pods: &[Pod]) -> Endpoints {
    let pods: Vec<Arc<Pod>> = pods.iter().cloned().map(Arc::new).collect();
    match decide(service, &pods, None, Some(at(7))) {
        Some(Effect::Create(endpoints)) => *endpoints,
        other => panic!("no create: {other:?}"),
    }
}

/// `ready/not ready` addresses of each subset.
#[track_caller]
fn check(service: &Service, pods: &[Pod], expected: &[&str]) {
    let ips = |list: &Option<Vec<k8s_openapi::api::core::v1::EndpointAddress>>| {
        list.iter().flatten().map(|a| a.ip.clone()).collect::<Vec<_>>().join(" ")
    };
    let endpoints = written(service, pods);
    let subsets = endpoints.subsets.unwrap();
    let subsets: Vec<String> =
        subsets.iter().map(|s| format!("{}/{}", ips(&s.addresses), ips(&s.not_ready_addresses))).collect();
    assert_eq!(subsets, expected);
}

#[test]
fn addresses_are_ready_or_not() {
    let pods = [ready("b", "10.0.0.2"), ready("a", "10.0.0.1"), unready("c", "10.0.0.3")];
    check(&service(), &pods, &["10.0.0.1 10.0.0.2/10.0.0.3"]);
    check(&service(), &[], &[]);
    check(&service(), &[terminating(ready("a", "10.0.0.1"))], &[]);
    let mut publishing = service();
    publishing.spec.get_or_insert_default().publish_not_ready_addresses = Some(true);
    let pods = [unready("a", "10.0.0.1"), terminating(ready("b", "10.0.0.2"))];
    check(&publishing, &pods, &["10.0.0.1 10.0.0.2/"]);
}

#[test]
fn labels_are_the_services_and_ours() {
    let mut service = service();
    service.metadata.labels = Some(labels(&[("team", "a")]));
    let endpoints = written(&service, &[]);
    assert_eq!(*endpoints.labels(), labels(&[("team", "a"), (MANAGED_BY, "endpoint-controller")]));
    service.spec.get_or_insert_default().cluster_ip = Some("None".into());
    assert_eq!(written(&service, &[]).labels()["service.kubernetes.io/headless"], "");
}

#[test]
fn what_is_right_is_left_alone_and_what_changed_is_replaced() {
    let service = service();
    let pods = [Arc::new(ready("a", "10.0.0.1"))];
    let mut endpoints = written(&service, &[ready("a", "10.0.0.1")]);
    assert_eq!(decide(&service, &pods, Some(&endpoints), Some(at(9))), None);
    endpoints.metadata.labels = None;
    assert!(matches!(decide(&service, &pods, Some(&endpoints), None), Some(Effect::Update(_))));
    let Some(Effect::Update(emptied)) = decide(&service, &[], Some(&endpoints), None) else { panic!("no update") };
    assert_eq!(emptied.subsets, Some(Vec::new()));
}

#[test]
fn too_many_addresses_are_cut_and_marked() {
    let many: Vec<Pod> = (0..ADDRESSES_MAX + 5)
        .map(|i| {
            let (name, ip) = (format!("p{i}"), format!("10.{}.{}.{}", i / 65025, i / 255 % 255, i % 255));
            if i < 10 { unready(&name, &ip) } else { ready(&name, &ip) }
        })
        .collect();
    let endpoints = written(&service(), &many);
    assert_eq!(endpoints.annotations()[OVER_CAPACITY], "truncated");
    let subset = &endpoints.subsets.as_ref().unwrap()[0];
    let (ready, not_ready) =
        (subset.addresses.as_ref().unwrap().len(), subset.not_ready_addresses.as_ref().unwrap().len());
    assert_eq!((ready, not_ready), (ADDRESSES_MAX - 5, 5), "ready ones are kept first");
    let few: Vec<Arc<Pod>> = many.into_iter().take(20).map(Arc::new).collect();
    let Some(Effect::Update(cut)) = decide(&service(), &few, Some(&endpoints), None) else { panic!("no update") };
    assert!(!cut.annotations().contains_key(OVER_CAPACITY));
}
