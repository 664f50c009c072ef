//! Cluster IPs and node ports of several servers over one store: claimed once, given back, repaired.

use crate::harness::{Harness, service};
use crate::interposed::{Happening, Interposed, memory};
use async_trait::async_trait;
use futures::future::join_all;
use kubekit_core::environment::Random;
use kubekit_server::{ApiServer, Builder};
use kubekit_store::{Error, ListRequest, Op, Precondition, Result, Store, Txn, TxnOutcome};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";
/// Where the claims of node ports are.
const PORTS: &str = "/core/servicenodeportallocations/";

/// A range of 14 addresses, of which the Service `kubernetes` has the first, and 8 node ports.
fn small(builder: Builder) -> Builder {
    builder.configure(|config| {
        config.service_cidrs = vec!["10.0.0.0/28".parse().unwrap()];
        config.node_ports = 30000..=30007;
    })
}

/// Two servers over one store.
async fn two(store: &Arc<dyn Store>, build: fn(Builder) -> Builder) -> [Harness; 2] {
    // At the same time: both want to make what every cluster has.
    let (one, other) = tokio::join!(Harness::over(store.clone(), build), Harness::over(store.clone(), build));
    [one, other]
}

/// The addresses that are claimed, with whom they are for.
async fn claimed(h: &Harness) -> Vec<(String, String)> {
    let list = h.get(ADDRESSES).await.ok();
    let items = list["items"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items.map(|item| (text(&item["metadata"]["name"]), text(&item["spec"]["parentRef"]["name"]))).collect()
}

async fn claimed_ports(store: &Arc<dyn Store>) -> Vec<u16> {
    let request = ListRequest { prefix: PORTS.to_owned(), ..ListRequest::default() };
    let entries = store.list(request).await.unwrap().entries;
    entries.map(|entry| entry.key[PORTS.len()..].parse().unwrap()).collect()
}

#[tokio::test]
async fn claims_are_objects_that_clients_can_list() {
    let h = Harness::new().await;
    assert_eq!(claimed(&h).await, [("10.96.0.1".to_owned(), "kubernetes".to_owned())]);
    let made = h.made(SERVICES, service("web", &json!({}))).await;
    let ip = made["spec"]["clusterIP"].as_str().unwrap();
    let claim = h.get(&format!("{ADDRESSES}/{ip}")).await.ok();
    assert_eq!(
        claim["spec"]["parentRef"],
        json!({"group": "", "resource": "services", "namespace": "default", "name": "web"})
    );
    assert_eq!(
        claim["metadata"]["labels"],
        json!({"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"})
    );
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let rows = h.accept(ADDRESSES, table).await.ok();
    let cells = rows["rows"].as_array().unwrap().iter().map(|row| row["cells"].as_array().unwrap()[..2].to_vec());
    let own = vec![json!("10.96.0.1"), json!("services/default/kubernetes")];
    assert!(cells.collect::<Vec<_>>().contains(&own), "{rows}");
    let cidr = h.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").await.ok();
    assert_eq!(cidr["spec"]["cidrs"], json!(["10.96.0.0/12"]));
    let ready = &cidr["status"]["conditions"][0];
    assert_eq!((&ready["type"], &ready["status"]), (&json!("Ready"), &json!("True")));
}

#[tokio::test]
async fn clusters_of_either_family_start_and_grow_to_both() {
    let with = |ranges: &'static [&str]| {
        move |builder: Builder| {
            builder
                .configure(|config| config.service_cidrs = ranges.iter().map(|range| range.parse().unwrap()).collect())
        }
    };
    let (store, cidrs) = (memory(), "/apis/networking.k8s.io/v1/servicecidrs/kubernetes");
    let six = Harness::over(store.clone(), with(&["fd00:10::/112"])).await;
    assert_eq!(claimed(&six).await, [("fd00:10::1".to_owned(), "kubernetes".to_owned())]);
    let own = six.get(&format!("{SERVICES}/kubernetes")).await.ok();
    assert_eq!((&own["spec"]["ipFamilies"], &own["spec"]["clusterIPs"]), (&json!(["IPv6"]), &json!(["fd00:10::1"])));
    let both = Harness::over(store.clone(), with(&["fd00:10::/112", "10.0.0.0/24"])).await;
    assert_eq!(both.get(cidrs).await.ok()["spec"]["cidrs"], json!(["fd00:10::/112", "10.0.0.0/24"]));
    let made = both.made(SERVICES, service("a", &json!({"ipFamilyPolicy": "RequireDualStack"}))).await;
    assert_eq!(made["spec"]["clusterIPs"].as_array().map(Vec::len), Some(2));
    assert_eq!(claimed(&both).await.len(), 3);
    let other = Harness::over(store.clone(), with(&["fd00:20::/112"])).await;
    let kept = other.get(cidrs).await.ok()["spec"]["cidrs"].clone();
    assert_eq!(kept, json!(["fd00:10::/112", "10.0.0.0/24"]), "what another server says is not overwritten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_give_every_address_once_and_then_say_that_none_is_left() {
    let store = memory();
    let servers = two(&store, small).await;
    let creates = (0..40).map(|i| {
        let h = servers[i % 2].clone();
        tokio::spawn(async move { h.post(SERVICES, &service(&format!("s{i}"), &json!({}))).await })
    });
    let mut given = BTreeSet::from(["10.0.0.1".to_owned()]);
    for answer in join_all(creates).await {
        let answer = answer.unwrap();
        if answer.code == 201 {
            let ip = answer.body["spec"]["clusterIP"].as_str().unwrap().to_owned();
            assert!(given.insert(ip.clone()), "{ip} was given twice");
        } else {
            let full = "Internal error occurred: failed to allocate a serviceIP: range is full";
            answer.refused(500, "InternalError", full);
        }
    }
    assert_eq!(given.len(), 14, "every address of the range was given");
    let claims: BTreeSet<String> = claimed(&servers[0]).await.into_iter().map(|(ip, _)| ip).collect();
    assert_eq!(claims, given);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_give_every_node_port_once() {
    let store = memory();
    let servers = two(&store, |builder| builder.configure(|config| config.node_ports = 30000..=30007)).await;
    let creates = (0..12).map(|i| {
        let h = servers[i % 2].clone();
        tokio::spawn(async move { h.post(SERVICES, &service(&format!("s{i}"), &json!({"type": "NodePort"}))).await })
    });
    let mut given = BTreeSet::new();
    for answer in join_all(creates).await {
        let answer = answer.unwrap();
        if answer.code == 201 {
            assert!(given.insert(answer.body["spec"]["ports"][0]["nodePort"].as_u64().unwrap()));
        } else {
            let full = "Internal error occurred: failed to allocate a nodePort: range is full";
            answer.refused(500, "InternalError", full);
        }
    }
    assert_eq!(given.len(), 8);
    assert_eq!(claimed_ports(&store).await.len(), 8);
    assert_eq!(claimed(&servers[0]).await.len(), 9, "those who got no port gave their address back");
}

#[tokio::test]
async fn an_address_that_is_asked_for_is_given_by_one_server_only() {
    let [one, other] = two(&memory(), small).await;
    one.made(SERVICES, service("a", &json!({"clusterIP": "10.0.0.5"}))).await;
    let taken = other.post(SERVICES, &service("b", &json!({"clusterIP": "10.0.0.5"}))).await;
    let text = "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.0.0.5\"]: failed to allocate IP 10.0.0.5: \
                provided IP is already allocated";
    taken.refused(422, "Invalid", text);
    let ports = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30003}]});
    one.made(SERVICES, service("c", &ports)).await;
    let taken = other.post(SERVICES, &service("d", &ports)).await;
    let text =
        "Service \"d\" is invalid: spec.ports[0].nodePort: Invalid value: 30003: provided port is already allocated";
    taken.refused(422, "Invalid", text);
    let names: Vec<String> = claimed(&one).await.into_iter().map(|(_, name)| name).collect();
    assert!(!names.contains(&"d".to_owned()), "what was refused claims nothing: {names:?}");
}

#[tokio::test]
async fn what_is_refused_or_only_tried_claims_nothing() {
    let store = memory();
    let h = Harness::over(store.clone(), small).await;
    let wrong = json!({"clusterIP": "10.0.0.9", "type": "NodePort", "ports": [{"port": 0, "nodePort": 30001}]});
    assert_eq!(h.post(SERVICES, &service("wrong", &wrong)).await.code, 422);
    h.made(SERVICES, service("a", &json!({}))).await;
    assert_eq!(h.post(SERVICES, &service("a", &json!({"type": "NodePort"}))).await.code, 409);
    let dry = &format!("{SERVICES}?dryRun=All");
    let two_ports = json!({"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]});
    let tried = h.post(dry, &service("dry", &two_ports)).await.is(http::StatusCode::CREATED);
    assert_ne!(tried["spec"]["ports"][0]["nodePort"], tried["spec"]["ports"][1]["nodePort"]);
    let taken = h.post(dry, &service("dry", &json!({"clusterIP": "10.0.0.1"}))).await;
    assert_eq!(taken.code, 422, "{}", taken.text);
    let uri = format!("{SERVICES}/a?dryRun=All");
    h.patch(&uri, "merge", &json!({"spec": {"type": "NodePort"}})).await.ok();
    h.delete(&uri).await.ok();
    assert_eq!(claimed(&h).await.len(), 2, "kubernetes and a");
    assert!(claimed_ports(&store).await.is_empty());
}

#[tokio::test]
async fn what_a_service_gives_up_is_free_again() {
    let store = memory();
    let h = Harness::over(store.clone(), small).await;
    let uri = &format!("{SERVICES}/a");
    h.made(SERVICES, service("a", &json!({"type": "NodePort", "clusterIP": "10.0.0.3"}))).await;
    assert_eq!(claimed_ports(&store).await.len(), 1);
    h.patch(uri, "merge", &json!({"spec": {"type": "ClusterIP"}})).await.ok();
    assert!(claimed_ports(&store).await.is_empty());
    let outside =
        json!({"spec": {"type": "ExternalName", "externalName": "example.com", "clusterIP": null, "clusterIPs": null}});
    h.patch(uri, "merge", &outside).await.ok();
    assert_eq!(claimed(&h).await.len(), 1, "only that of kubernetes");
    h.patch(uri, "merge", &json!({"spec": {"type": "ClusterIP", "externalName": null}})).await.ok();
    assert_eq!(claimed(&h).await.len(), 2);
    h.patch(uri, "merge", &json!({"metadata": {"finalizers": ["example.com/wait"]}})).await.ok();
    h.delete(uri).await.ok();
    assert_eq!(claimed(&h).await.len(), 2, "it is there until its finalizers have gone");
    h.patch(uri, "merge", &json!({"metadata": {"finalizers": null}})).await.ok();
    assert_eq!(h.get(uri).await.code, 404);
    assert_eq!(claimed(&h).await.len(), 1);
}

#[tokio::test]
async fn a_start_claims_what_services_of_older_data_hold() {
    let store = memory();
    let h = Harness::over(store.clone(), small).await;
    h.made(SERVICES, service("a", &json!({"type": "NodePort", "clusterIP": "10.0.0.7"}))).await;
    let ports = claimed_ports(&store).await;
    for key in [format!("{PORTS}{}", ports[0]), "/networking.k8s.io/ipaddresses/10.0.0.7".to_owned()] {
        store.delete(&key, Precondition::None).await.unwrap();
    }
    let again = Harness::over(store.clone(), small).await;
    assert!(claimed(&again).await.contains(&("10.0.0.7".to_owned(), "a".to_owned())));
    assert_eq!(claimed_ports(&store).await, ports);
    let taken = again.post(SERVICES, &service("b", &json!({"clusterIP": "10.0.0.7"}))).await;
    assert_eq!(taken.code, 422);
}

/// What goes wrong where it is told to.
#[derive(Debug, Default)]
struct Faults {
    /// What becomes of writes of Services.
    fault: Mutex<Option<Error>>,
    /// A key that somebody else has when it is next written, and no longer after that.
    taken: Mutex<Option<String>>,
}

impl Faults {
    fn fail(&self, fault: impl Into<Option<Error>>) {
        *self.fault.lock() = fault.into();
    }
}

#[async_trait]
impl Happening for Faults {
    async fn before_write(&self, _store: &Arc<dyn Store>, txn: &Txn) -> Option<Result<TxnOutcome>> {
        let concerned = txn.key.starts_with("/core/services/") && matches!(txn.op, Op::Put { .. });
        if concerned && let Some(fault) = self.fault.lock().clone() {
            return Some(Err(fault));
        }
        let taken = self.taken.lock().take_if(|taken| *taken == txn.key);
        taken.map(|_| Ok(TxnOutcome::Refused { current: None }))
    }
}

/// Starts what a server does from time to time.
fn run(server: &ApiServer) -> CancellationToken {
    let (server, shutdown) = (server.clone(), CancellationToken::new());
    let token = shutdown.clone();
    tokio::spawn(async move { server.run(token).await });
    shutdown
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_its_service_is_released_after_a_while() {
    let faulty = Interposed::new(Faults::default());
    let store: Arc<dyn Store> = faulty.clone();
    let servers = two(&store, small).await;
    faulty.happening.fail(Error::Unknown("no answer came".to_owned()));
    let lost = servers[0].post(SERVICES, &service("lost", &json!({"type": "NodePort", "clusterIP": "10.0.0.8"}))).await;
    assert_eq!(lost.code, 504, "{}", lost.text);
    faulty.happening.fail(None);
    let held = ("10.0.0.8".to_owned(), "lost".to_owned());
    assert!(claimed(&servers[0]).await.contains(&held), "the Service may be there all the same");
    let _running = [run(&servers[0].server), run(&servers[1].server)];
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(claimed(&servers[0]).await.contains(&held), "its Service may be on its way");
    tokio::time::sleep(Duration::from_secs(1200)).await;
    assert_eq!(claimed(&servers[0]).await, [("10.0.0.1".to_owned(), "kubernetes".to_owned())]);
    assert!(claimed_ports(&store).await.is_empty());
    servers[1].made(SERVICES, service("next", &json!({"clusterIP": "10.0.0.8"}))).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(
        claimed(&servers[0]).await.contains(&("10.0.0.8".to_owned(), "next".to_owned())),
        "it stays with its Service"
    );
}

#[tokio::test]
async fn an_update_that_the_store_refuses_claims_nothing() {
    let faulty = Interposed::new(Faults::default());
    let store: Arc<dyn Store> = faulty.clone();
    let h = Harness::over(store.clone(), small).await;
    h.made(SERVICES, service("a", &json!({}))).await;
    faulty.happening.fail(Error::Invalid("it is too large".to_owned()));
    let refused = h.patch(&format!("{SERVICES}/a"), "merge", &json!({"spec": {"type": "NodePort"}})).await;
    assert_eq!(refused.code, 400, "{}", refused.text);
    assert!(claimed_ports(&store).await.is_empty());
}

#[tokio::test]
async fn the_servers_own_address_is_claimed_when_another_lets_it_go() {
    let faulty = Interposed::new(Faults::default());
    *faulty.happening.taken.lock() = Some("/networking.k8s.io/ipaddresses/10.0.0.1".to_owned());
    let h = Harness::over(faulty, small).await;
    assert_eq!(claimed(&h).await, [("10.0.0.1".to_owned(), "kubernetes".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn the_repair_leaves_alone_what_is_not_the_servers_own_and_makes_what_is_missing() {
    let store = memory();
    let h = Harness::over(store.clone(), small).await;
    let reserved = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": "10.0.0.12"},
        "spec": {"parentRef": {"group": "gateway.networking.k8s.io", "resource": "gateways", "name": "edge"}}});
    h.made(ADDRESSES, reserved).await;
    let taken = h.post(SERVICES, &service("a", &json!({"clusterIP": "10.0.0.12"}))).await;
    assert_eq!(taken.code, 422, "a user may reserve an address");
    h.made(SERVICES, service("b", &json!({"clusterIP": "10.0.0.5"}))).await;
    h.delete(&format!("{ADDRESSES}/10.0.0.5")).await.ok();
    let _running = run(&h.server);
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let names: Vec<String> = claimed(&h).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["kubernetes", "edge", "b"]);
}

/// Says 0 for a while, and then something else each time.
#[derive(Debug, Default)]
struct Monotonous {
    zeros: AtomicU64,
    next: AtomicU64,
}

impl Random for Monotonous {
    fn next_u64(&self) -> u64 {
        let left = self.zeros.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { 0 } else { self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) }
    }
}

#[tokio::test]
async fn a_claim_follows_the_name_that_is_generated_in_the_end() {
    let random = Arc::new(Monotonous::default());
    let source = Arc::clone(&random);
    let h = Harness::with(move |builder| builder.random(source)).await;
    let mut generated = service("", &json!({}));
    generated["metadata"] = json!({"generateName": "web-"});
    let mut renamed = 0;
    for zeros in 0..60 {
        random.zeros.store(zeros, Ordering::Relaxed);
        let made = h.post(SERVICES, &generated).await;
        if made.code != 201 {
            continue;
        }
        let (name, ip) =
            (made.body["metadata"]["name"].as_str().unwrap(), made.body["spec"]["clusterIP"].as_str().unwrap());
        let claim = h.get(&format!("{ADDRESSES}/{ip}")).await.ok();
        assert_eq!(claim["spec"]["parentRef"]["name"], name, "after {zeros} zeros");
        renamed += 1;
    }
    assert!(renamed > 40, "{renamed}");
    random.zeros.store(u64::MAX, Ordering::Relaxed);
    let before = claimed(&h).await.len();
    let refused = h.post(SERVICES, &generated).await;
    assert_eq!((refused.code, claimed(&h).await.len()), (409, before), "{}", refused.text);
}

#[tokio::test]
async fn addresses_and_ranges_are_validated() {
    let h = Harness::new().await;
    let address = |name: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {"name": name}, "spec": {"parentRef": {"resource": "services", "name": "a"}}})
    };
    for (name, detail) in [
        ("web", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("fd00:0::1", "must be in canonical form (\"fd00::1\")"),
        ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
    ] {
        let refused = h.post(ADDRESSES, &address(name)).await;
        assert!(refused.code == 422 && refused.body["message"].as_str().unwrap().contains(detail), "{}", refused.text);
    }
    h.made(ADDRESSES, address("fd00::1")).await;
    let moved = h.patch(&format!("{ADDRESSES}/fd00::1"), "merge", &json!({"spec": {"parentRef": {"name": "b"}}})).await;
    assert!(moved.code == 422 && moved.text.contains("field is immutable"), "{}", moved.text);
    let cidrs = "/apis/networking.k8s.io/v1/servicecidrs";
    let range = |cidrs: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": "more"}, "spec": {"cidrs": cidrs}})
    };
    for (wrong, detail) in [
        (json!([]), "at least one CIDR required"),
        (json!(["10.0.0.0/24", "10.1.0.0/24"]), "may specify no more than one IP for each IP family"),
        (json!(["10.0.0.0/24", "fd00::/64", "fd01::/64"]), "may only hold up to 2 values"),
        (json!(["10.0.0.0"]), "must be a valid CIDR value"),
    ] {
        let refused = h.post(cidrs, &range(wrong)).await;
        assert!(refused.code == 422 && refused.text.contains(detail), "{}", refused.text);
    }
}
