//! NodePorts. Sources: the API reference of ContainerPort (hostPort, hostIP, protocol) and kube-scheduler's `HostPortInfo`.

use super::*;
use crate::model::{HostPort, Protocol};
use crate::plugins::testing::{cluster, node, verdict};
use Protocol::{Sctp, Tcp, Udp};

type Port = (Protocol, &'static str, u16);
const NO: &str = "Unschedulable: node(s) didn't have free ports for the requested pod ports";

fn pod(name: &str, ports: &[Port]) -> Pod {
    let mut pod = Pod::new(name);
    pod.host_ports = ports
        .iter()
        .map(|(protocol, ip, port)| HostPort { protocol: *protocol, ip: (*ip).into(), port: *port })
        .collect();
    pod
}

/// Node `a` with the ports taken, node `b` free.
#[track_caller]
fn check(_source: &str, taken: &[Port], wanted: &[Port], expected: &str) {
    let state = cluster([node("a"), node("b")], [pod("x", taken).on("a")]);
    assert_eq!(verdict(&NodePorts, &state, &pod("p", wanted)), expected.replace("NO", NO));
}

const ANY: &str = "0.0.0.0";

#[test]
fn filter() {
    check("API: no host ports", &[(Tcp, ANY, 80)], &[], "skip");
    check("API: a port is taken once", &[(Tcp, ANY, 80)], &[(Tcp, ANY, 80)], "b | NO");
    check("API: another port", &[(Tcp, ANY, 80)], &[(Tcp, ANY, 81)], "a b");
    check("API: another protocol", &[(Tcp, ANY, 80)], &[(Udp, ANY, 80)], "a b");
    check("API: SCTP is a protocol of its own", &[(Sctp, ANY, 80)], &[(Sctp, ANY, 80), (Tcp, ANY, 80)], "b | NO");
    check("API: two addresses of a host", &[(Tcp, "10.0.0.1", 80)], &[(Tcp, "10.0.0.2", 80)], "a b");
    check("API: one address", &[(Tcp, "10.0.0.1", 80)], &[(Tcp, "10.0.0.1", 80)], "b | NO");
    check("HostPortInfo: all addresses hold each", &[(Tcp, ANY, 80)], &[(Tcp, "10.0.0.1", 80)], "b | NO");
    check("HostPortInfo: and each is held by all", &[(Tcp, "10.0.0.1", 80)], &[(Tcp, ANY, 80)], "b | NO");
    check("one of several is enough", &[(Tcp, ANY, 80)], &[(Tcp, ANY, 81), (Udp, ANY, 80), (Tcp, ANY, 80)], "b | NO");
    check("none of several", &[(Tcp, ANY, 80), (Udp, ANY, 53)], &[(Tcp, ANY, 53), (Udp, ANY, 80)], "a b");
    check("bad input: the last port", &[(Tcp, ANY, 65_535)], &[(Tcp, ANY, 65_535)], "b | NO");
}

#[test]
fn a_pod_that_goes_gives_its_ports_back() {
    let mut state = cluster([node("a")], [pod("x", &[(Tcp, ANY, 80)]).on("a")]);
    state.remove_pod("x");
    assert_eq!(verdict(&NodePorts, &state, &pod("p", &[(Tcp, ANY, 80)])), "a");
}
