//! Rows for which pods back a Service, under which port, and when what changed.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerPort, Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::*;
use crate::objects::{at, labels, meta, pod, pod_ready_since, terminating, with_ip};

fn service(spec: ServiceSpec) -> Service {
    Service { metadata: meta("web"), spec: Some(spec), status: None }
}

#[track_caller]
fn check_may_back(pod: &Pod, live: bool, with_terminating: bool) {
    assert_eq!((may_back(pod, false), may_back(pod, true)), (live, with_terminating));
}

#[test]
fn pods_with_an_address_back_a_service_until_they_end() {
    let ready = || with_ip(pod_ready_since("a", 1), "10.0.0.1");
    check_may_back(&ready(), true, true);
    check_may_back(&pod("a"), false, false);
    check_may_back(&terminating(ready()), false, true);
    let mut ended = ready();
    ended.status.get_or_insert_default().phase = Some("Failed".into());
    check_may_back(&ended, false, false);
}

#[track_caller]
fn check_port(target: Option<IntOrString>, protocol: &str, expected: Option<i32>) {
    let named = |name: &str, number, protocol: Option<&str>| ContainerPort {
        name: Some(name.into()),
        container_port: number,
        protocol: protocol.map(str::to_owned),
        ..ContainerPort::default()
    };
    let mut pod = pod("a");
    let container = &mut pod.spec.get_or_insert_default().containers[0];
    container.ports = Some(vec![named("http", 8080, None), named("dns", 53, Some("UDP")), named("dns", 54, None)]);
    let port = ServicePort { port: 80, target_port: target, protocol: Some(protocol.into()), ..ServicePort::default() };
    assert_eq!(target_port(&pod, &port), expected);
}

#[test]
fn target_ports_are_numbers_or_names_of_container_ports() {
    let name = |n: &str| Some(IntOrString::String(n.into()));
    check_port(None, "TCP", Some(80));
    check_port(Some(IntOrString::Int(0)), "TCP", Some(80));
    check_port(Some(IntOrString::Int(9090)), "TCP", Some(9090));
    check_port(name("http"), "TCP", Some(8080));
    check_port(name("http"), "UDP", None);
    check_port(name("dns"), "UDP", Some(53));
    check_port(name("dns"), "TCP", Some(54));
    check_port(name("absent"), "TCP", None);
}

#[track_caller]
fn check_families(ip: &str, written: &[&str], expected: &[&str]) {
    let written: Vec<String> = written.iter().map(|f| (*f).to_owned()).collect();
    let spec = ServiceSpec {
        cluster_ip: Some(ip.into()),
        ip_families: (!written.is_empty()).then_some(written),
        ..ServiceSpec::default()
    };
    assert_eq!(families(&service(spec)), expected);
}

#[test]
fn families_are_those_written_or_that_of_the_address() {
    check_families("10.0.0.1", &[], &["IPv4"]);
    check_families("fd00::1", &[], &["IPv6"]);
    check_families("None", &[], &["IPv4", "IPv6"]);
    check_families("10.0.0.1", &["IPv4", "IPv6"], &["IPv4", "IPv6"]);
}

#[test]
fn only_a_selector_makes_endpoints() {
    let with =
        |selector, kind: &str| service(ServiceSpec { selector, type_: Some(kind.into()), ..ServiceSpec::default() });
    let web = || Some(labels(&[("app", "web")]));
    assert!(selector(&with(web(), "ClusterIP")).is_some());
    assert!(selector(&with(web(), "ExternalName")).is_none());
    assert!(selector(&with(None, "ClusterIP")).is_none());
    assert!(selector(&with(Some(labels(&[])), "ClusterIP")).is_none());
}

#[track_caller]
fn check_matters(change: impl FnOnce(&mut Pod), expected: bool) {
    let old = with_ip(pod_ready_since("a", 1), "10.0.0.1");
    let mut new = old.clone();
    change(&mut new);
    assert_eq!(matters(&old, &new), expected);
}

#[test]
fn most_changes_of_a_status_do_not_matter() {
    check_matters(|_| {}, false);
    check_matters(|p| p.metadata.resource_version = Some("9".into()), false);
    check_matters(|p| p.status.get_or_insert_default().message = Some("x".into()), false);
    check_matters(|p| p.metadata.annotations = Some(labels(&[("a", "b")])), false);
    check_matters(|p| p.metadata.labels = None, true);
    // Another pod of the same name, on the network of the same node.
    check_matters(|p| p.metadata.uid = Some("another".into()), true);
    check_matters(|p| *p = with_ip(p.clone(), "10.0.0.2"), true);
    check_matters(|p| *p = terminating(p.clone()), true);
    check_matters(|p| p.status.get_or_insert_default().conditions = None, true);
    check_matters(|p| p.status.get_or_insert_default().phase = Some("Succeeded".into()), true);
}

#[test]
fn the_trigger_is_the_earliest_change_not_told_yet() {
    let mut times = TriggerTimes::default();
    let web = service(ServiceSpec::default());
    let ready = |name: &str, second| Arc::new(pod_ready_since(name, second));
    assert_eq!(times.compute(&web, &[ready("a", 5), ready("b", 3)]), Some(at(0)), "the Service itself");
    assert_eq!(times.compute(&web, &[ready("a", 5), ready("b", 3)]), None);
    assert_eq!(times.compute(&web, &[ready("a", 9), ready("b", 7)]), Some(at(7)));
    assert_eq!(times.compute(&web, &[ready("a", 9)]), None, "nothing tells when a pod went");
    times.forget(&kubekit_runtime::Object::key(&web));
    assert_eq!(times.compute(&web, &[ready("a", 9)]), Some(at(0)));
}
