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

/// The addresses of a Service from outside, by family: external IPs, load balancers, source ranges.
#[track_caller]
fn check_outside(spec: Value, ingress: Value, ipv6: bool, external: &[&str], balancers: &[&str], ranges: &[&str]) {
    let mut made = json!({"clusterIPs": ["10.96.0.1", "fd00:96::1"], "ports": [{"port": 80}]});
    for (key, value) in spec.as_object().unwrap() {
        made[key] = value.clone();
    }
    let mut service = service(made);
    service.status = Some(parse(json!({"loadBalancer": {"ingress": ingress}})));
    let mut map = ServiceMap::new("here");
    map.service_applied(&service);
    let [port] = map.ports(ipv6).try_into().unwrap();
    let text = |ips: &BTreeSet<IpAddr>| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&port.cluster_ips), [if ipv6 { "fd00:96::1" } else { "10.96.0.1" }]);
    assert_eq!(text(&port.external_ips), external);
    assert_eq!(text(&port.load_balancer_ips), balancers);
    assert_eq!(port.source_ranges.iter().map(ToString::to_string).collect::<Vec<_>>(), ranges);
}

#[test]
fn addresses_from_outside_belong_to_their_family() {
    check_outside(json!({}), json!([]), false, &[], &[], &[]);
    let both = json!({"externalIPs": ["203.0.113.1", "2001:db8::1", "nonsense"],
        "loadBalancerSourceRanges": ["198.51.100.0/24", " 2001:db8:1::/48 ", "nonsense"]});
    let ingress = json!([{"ip": "192.0.2.1"}, {"ip": "2001:db8::2"}, {"hostname": "lb.example.com"}]);
    check_outside(both.clone(), ingress.clone(), false, &["203.0.113.1"], &["192.0.2.1"], &["198.51.100.0/24"]);
    check_outside(both, ingress, true, &["2001:db8::1"], &["2001:db8::2"], &["2001:db8:1::/48"]);
}

#[test]
fn a_balancer_that_is_a_proxy_is_not_short_circuited() {
    let ingress = |mode| json!([{"ip": "192.0.2.1", "ipMode": mode}]);
    check_outside(json!({}), ingress("VIP"), false, &[], &["192.0.2.1"], &[]);
    check_outside(json!({}), ingress("Proxy"), false, &[], &[], &[]);
}

#[track_caller]
fn check_affinity(spec: Value, expected: Affinity) {
    let mut made = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]});
    for (key, value) in spec.as_object().unwrap() {
        made[key] = value.clone();
    }
    let mut map = ServiceMap::new("here");
    map.service_applied(&service(made));
    assert_eq!(map.ports(false)[0].affinity, expected);
}

#[test]
fn affinity_has_its_own_time() {
    let config = json!({"clientIP": {"timeoutSeconds": 60}});
    check_affinity(json!({}), Affinity::None);
    check_affinity(json!({"sessionAffinity": "None", "sessionAffinityConfig": config}), Affinity::None);
    let minute = Affinity::ClientIp(Duration::from_secs(60));
    check_affinity(json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}), minute);
}

#[test]
fn endpoints_of_all_slices_come_together_once() {
    let mut map = ServiceMap::new("here");
    map.service_applied(&plain());
    map.slice_applied(&slice(json!([
        on("10.0.0.2", "there", true, true, false),
        on("10.0.0.1", "here", true, true, false)
    ])));
    // An endpoint that moves from one slice to another is in both for a moment, and its states may differ.
    let mut second =
        slice(json!([on("10.0.0.1", "here", false, false, false), on("10.0.0.3", "here", true, true, false)]));
    second.metadata.name = Some("web-def".to_owned());
    map.slice_applied(&second);
    // Names are no keys over namespaces, nor are addresses of the other family this one's.
    let mut far = slice(json!([{"addresses": ["10.9.9.9"]}]));
    far.metadata.namespace = Some("far".to_owned());
    map.slice_applied(&far);
    let mut six = slice(json!([{"addresses": ["fd00::1"]}]));
    (six.metadata.name, six.address_type) = (Some("web-six".to_owned()), "IPv6".to_owned());
    map.slice_applied(&six);
    let ips = |map: &ServiceMap| -> Vec<String> {
        map.ports(false)[0].cluster_endpoints.iter().map(|endpoint| endpoint.ip.to_string()).collect()
    };
    assert_eq!(ips(&map), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    map.slice_deleted(&second);
    assert_eq!(ips(&map), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn a_service_comes_and_goes_with_the_label_of_another_proxy() {
    let mut map = ServiceMap::new("here");
    assert!(map.service_applied(&plain()));
    for label in [PROXY_NAME, HEADLESS] {
        let mut foreign = plain();
        foreign.metadata.labels = Some([(label.to_owned(), "x".to_owned())].into());
        assert!(map.service_applied(&foreign), "its rules have to go");
        assert!(map.ports(false).is_empty());
        assert!(map.service_applied(&plain()), "and to come back");
        assert_eq!(map.ports(false).len(), 1);
    }
}

#[test]
fn a_named_target_port_may_differ_from_pod_to_pod() {
    let mut map = ServiceMap::new("here");
    map.service_applied(&plain());
    map.slice_applied(&slice(json!([{"addresses": ["10.0.0.1"]}])));
    let mut second = slice(json!([{"addresses": ["10.0.0.2"]}]));
    second.metadata.name = Some("web-def".to_owned());
    second.ports =
        Some(parse(json!([{"name": "", "protocol": "TCP", "port": 9090}, {"name": "", "protocol": "UDP", "port": 1}])));
    map.slice_applied(&second);
    let ports = map.ports(false);
    let targets: Vec<String> = ports[0].cluster_endpoints.iter().map(|e| format!("{}:{}", e.ip, e.port)).collect();
    assert_eq!(targets, ["10.0.0.1:8080", "10.0.0.2:9090"]);
}

/// An endpoint for these nodes and zones, as `n1 n2` and `a b`.
fn hinted(ip: &str, nodes: &str, zones: &str) -> Value {
    let names = |text: &str| text.split_whitespace().map(|name| json!({"name": name})).collect::<Vec<_>>();
    json!({"addresses": [ip], "nodeName": "there", "hints": {"forNodes": names(nodes), "forZones": names(zones)}})
}

/// Which endpoints a node `here` in this zone sends to.
#[track_caller]
fn check_hints(zone: &str, endpoints: Value, expected: &[&str]) {
    let mut map = ServiceMap::new("here");
    map.service_applied(&plain());
    map.slice_applied(&slice(endpoints));
    let labels = if zone.is_empty() { json!({}) } else { json!({ZONE: zone}) };
    let node = |name: &str| parse::<Node>(json!({"metadata": {"name": name, "labels": labels}}));
    assert!(!map.node_applied(&node("there")), "another node says nothing");
    assert_eq!(map.node_applied(&node("here")), !zone.is_empty());
    assert!(!map.node_applied(&node("here")), "nothing has changed");
    let [port] = map.ports(false).try_into().unwrap();
    let ips: Vec<String> = port.cluster_endpoints.iter().map(|endpoint| endpoint.ip.to_string()).collect();
    assert_eq!(ips, expected);
}

#[test]
fn hints_are_followed_where_all_endpoints_have_them() {
    let zones = json!([hinted("10.0.0.1", "", "a"), hinted("10.0.0.2", "", "b"), hinted("10.0.0.3", "", "a b")]);
    check_hints("a", zones.clone(), &["10.0.0.1", "10.0.0.3"]);
    check_hints("b", zones.clone(), &["10.0.0.2", "10.0.0.3"]);
    check_hints("c", zones.clone(), &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    check_hints("", zones, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let partly = json!([hinted("10.0.0.1", "", "a"), hinted("10.0.0.2", "", "")]);
    check_hints("a", partly, &["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn hints_for_nodes_come_before_those_for_zones() {
    let both =
        json!([hinted("10.0.0.1", "here", "a"), hinted("10.0.0.2", "there", "a"), hinted("10.0.0.3", "there", "b")]);
    check_hints("a", both, &["10.0.0.1"]);
    let elsewhere = json!([hinted("10.0.0.1", "there", "b"), hinted("10.0.0.2", "there", "a")]);
    check_hints("a", elsewhere, &["10.0.0.2"]);
}

#[test]
fn endpoints_that_are_not_ready_have_no_say() {
    let mut ending = hinted("10.0.0.1", "", "");
    ending["conditions"] = json!({"ready": false, "serving": true, "terminating": true});
    check_hints("a", json!([ending, hinted("10.0.0.2", "", "a"), hinted("10.0.0.3", "", "b")]), &["10.0.0.2"]);
    check_hints("a", json!([ending]), &["10.0.0.1"]);
}

#[track_caller]
fn check_health(spec: Value, endpoints: Value, expected: &[(u16, usize)]) {
    let mut map = ServiceMap::new("here");
    let mut whole = json!({
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30123,
        "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"],
        "ports": [{"name": "", "port": 80}, {"name": "other", "port": 81}],
    });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    map.service_applied(&service(whole));
    map.slice_applied(&slice(endpoints));
    let checks = map.health_checks(false);
    assert!(checks.values().all(|check| (check.namespace.as_str(), check.name.as_str()) == ("default", "web")));
    assert_eq!(checks.iter().map(|(port, check)| (*port, check.local_endpoints)).collect::<Vec<_>>(), expected);
}

#[test]
fn load_balancers_hear_of_the_ready_endpoints_of_the_node() {
    let endpoints = json!([
        on("10.0.0.1", "here", true, true, false),
        on("10.0.0.2", "here", true, true, false),
        on("10.0.0.3", "here", false, true, true),
        on("10.0.0.4", "there", true, true, false),
    ]);
    check_health(json!({}), endpoints.clone(), &[(30123, 2)]);
    check_health(json!({}), json!([]), &[(30123, 0)]);
    for spec in [
        json!({"externalTrafficPolicy": "Cluster"}),
        json!({"type": "NodePort"}),
        json!({"healthCheckNodePort": 0}),
        json!({"clusterIP": "fd00::1", "clusterIPs": ["fd00::1"]}),
    ] {
        check_health(spec, endpoints.clone(), &[]);
    }
}
