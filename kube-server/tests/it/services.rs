//! Cluster IPs and node ports.

use crate::harness::{Harness, service};
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";

#[tokio::test]
async fn services_get_an_address_of_the_range() {
    let h = Harness::new().await;
    let made = h.made(SERVICES, service("a", &json!({}))).await;
    let spec = &made["spec"];
    let ip = spec["clusterIP"].as_str().unwrap();
    assert!(ip.starts_with("10."), "{ip}");
    assert_eq!(spec["clusterIPs"], json!([ip]));
    assert_eq!((&spec["ipFamilies"], &spec["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));
    let headless = h.made(SERVICES, service("b", &json!({"clusterIP": "None"}))).await;
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let asked = h.made(SERVICES, service("c", &json!({"clusterIP": "10.96.0.77"}))).await;
    assert_eq!(asked["spec"]["clusterIP"], "10.96.0.77");
    let taken = h.post(SERVICES, &service("d", &json!({"clusterIP": "10.96.0.77"}))).await;
    assert_eq!(taken.code, 422);
    assert!(taken.text.contains("provided IP is already allocated"), "{}", taken.text);
    let outside = h.post(SERVICES, &service("d", &json!({"clusterIP": "192.0.2.7"}))).await;
    assert_eq!(outside.code, 422, "{}", outside.text);
}

#[tokio::test]
async fn addresses_are_given_back_and_survive_restarts() {
    let h = Harness::new().await;
    h.made(SERVICES, service("a", &json!({"clusterIP": "10.96.0.50"}))).await;
    let restarted = Harness::over(h.store.clone(), |builder| builder).await;
    let taken = restarted.post(SERVICES, &service("b", &json!({"clusterIP": "10.96.0.50"}))).await;
    assert_eq!(taken.code, 422, "{}", taken.text);
    restarted.delete(&format!("{SERVICES}/a")).await.ok();
    restarted.made(SERVICES, service("b", &json!({"clusterIP": "10.96.0.50"}))).await;
    let dry =
        restarted.post(&format!("{SERVICES}?dryRun=All"), &service("c", &json!({"clusterIP": "10.96.0.51"}))).await;
    assert_eq!(dry.code, 201);
    restarted.made(SERVICES, service("c", &json!({"clusterIP": "10.96.0.51"}))).await;
}

#[tokio::test]
async fn node_ports_come_and_go_with_the_type() {
    let h = Harness::new().await;
    let made = h.made(SERVICES, service("a", &json!({"type": "NodePort"}))).await;
    let port = made["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30000..=32767).contains(&port));
    let asked = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]});
    let taken = h.post(SERVICES, &service("b", &asked)).await;
    assert_eq!(taken.code, 422);
    assert!(taken.text.contains("provided port is already allocated"), "{}", taken.text);
    let uri = &format!("{SERVICES}/a");
    let same = h.put(uri, &service("a", &json!({"type": "NodePort"}))).await.ok();
    assert_eq!(same["spec"]["ports"][0]["nodePort"], port, "an update that leaves it out keeps it");
    assert_eq!(same["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    let inside = h.patch(uri, "merge", &json!({"spec": {"type": "ClusterIP"}})).await.ok();
    assert!(inside["spec"]["ports"][0].get("nodePort").is_none(), "{inside}");
    h.made(SERVICES, service("b", &asked)).await;
}

#[tokio::test]
async fn addresses_cannot_be_changed() {
    let h = Harness::new().await;
    let made = h.made(SERVICES, service("a", &json!({}))).await;
    let uri = &format!("{SERVICES}/a");
    let change = json!({"spec": {"clusterIP": "10.96.0.99", "clusterIPs": ["10.96.0.99"]}});
    let refused = h.patch(uri, "merge", &change).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    assert_eq!(h.get(uri).await.ok()["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    h.made(SERVICES, service("b", &json!({"clusterIP": "10.96.0.99"}))).await;
}

#[tokio::test]
async fn dual_stack_clusters_give_two() {
    let h = Harness::with(|builder| {
        builder.configure(|config| {
            config.service_cidrs = vec!["10.96.0.0/16".parse().unwrap(), "fd00::/108".parse().unwrap()];
        })
    })
    .await;
    let single = h.made(SERVICES, service("a", &json!({}))).await;
    assert_eq!(single["spec"]["ipFamilies"], json!(["IPv4"]));
    let dual = h.made(SERVICES, service("b", &json!({"ipFamilyPolicy": "PreferDualStack"}))).await;
    assert_eq!(dual["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(dual["spec"]["clusterIPs"].as_array().map(Vec::len), Some(2));
    let six = h.made(SERVICES, service("c", &json!({"ipFamilies": ["IPv6"]}))).await;
    assert!(six["spec"]["clusterIP"].as_str().unwrap().starts_with("fd00"));
}

/// The node ports of a new Service with these ports.
async fn check_node_ports(ports: Value, expected: impl Fn(&[u64])) {
    let h = Harness::new().await;
    let made = h.made(SERVICES, service("a", &json!({"type": "NodePort", "ports": ports}))).await;
    let ports = made["spec"]["ports"].as_array().unwrap().iter();
    expected(&ports.map(|port| port["nodePort"].as_u64().unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn both_protocols_of_a_port_have_one_node_port() {
    let port = |name: &str, port: u16, protocol: &str| json!({"name": name, "port": port, "protocol": protocol});
    let dns = [port("tcp", 53, "TCP"), port("udp", 53, "UDP")];
    check_node_ports(json!(dns), |found| assert_eq!(found[0], found[1])).await;
    let mut asked = dns.clone();
    asked[1]["nodePort"] = json!(30053);
    check_node_ports(json!(asked), |found| assert_eq!(found, [30053, 30053])).await;
    let mut both = asked.clone();
    both[0]["nodePort"] = json!(30054);
    check_node_ports(json!(both), |found| assert_eq!(found, [30054, 30053])).await;
    let other = [port("a", 53, "TCP"), port("b", 54, "UDP")];
    check_node_ports(json!(other), |found| assert_ne!(found[0], found[1])).await;
}

#[tokio::test]
async fn a_local_load_balancer_has_a_port_for_its_health() {
    let h = Harness::new().await;
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    let made = h.made(SERVICES, service("a", &local)).await;
    let check = made["spec"]["healthCheckNodePort"].as_u64().unwrap();
    assert!((30000..=32767).contains(&check), "{made}");
    assert_ne!(made["spec"]["ports"][0]["nodePort"], check);
    let uri = &format!("{SERVICES}/a");
    let labelled = h.patch(uri, "merge", &json!({"metadata": {"labels": {"a": "b"}}})).await.ok();
    assert_eq!(labelled["spec"]["healthCheckNodePort"], check);
    let fixed = h.patch(uri, "merge", &json!({"spec": {"healthCheckNodePort": 30001}})).await;
    assert_eq!(fixed.code, 422, "{}", fixed.text);
    let mut asked = local.clone();
    asked["healthCheckNodePort"] = json!(check);
    let taken = h.post(SERVICES, &service("b", &asked)).await;
    taken.refused(
        422,
        "Invalid",
        &format!(
            "Service \"b\" is invalid: spec.healthCheckNodePort: Invalid value: {check}: provided port is already allocated"
        ),
    );
    let global = h.patch(uri, "merge", &json!({"spec": {"externalTrafficPolicy": "Cluster"}})).await.ok();
    assert_eq!(global["spec"].get("healthCheckNodePort"), None);
    // The port is free again, and a Service of another type becomes a local load balancer as well.
    h.made(SERVICES, service("b", &asked)).await;
    let again = h.patch(uri, "merge", &json!({"spec": {"externalTrafficPolicy": "Local"}})).await.ok();
    assert!(again["spec"]["healthCheckNodePort"].as_u64().is_some_and(|other| other != check), "{again}");
    let dry = h.post(&format!("{SERVICES}?dryRun=All"), &service("c", &local)).await;
    assert_eq!(dry.code, 201, "{}", dry.text);
}
