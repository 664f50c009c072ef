//! Rows for what an `Endpoints` says.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    ContainerPort, EndpointAddress, Endpoints, Pod, PodIP, Service, ServicePort, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
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
    let ips =
        |list: &Option<Vec<EndpointAddress>>| list.iter().flatten().map(|a| a.ip.clone()).collect::<Vec<_>>().join(" ");
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

/// Pods of one port number each, ready and not: what is left of them when there are too many.
#[track_caller]
fn check_cut(groups: &[(usize, usize)], expected: &[(usize, usize)]) {
    let mut service = service();
    let ports = service.spec.get_or_insert_default().ports.get_or_insert_default();
    ports[0].target_port = Some(IntOrString::String("http".into()));
    let mut pods = Vec::new();
    for ((ready_count, unready_count), number) in groups.iter().zip(8001..) {
        for index in 0..ready_count + unready_count {
            let (name, ip) =
                (format!("p{number}-{index}"), format!("10.{}.{}.{}", number - 8000, index / 250, index % 250));
            let pod = if index < *ready_count { ready(&name, &ip) } else { unready(&name, &ip) };
            pods.push(listening(pod, number));
        }
    }
    let endpoints = written(&service, &pods);
    let len = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let subsets = endpoints.subsets.unwrap();
    let left: Vec<(usize, usize)> = subsets.iter().map(|s| (len(&s.addresses), len(&s.not_ready_addresses))).collect();
    assert_eq!(left, expected);
}

fn listening(mut pod: Pod, number: i32) -> Pod {
    let port = ContainerPort { name: Some("http".into()), container_port: number, ..ContainerPort::default() };
    pod.spec.get_or_insert_default().containers[0].ports = Some(vec![port]);
    pod
}

#[test]
fn what_is_cut_is_cut_from_every_subset_in_proportion() {
    check_cut(&[(600, 0), (400, 0)], &[(600, 0), (400, 0)]);
    check_cut(&[(1200, 0), (300, 0)], &[(800, 0), (200, 0)]);
    check_cut(&[(300, 0), (1200, 5)], &[(200, 0), (800, 0)]);
    check_cut(&[(500, 600), (400, 200)], &[(500, 75), (400, 25)]);
    check_cut(&[(1001, 0), (1, 0)], &[(1000, 0)]);
}

/// Ports and ready addresses of each subset.
#[track_caller]
fn check_subsets(service: &Service, pods: &[Pod], expected: &[(&[i32], &[&str])]) {
    let subsets = written(service, pods).subsets.unwrap();
    let found: Vec<(Vec<i32>, Vec<&str>)> = subsets
        .iter()
        .map(|s| {
            let ports = s.ports.iter().flatten().map(|p| p.port).collect();
            (ports, s.addresses.iter().flatten().map(|a| a.ip.as_str()).collect())
        })
        .collect();
    let expected: Vec<(Vec<i32>, Vec<&str>)> =
        expected.iter().map(|(ports, ips)| (ports.to_vec(), ips.to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn pods_of_the_same_ports_share_a_subset() {
    let mut named = service();
    let ports = named.spec.get_or_insert_default().ports.get_or_insert_default();
    ports[0].target_port = Some(IntOrString::String("http".into()));
    let (a, b, c) = (ready("a", "10.0.0.1"), ready("b", "10.0.0.2"), ready("c", "10.0.0.3"));
    let pods = [listening(a, 8080), listening(b, 9090), listening(c, 8080), ready("d", "10.0.0.4")];
    check_subsets(&named, &pods, &[(&[8080], &["10.0.0.1", "10.0.0.3"]), (&[9090], &["10.0.0.2"])]);
    // Of two ports a pod serves those that it has.
    let fixed = ServicePort { name: Some("metrics".into()), port: 9000, ..ServicePort::default() };
    named.spec.get_or_insert_default().ports.get_or_insert_default().push(fixed);
    check_subsets(&named, &pods[..1], &[(&[8080, 9000], &["10.0.0.1"])]);
    check_subsets(&named, &pods[3..], &[(&[9000], &["10.0.0.4"])]);
}

#[test]
fn a_headless_service_needs_no_ports_and_names_its_hosts() {
    let mut headless = service();
    let spec = headless.spec.get_or_insert_default();
    (spec.cluster_ip, spec.ports) = (Some("None".into()), None);
    let mut named = ready("a", "10.0.0.1");
    let pod_spec = named.spec.get_or_insert_default();
    (pod_spec.hostname, pod_spec.subdomain) = (Some("db-0".into()), Some("web".into()));
    let mut stranger = named.clone();
    stranger.spec.get_or_insert_default().subdomain = Some("other".into());
    check_subsets(&headless, std::slice::from_ref(&named), &[(&[], &["10.0.0.1"])]);
    let hostname = |pod: Pod| {
        let subsets = written(&headless, &[pod]).subsets.unwrap();
        subsets[0].addresses.as_ref().unwrap()[0].hostname.clone()
    };
    assert_eq!(hostname(named).as_deref(), Some("db-0"));
    assert_eq!(hostname(stranger), None);
}

#[test]
fn of_two_families_the_services_first_is_published() {
    let mut dual = ready("a", "10.0.0.1");
    dual.status.get_or_insert_default().pod_ips =
        Some(vec![PodIP { ip: "10.0.0.1".into() }, PodIP { ip: "fd00::1".into() }]);
    let mut service = service();
    let families = |first: &str, second: &str| Some(vec![first.to_owned(), second.to_owned()]);
    service.spec.get_or_insert_default().ip_families = families("IPv4", "IPv6");
    check_subsets(&service, std::slice::from_ref(&dual), &[(&[80], &["10.0.0.1"])]);
    service.spec.get_or_insert_default().ip_families = families("IPv6", "IPv4");
    check_subsets(&service, std::slice::from_ref(&dual), &[(&[80], &["fd00::1"])]);
    check_subsets(&service, &[ready("b", "10.0.0.2")], &[]);
}
