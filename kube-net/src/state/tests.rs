//! Objects in, endpoints out.

use super::*;
use serde_json::{Value, json};

fn parse<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn service(spec: Value) -> Service {
    parse(json!({"metadata": {"namespace": "default", "name": "web"}, "spec": spec}))
}

fn plain() -> Service {
    service(json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "targetPort": 8080}]}))
}

fn slice(endpoints: Value) -> EndpointSlice {
    parse(json!({
        "metadata": {"namespace": "default", "name": "web-abc", "labels": {SERVICE_NAME: "web"}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 8080, "protocol": "TCP", "name": ""}],
    }))
}

#[track_caller]
fn check(endpoints: Value, cluster: &[&str], local: &[&str]) {
    let mut map = ServiceMap::new("here");
    assert!(map.service_applied(&plain()));
    assert!(map.slice_applied(&slice(endpoints)));
    let [port] = map.ports(false).try_into().unwrap();
    let ips = |endpoints: &[Endpoint]| endpoints.iter().map(|e| e.ip.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (ips(&port.cluster_endpoints), ips(&port.local_endpoints)),
        (cluster.iter().map(ToString::to_string).collect(), local.iter().map(ToString::to_string).collect())
    );
}

fn on(ip: &str, node: &str, ready: bool, serving: bool, terminating: bool) -> Value {
    json!({"addresses": [ip], "nodeName": node, "conditions": {"ready": ready, "serving": serving, "terminating": terminating}})
}

#[test]
fn only_ready_endpoints_get_traffic() {
    check(
        json!([on("10.0.0.1", "here", true, true, false), on("10.0.0.2", "there", false, false, false)]),
        &["10.0.0.1"],
        &["10.0.0.1"],
    );
    check(
        json!([on("10.0.0.1", "here", false, true, true), on("10.0.0.2", "there", true, true, false)]),
        &["10.0.0.2"],
        &["10.0.0.1"],
    );
    check(json!([{"addresses": ["10.0.0.1"]}]), &["10.0.0.1"], &[]);
}

#[test]
fn without_ready_ones_those_that_serve_to_their_end_do() {
    check(
        json!([on("10.0.0.1", "here", false, true, true), on("10.0.0.2", "here", false, false, true)]),
        &["10.0.0.1"],
        &["10.0.0.1"],
    );
    check(json!([on("10.0.0.1", "here", false, false, false)]), &[], &[]);
}

#[test]
fn bad_addresses_and_ports_count_for_nothing() {
    let bad = json!([{"addresses": ["not an address"]}, {"addresses": []}, {"addresses": ["fd00::1"]}]);
    check(bad, &[], &[]);
    let mut map = ServiceMap::new("here");
    map.service_applied(&service(json!({"clusterIP": "10.96.0.1", "ports": [{"port": 0}, {"port": 70000}]})));
    assert!(map.ports(false).is_empty());
}

#[test]
fn headless_external_name_and_foreign_services_have_no_rules() {
    for spec in [
        json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]}),
        json!({"type": "ExternalName", "externalName": "example.com"}),
        json!({"clusterIP": "", "ports": [{"port": 80}]}),
    ] {
        let mut map = ServiceMap::new("here");
        map.service_applied(&service(spec));
        assert!(map.ports(false).is_empty());
    }
    let mut foreign = plain();
    foreign.metadata.labels = Some([(PROXY_NAME.to_owned(), "other".to_owned())].into());
    assert!(!ServiceMap::new("here").service_applied(&foreign));
}

#[test]
fn ports_are_told_apart_by_name_and_protocol() {
    let mut map = ServiceMap::new("here");
    map.service_applied(&service(
        json!({"clusterIP": "10.96.0.1", "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local",
        "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053}, {"name": "dns-tcp", "port": 53}]}),
    ));
    let mut own = slice(json!([{"addresses": ["10.0.0.1"]}]));
    own.ports = Some(parse(
        json!([{"name": "dns", "protocol": "UDP", "port": 5353}, {"name": "dns-tcp", "protocol": "TCP", "port": 5354}]),
    ));
    map.slice_applied(&own);
    let ports = map.ports(false);
    assert_eq!(
        ports.iter().map(|p| (p.name.port.as_str(), p.cluster_endpoints[0].port, p.node_port)).collect::<Vec<_>>(),
        [("dns", 5353, 30053), ("dns-tcp", 5354, 0)]
    );
    assert_eq!(ports[0].affinity, Affinity::ClientIp(Duration::from_secs(10_800)));
    assert_eq!((ports[0].internal_policy, ports[0].external_policy), (TrafficPolicy::Cluster, TrafficPolicy::Local));
}

#[test]
fn changes_that_change_no_rule_are_told_apart() {
    let mut map = ServiceMap::new("here");
    assert!(map.service_applied(&plain()));
    let mut touched = plain();
    touched.metadata.resource_version = Some("7".to_owned());
    touched.metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into());
    assert!(!map.service_applied(&touched));
    let own = slice(json!([{"addresses": ["10.0.0.1"]}]));
    assert!(map.slice_applied(&own));
    assert!(!map.slice_applied(&own));
    assert!(map.slice_deleted(&own));
    assert!(!map.slice_deleted(&own));
    assert!(map.service_deleted(&plain()));
    assert!(map.ports(false).is_empty());
}

/// Relabels the EndpointSlice of `web`; gives which of the Services have endpoints then.
#[track_caller]
fn check_relabelled(service_name: Option<&str>, expected: &[&str]) {
    let mut map = ServiceMap::new("here");
    let mut other = plain();
    (other.metadata.name, other.spec.as_mut().unwrap().cluster_ips) = (Some("api".to_owned()), None);
    map.service_applied(&plain());
    map.service_applied(&other);
    let mut own = slice(json!([{"addresses": ["10.0.0.1"]}]));
    assert!(map.slice_applied(&own));
    own.metadata.labels = service_name.map(|name| [(SERVICE_NAME.to_owned(), name.to_owned())].into());
    assert!(map.slice_applied(&own), "that changes rules");
    let served = |map: &ServiceMap| -> Vec<String> {
        let ports = map.ports(false).into_iter().filter(|port| !port.cluster_endpoints.is_empty());
        ports.map(|port| port.name.service).collect()
    };
    assert_eq!(served(&map), expected);
    map.slice_deleted(&own);
    assert!(served(&map).is_empty());
}

#[test]
fn a_slice_that_names_another_service_leaves_the_one_before() {
    check_relabelled(Some("api"), &["api"]);
    check_relabelled(Some("gone"), &[]);
    check_relabelled(None, &[]);
}
