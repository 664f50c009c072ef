//! Rows for endpoints, and for which slices are written: few.

mod packing;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerPort, Node, Pod, PodIP, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubekit_runtime::Object as _;

use super::decide::{Decision, Effect, MANAGED_BY, Observed, SERVICE_NAME, decide};
use super::tracker::Tracker;
use crate::backends::{HEADLESS, LAST_CHANGE_TRIGGER_TIME};
use crate::objects::{at, labels, meta, node, on_node, pod, pod_ready_since, terminating, with_ip};

fn service() -> Service {
    let port = ServicePort { name: Some("http".into()), port: 80, ..ServicePort::default() };
    let spec = ServiceSpec {
        selector: Some(labels(&[("app", "web")])),
        cluster_ip: Some("10.96.0.10".into()),
        ip_families: Some(vec!["IPv4".into()]),
        ports: Some(vec![port]),
        ..ServiceSpec::default()
    };
    Service { metadata: meta("web"), spec: Some(spec), status: None }
}

fn backend(index: usize) -> Pod {
    let ip = format!("10.0.{}.{}", index / 250, index % 250 + 1);
    on_node(with_ip(pod_ready_since(&format!("p{index:03}"), 5), &ip), "n1")
}

fn backends(count: usize) -> Vec<Pod> {
    (0..count).map(backend).collect()
}

/// The slices of a Service, as a server that carries out all writes keeps them.
#[derive(Debug)]
struct World {
    service: Service,
    slices: Vec<Arc<EndpointSlice>>,
    max: usize,
    created: usize,
}

impl World {
    fn new(service: Service, max: usize) -> Self {
        Self { service, slices: Vec::new(), max, created: 0 }
    }

    fn look(&self, pods: &[Pod]) -> Decision {
        let pods: Vec<Arc<Pod>> = pods.iter().cloned().map(Arc::new).collect();
        let mut zoned = node("n1", "True", 1);
        zoned.metadata.labels = Some(labels(&[("topology.kubernetes.io/zone", "z1")]));
        let bare = node("bare", "True", 1);
        let nodes: BTreeMap<String, Arc<Node>> =
            [("n1".to_owned(), Arc::new(zoned)), ("bare".to_owned(), Arc::new(bare))].into();
        let observed = Observed { service: &self.service, pods: &pods, nodes: &nodes, slices: &self.slices };
        decide(&observed, self.max, Some(at(7)))
    }

    /// Carries a pass out; how many slices were created, replaced and deleted.
    fn pass(&mut self, pods: &[Pod]) -> (usize, usize, usize) {
        let mut writes = (0, 0, 0);
        for effect in self.look(pods).effects {
            match effect {
                Effect::Create(mut slice) => {
                    self.created += 1;
                    slice.metadata.name = Some(format!("web-{}", self.created));
                    slice.metadata.uid = Some(format!("uid-{}", self.created));
                    slice.metadata.generation = Some(1);
                    self.slices.push(Arc::new(*slice));
                    writes.0 += 1;
                }
                Effect::Update(slice) => {
                    let index = self.slices.iter().position(|s| s.name() == slice.name()).unwrap();
                    self.slices[index] = Arc::new(*slice);
                    writes.1 += 1;
                }
                Effect::Delete(slice) => {
                    self.slices.retain(|s| s.name() != slice.name());
                    writes.2 += 1;
                }
            }
        }
        assert_eq!(self.look(pods).effects, [], "a second pass has nothing to do");
        writes
    }

    fn sizes(&self) -> Vec<usize> {
        self.slices.iter().map(|s| s.endpoints.as_ref().map_or(0, Vec::len)).collect()
    }

    #[track_caller]
    fn only_endpoint(&self) -> Endpoint {
        assert_eq!(self.sizes(), [1]);
        self.slices[0].endpoints.as_ref().unwrap()[0].clone()
    }
}

#[test]
fn a_slice_says_whose_it_is_and_what_is_behind_it() {
    let mut world = World::new(service(), 100);
    world.service.metadata.labels = Some(labels(&[("team", "a"), (SERVICE_NAME, "lies")]));
    assert_eq!(world.pass(&[backend(0)]), (1, 0, 0));
    let slice = &world.slices[0];
    assert_eq!(slice.metadata.generate_name.as_deref(), Some("web-"));
    let expected = [("team", "a"), (SERVICE_NAME, "web"), (MANAGED_BY, "endpointslice-controller.k8s.io")];
    assert_eq!(*slice.labels(), labels(&expected));
    assert_eq!(slice.annotations()[LAST_CHANGE_TRIGGER_TIME], "1970-01-01T00:00:07Z");
    let owner = &slice.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("Service", Some(true)));
    assert_eq!(slice.address_type, "IPv4");
    let port = &slice.ports.as_ref().unwrap()[0];
    assert_eq!((port.name.as_deref(), port.port, port.protocol.as_deref()), (Some("http"), Some(80), Some("TCP")));
    let endpoint = world.only_endpoint();
    assert_eq!(endpoint.addresses, ["10.0.0.1"]);
    assert_eq!((endpoint.node_name.as_deref(), endpoint.zone.as_deref()), (Some("n1"), Some("z1")));
    let target = endpoint.target_ref.unwrap();
    assert_eq!((target.kind.as_deref(), target.name.as_deref()), (Some("Pod"), Some("p000")));
}

/// Ready, serving and terminating.
#[track_caller]
fn check_conditions(pod: Pod, publish: bool, expected: (bool, bool, bool)) {
    let mut world = World::new(service(), 100);
    world.service.spec.get_or_insert_default().publish_not_ready_addresses = Some(publish);
    world.pass(&[pod]);
    let conditions = world.only_endpoint().conditions.unwrap();
    let all = (conditions.ready.unwrap(), conditions.serving.unwrap(), conditions.terminating.unwrap());
    assert_eq!(all, expected);
}

#[test]
fn conditions_follow_the_pod() {
    let unready = || on_node(with_ip(pod("p"), "10.0.0.1"), "n1");
    check_conditions(backend(0), false, (true, true, false));
    check_conditions(unready(), false, (false, false, false));
    check_conditions(unready(), true, (true, false, false));
    check_conditions(terminating(backend(0)), false, (false, true, true));
    check_conditions(terminating(unready()), false, (false, false, true));
    check_conditions(terminating(backend(0)), true, (true, true, true));
}

#[test]
fn a_service_without_endpoints_has_one_empty_slice() {
    let mut world = World::new(service(), 100);
    assert_eq!(world.pass(&[]), (1, 0, 0));
    assert_eq!(world.sizes(), [0]);
    assert_eq!(world.pass(&[backend(0)]), (0, 1, 0), "it is filled rather than replaced");
    assert_eq!(world.pass(&[]), (0, 1, 0));
    assert_eq!(world.sizes(), [0]);
}

#[test]
fn slices_hold_no_more_than_they_may() {
    let mut world = World::new(service(), 100);
    assert_eq!(world.pass(&backends(250)), (3, 0, 0));
    assert_eq!(world.sizes(), [100, 100, 50]);
}

#[test]
fn one_change_writes_one_slice() {
    let mut world = World::new(service(), 100);
    let mut pods = backends(250);
    world.pass(&pods);
    pods.push(backend(250));
    assert_eq!(world.pass(&pods), (0, 1, 0), "a new endpoint goes where there is room");
    pods.remove(0);
    assert_eq!(world.pass(&pods), (0, 1, 0));
    pods[0] = terminating(pods[0].clone());
    assert_eq!(world.pass(&pods), (0, 1, 0));
    pods.remove(100);
    pods.push(backend(251));
    assert_eq!(world.pass(&pods), (0, 1, 0), "what comes fills the slice that something left");
    assert_eq!(world.sizes().iter().sum::<usize>(), pods.len());
}

#[test]
fn a_slice_that_nothing_is_left_for_is_deleted() {
    let mut world = World::new(service(), 10);
    world.pass(&backends(15));
    let kept = world.slices[0].endpoints.clone().unwrap_or_default();
    let stays = |pod: &Pod| kept.iter().any(|e| e.target_ref.as_ref().is_some_and(|t| t.name == pod.metadata.name));
    let pods: Vec<Pod> = backends(15).into_iter().filter(stays).collect();
    assert_eq!(world.pass(&pods), (0, 0, 1));
    assert_eq!(world.sizes(), [10]);
}

#[test]
fn labels_of_the_service_are_followed() {
    let mut world = World::new(service(), 100);
    world.service.metadata.labels = Some(labels(&[("team", "a")]));
    world.pass(&[backend(0)]);
    world.service.metadata.labels = Some(labels(&[("tier", "b")]));
    assert_eq!(world.pass(&[backend(0)]), (0, 1, 0));
    assert!(world.slices[0].labels().contains_key("tier") && !world.slices[0].labels().contains_key("team"));
}

#[test]
fn pods_with_other_port_numbers_have_slices_of_their_own() {
    let mut world = World::new(service(), 100);
    let ports = world.service.spec.get_or_insert_default().ports.get_or_insert_default();
    ports[0].target_port = Some(IntOrString::String("http".into()));
    let listening = |index: usize, number| {
        let mut pod = backend(index);
        let port = ContainerPort { name: Some("http".into()), container_port: number, ..ContainerPort::default() };
        pod.spec.get_or_insert_default().containers[0].ports = Some(vec![port]);
        pod
    };
    world.pass(&[listening(0, 8080), listening(1, 8080), listening(2, 9090)]);
    let numbers: Vec<Option<i32>> = world.slices.iter().map(|s| s.ports.as_ref().unwrap()[0].port).collect();
    assert_eq!((numbers, world.sizes()), (vec![Some(8080), Some(9090)], vec![2, 1]));
}

#[test]
fn each_family_has_slices_of_its_own() {
    let mut world = World::new(service(), 100);
    let spec = world.service.spec.get_or_insert_default();
    spec.ip_families = Some(vec!["IPv4".into(), "IPv6".into()]);
    let mut dual = backend(0);
    dual.status.get_or_insert_default().pod_ips =
        Some(vec![PodIP { ip: "10.0.0.1".into() }, PodIP { ip: "fd00::1".into() }]);
    world.pass(&[dual.clone()]);
    let types: Vec<&str> = world.slices.iter().map(|s| s.address_type.as_str()).collect();
    assert_eq!(types, ["IPv4", "IPv6"]);
    world.service.spec.get_or_insert_default().ip_families = Some(vec!["IPv4".into()]);
    assert_eq!(world.pass(&[dual]), (0, 0, 1));
}

#[test]
fn headless_services_say_so_and_need_no_ports() {
    let mut world = World::new(service(), 100);
    let spec = world.service.spec.get_or_insert_default();
    spec.cluster_ip = Some("None".into());
    spec.ports = None;
    let mut named = backend(0);
    let pod_spec = named.spec.get_or_insert_default();
    pod_spec.hostname = Some("db-0".into());
    pod_spec.subdomain = Some("web".into());
    world.pass(&[named]);
    assert_eq!(world.slices[0].labels()[HEADLESS], "");
    assert_eq!(world.only_endpoint().hostname.as_deref(), Some("db-0"));
}

#[test]
fn a_pod_whose_node_is_not_known_is_left_out_for_now() {
    let world = World::new(service(), 100);
    let lost = on_node(with_ip(pod_ready_since("a", 1), "10.0.0.1"), "gone");
    let decision = world.look(&[lost, backend(1)]);
    assert!(decision.incomplete);
    let [Effect::Create(slice)] = decision.effects.as_slice() else { panic!("{decision:?}") };
    assert_eq!(slice.endpoints.as_ref().unwrap().len(), 1);
}

#[test]
fn nothing_is_created_for_a_service_on_its_way_out() {
    let mut world = World::new(service(), 100);
    world.service.metadata.deletion_timestamp = world.service.metadata.creation_timestamp.clone();
    assert_eq!(world.look(&[backend(0)]).effects, []);
}

#[test]
fn the_tracker_knows_a_cache_that_is_behind() {
    let mut world = World::new(service(), 100);
    let key = world.service.key();
    world.pass(&[backend(0)]);
    let slice = Arc::clone(&world.slices[0]);
    let tracker = Tracker::default();
    assert!(!tracker.is_stale(&key, &[]));
    tracker.written(&slice);
    assert!(tracker.is_stale(&key, &[]), "a slice that was created is not to be seen");
    assert!(!tracker.is_stale(&key, std::slice::from_ref(&slice)));
    let mut newer = EndpointSlice::clone(&slice);
    newer.metadata.generation = Some(2);
    tracker.written(&newer);
    assert!(tracker.is_stale(&key, std::slice::from_ref(&slice)), "it is to be seen as it was before");
    tracker.deleted(&slice);
    assert!(tracker.is_stale(&key, std::slice::from_ref(&slice)));
    assert!(!tracker.is_stale(&key, &[]));
    assert!(!tracker.gone(&slice), "we deleted it");
    assert!(tracker.gone(&slice), "somebody else did");
}

#[test]
fn a_slice_has_room_for_one_endpoint_at_least_and_a_thousand_at_most() {
    let created = |max, count| World::new(service(), max).look(&backends(count)).effects.len();
    assert_eq!(created(0, 3), 3);
    assert_eq!(created(usize::MAX, 1_001), 2);
}

/// The zones and nodes in the hints of an endpoint, behind a Service of this distribution.
#[track_caller]
fn check_hints(distribution: Option<&str>, pod: Pod, zones: &[&str], nodes: &[&str]) {
    let mut world = World::new(service(), 100);
    world.pass(std::slice::from_ref(&pod));
    world.service.spec.get_or_insert_default().traffic_distribution = distribution.map(str::to_owned);
    world.pass(&[pod]);
    let hints = world.only_endpoint().hints;
    assert!(hints.is_some() || (zones.is_empty() && nodes.is_empty()));
    let hints = hints.unwrap_or_default();
    assert_eq!(hints.for_zones.iter().flatten().map(|z| z.name.as_str()).collect::<Vec<_>>(), zones);
    assert_eq!(hints.for_nodes.iter().flatten().map(|n| n.name.as_str()).collect::<Vec<_>>(), nodes);
}

#[test]
fn ready_endpoints_hint_at_who_is_near() {
    check_hints(None, backend(0), &[], &[]);
    check_hints(Some("PreferClose"), backend(0), &["z1"], &[]);
    check_hints(Some("PreferSameZone"), backend(0), &["z1"], &[]);
    check_hints(Some("PreferSameNode"), backend(0), &["z1"], &["n1"]);
    check_hints(Some("PreferSameNode"), on_node(with_ip(pod("p"), "10.0.0.1"), "n1"), &[], &[]);
    check_hints(Some("PreferSameNode"), terminating(backend(0)), &[], &[]);
    // The node has no zone.
    check_hints(Some("PreferSameZone"), on_node(backend(0), "bare"), &[], &[]);
    check_hints(Some("PreferSameNode"), on_node(backend(0), "bare"), &[], &["bare"]);
}
