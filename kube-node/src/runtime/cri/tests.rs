//! The agent's types in, the protocol's messages out, and back. The numbers are those of `runtime/v1/api.proto`.

use super::convert;
use super::messages as m;
use crate::runtime::container::{
    ContainerConfig, ContainerSecurity, ContainerState, LinuxResources, Mount, Propagation, SecurityProfile,
};
use crate::runtime::sandbox::{DnsConfig, NamespaceMode, Namespaces, PortMapping, Protocol, SandboxConfig};

#[test]
fn a_sandbox_in_full() {
    let mapping =
        |protocol, host_port| PortMapping { protocol, container_port: 80, host_port, host_ip: "192.0.2.1".into() };
    let config = SandboxConfig {
        name: "p".into(),
        namespace: "ns".into(),
        uid: "u".into(),
        attempt: 2,
        hostname: "web-0".into(),
        log_directory: "/var/log/pods/ns_p_u".into(),
        dns: Some(DnsConfig {
            servers: vec!["10.96.0.10".into()],
            searches: vec!["cluster.local".into()],
            options: vec!["ndots:5".into()],
        }),
        port_mappings: vec![mapping(Protocol::Tcp, 1), mapping(Protocol::Udp, 2), mapping(Protocol::Sctp, 3)],
        sysctls: [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into(),
        namespaces: Namespaces { network: NamespaceMode::Node, pid: NamespaceMode::Container, ipc: NamespaceMode::Pod },
        privileged: true,
        supplemental_groups: vec![7],
        ..SandboxConfig::default()
    };
    let made = convert::sandbox_config(&config);
    let metadata = made.metadata.expect("metadata");
    assert_eq!((metadata.name.as_str(), metadata.namespace.as_str(), metadata.attempt), ("p", "ns", 2));
    let ports: Vec<(i32, i32, i32)> =
        made.port_mappings.iter().map(|port| (port.protocol, port.container_port, port.host_port)).collect();
    assert_eq!(ports, [(0, 80, 1), (1, 80, 2), (2, 80, 3)]);
    assert_eq!(made.dns_config.expect("resolution").options, ["ndots:5"]);
    let linux = made.linux.expect("linux");
    assert_eq!(linux.sysctls["net.ipv4.ip_forward"], "1");
    let security = linux.security_context.expect("security");
    let namespaces = security.namespace_options.expect("namespaces");
    assert_eq!((namespaces.network, namespaces.pid, namespaces.ipc), (2, 1, 0));
    assert_eq!((security.privileged, security.supplemental_groups), (true, vec![7]));
}

#[test]
fn a_container_in_full() {
    let config = ContainerConfig {
        name: "a".into(),
        attempt: 3,
        image: "sha256:1".into(),
        image_name: "busybox:1".into(),
        working_dir: "/w".into(),
        env: vec![("B".into(), "1".into()), ("A".into(), "2".into())],
        log_path: "a/3.log".into(),
        stdin: true,
        tty: true,
        resources: LinuxResources {
            cpu_period: 1,
            cpu_quota: 2,
            cpu_shares: 3,
            memory_bytes_max: 4,
            oom_score_adj: -997,
        },
        ..ContainerConfig::default()
    };
    let made = convert::container_config(&config);
    let image = made.image.expect("an image");
    assert_eq!((image.image.as_str(), image.user_specified_image.as_str()), ("sha256:1", "busybox:1"));
    let names: Vec<&str> = made.envs.iter().map(|variable| variable.key.as_str()).collect();
    assert_eq!(names, ["B", "A"], "in their order");
    assert_eq!((made.stdin, made.stdin_once, made.tty, made.log_path.as_str()), (true, false, true, "a/3.log"));
    let resources = made.linux.and_then(|linux| linux.resources).expect("resources");
    assert_eq!((resources.cpu_period, resources.cpu_quota, resources.cpu_shares), (1, 2, 3));
    assert_eq!((resources.memory_limit_in_bytes, resources.oom_score_adj), (4, -997));
}

/// The kind and the name of a seccomp and an AppArmor profile.
#[track_caller]
fn check_profile(profile: SecurityProfile, expected: (i32, &str)) {
    let security =
        ContainerSecurity { seccomp: Some(profile.clone()), apparmor: Some(profile), ..ContainerSecurity::default() };
    let config = ContainerConfig { security, ..ContainerConfig::default() };
    let made = convert::container_config(&config).linux.and_then(|linux| linux.security_context).expect("security");
    for profile in [made.seccomp.expect("a profile"), made.apparmor.expect("a profile")] {
        assert_eq!((profile.profile_type, profile.localhost_ref.as_str()), expected);
    }
}

#[test]
fn profiles() {
    check_profile(SecurityProfile::RuntimeDefault, (0, ""));
    check_profile(SecurityProfile::Unconfined, (1, ""));
    check_profile(SecurityProfile::Localhost("/p.json".into()), (2, "/p.json"));
}

#[test]
fn mounts_come_back_as_they_were() {
    let mount = |path: &str, read_only, propagation| Mount {
        container_path: path.into(),
        host_path: format!("/host{path}"),
        read_only,
        propagation,
    };
    let mounts = vec![
        mount("/a", false, Propagation::Private),
        mount("/b", true, Propagation::HostToContainer),
        mount("/c", false, Propagation::Bidirectional),
    ];
    let config = ContainerConfig { mounts: mounts.clone(), ..ContainerConfig::default() };
    let made = convert::container_config(&config);
    assert_eq!(made.mounts.iter().map(|mount| mount.propagation).collect::<Vec<_>>(), [0, 1, 2]);
    let status = convert::container_status(m::ContainerStatus { mounts: made.mounts, ..Default::default() });
    assert_eq!(status.mounts, mounts);
}

/// A state by its number, in lists and alone.
#[track_caller]
fn check_state(number: i32, expected: ContainerState) {
    let alone = convert::container_status(m::ContainerStatus { state: number, ..Default::default() });
    let listed = convert::container(m::Container { state: number, ..Default::default() });
    assert_eq!((alone.state, listed.state), (expected, expected));
}

#[test]
fn states() {
    check_state(0, ContainerState::Created);
    check_state(1, ContainerState::Running);
    check_state(2, ContainerState::Exited);
    check_state(3, ContainerState::Unknown);
    check_state(99, ContainerState::Unknown);
}

#[test]
fn what_a_runtime_leaves_out_is_nothing() {
    let status = convert::container_status(m::ContainerStatus::default());
    assert_eq!((status.started_at, status.finished_at, status.exit_code), (None, None, 0));
    assert!(status.name.is_empty() && status.image.is_empty() && status.log_path.is_empty());
    let sandbox = convert::sandbox_status(m::PodSandboxStatus::default());
    assert!(sandbox.ips.is_empty() && sandbox.uid.is_empty());
    let stats = convert::stats(m::ContainerStats::default());
    assert_eq!((stats.cpu_nanoseconds, stats.memory_working_set_bytes, stats.writable_layer_bytes), (0, 0, 0));
    let image = convert::image(m::Image::default());
    assert_eq!((image.uid, image.size_bytes), (None, 0));
}
