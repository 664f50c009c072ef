//! Between the agent's types and the protocol's messages. Pure.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::messages as m;
use crate::runtime::container::{
    Container, ContainerConfig, ContainerSecurity, ContainerState, ContainerStats, ContainerStatus, Mount, Propagation,
    SecurityProfile,
};
use crate::runtime::image::{Image, RegistryAuth};
use crate::runtime::sandbox::{NamespaceMode, Namespaces, Protocol, SandboxConfig, SandboxState, SandboxStatus};

pub(super) fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn ordered(map: HashMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().collect()
}

/// Nanoseconds since 1970; zero is "not given".
fn time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds > 0).then(|| Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()).flatten()
}

fn mode(mode: NamespaceMode) -> i32 {
    match mode {
        NamespaceMode::Pod => 0,
        NamespaceMode::Container => 1,
        NamespaceMode::Node => 2,
    }
}

fn namespaces(namespaces: Namespaces) -> m::NamespaceOption {
    m::NamespaceOption { network: mode(namespaces.network), pid: mode(namespaces.pid), ipc: mode(namespaces.ipc) }
}

fn profile(profile: &SecurityProfile) -> m::SecurityProfile {
    match profile {
        SecurityProfile::RuntimeDefault => m::SecurityProfile::default(),
        SecurityProfile::Unconfined => m::SecurityProfile { profile_type: 1, localhost_ref: String::new() },
        SecurityProfile::Localhost(name) => m::SecurityProfile { profile_type: 2, localhost_ref: name.clone() },
    }
}

pub(super) fn sandbox_config(config: &SandboxConfig) -> m::PodSandboxConfig {
    m::PodSandboxConfig {
        metadata: Some(m::PodSandboxMetadata {
            name: config.name.clone(),
            uid: config.uid.clone(),
            namespace: config.namespace.clone(),
            attempt: config.attempt,
        }),
        hostname: config.hostname.clone(),
        log_directory: config.log_directory.clone(),
        dns_config: config.dns.as_ref().map(|dns| m::DnsConfig {
            servers: dns.servers.clone(),
            searches: dns.searches.clone(),
            options: dns.options.clone(),
        }),
        port_mappings: config
            .port_mappings
            .iter()
            .map(|mapping| m::PortMapping {
                protocol: match mapping.protocol {
                    Protocol::Tcp => 0,
                    Protocol::Udp => 1,
                    Protocol::Sctp => 2,
                },
                container_port: i32::from(mapping.container_port),
                host_port: i32::from(mapping.host_port),
                host_ip: mapping.host_ip.clone(),
            })
            .collect(),
        labels: hash_map(&config.labels),
        annotations: hash_map(&config.annotations),
        linux: Some(m::LinuxPodSandboxConfig {
            cgroup_parent: config.cgroup_parent.clone(),
            security_context: Some(m::LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(config.namespaces)),
                supplemental_groups: config.supplemental_groups.clone(),
                privileged: config.privileged,
                seccomp: Some(profile(&SecurityProfile::RuntimeDefault)),
            }),
            sysctls: hash_map(&config.sysctls),
        }),
    }
}

fn mount(mount: &Mount) -> m::Mount {
    m::Mount {
        container_path: mount.container_path.clone(),
        host_path: mount.host_path.clone(),
        readonly: mount.read_only,
        propagation: match mount.propagation {
            Propagation::Private => 0,
            Propagation::HostToContainer => 1,
            Propagation::Bidirectional => 2,
        },
    }
}

fn mount_back(mount: m::Mount) -> Mount {
    Mount {
        container_path: mount.container_path,
        host_path: mount.host_path,
        read_only: mount.readonly,
        propagation: match mount.propagation {
            1 => Propagation::HostToContainer,
            2 => Propagation::Bidirectional,
            _ => Propagation::Private,
        },
    }
}

fn security(security: &ContainerSecurity) -> m::LinuxContainerSecurityContext {
    let value = |value: i64| m::Int64Value { value };
    let has_user = security.run_as_user.is_some() || !security.run_as_username.is_empty();
    m::LinuxContainerSecurityContext {
        capabilities: Some(m::Capability {
            add_capabilities: security.capabilities_add.clone(),
            drop_capabilities: security.capabilities_drop.clone(),
        }),
        privileged: security.privileged,
        namespace_options: Some(namespaces(security.namespaces)),
        run_as_user: security.run_as_user.map(value),
        readonly_rootfs: security.read_only_root,
        supplemental_groups: security.supplemental_groups.clone(),
        no_new_privs: security.no_new_privileges,
        run_as_username: security.run_as_username.clone(),
        // The protocol refuses a group without a user.
        run_as_group: security.run_as_group.filter(|_| has_user).map(value),
        masked_paths: security.masked_paths.clone(),
        readonly_paths: security.read_only_paths.clone(),
        seccomp: security.seccomp.as_ref().map(profile),
        apparmor: security.apparmor.as_ref().map(profile),
    }
}

pub(super) fn container_config(config: &ContainerConfig) -> m::ContainerConfig {
    let resources = &config.resources;
    m::ContainerConfig {
        metadata: Some(m::ContainerMetadata { name: config.name.clone(), attempt: config.attempt }),
        image: Some(m::ImageSpec { image: config.image.clone(), user_specified_image: config.image_name.clone() }),
        command: config.command.clone(),
        args: config.args.clone(),
        working_dir: config.working_dir.clone(),
        envs: config.env.iter().map(|(key, value)| m::KeyValue { key: key.clone(), value: value.clone() }).collect(),
        mounts: config.mounts.iter().map(mount).collect(),
        labels: hash_map(&config.labels),
        annotations: hash_map(&config.annotations),
        log_path: config.log_path.clone(),
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        tty: config.tty,
        linux: Some(m::LinuxContainerConfig {
            resources: Some(m::LinuxContainerResources {
                cpu_period: resources.cpu_period,
                cpu_quota: resources.cpu_quota,
                cpu_shares: resources.cpu_shares,
                memory_limit_in_bytes: resources.memory_bytes_max,
                oom_score_adj: resources.oom_score_adj,
            }),
            security_context: Some(security(&config.security)),
        }),
    }
}

fn sandbox_state(state: i32) -> SandboxState {
    if state == 0 { SandboxState::Ready } else { SandboxState::NotReady }
}

pub(super) fn sandbox_status(status: m::PodSandboxStatus) -> SandboxStatus {
    let metadata = status.metadata.unwrap_or_default();
    let network = status.network.unwrap_or_default();
    let mut ips = vec![network.ip];
    ips.extend(network.additional_ips.into_iter().map(|ip| ip.ip));
    ips.retain(|ip| !ip.is_empty());
    SandboxStatus {
        id: status.id,
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        attempt: metadata.attempt,
        state: sandbox_state(status.state),
        created_at: time(status.created_at).unwrap_or_default(),
        ips,
        labels: ordered(status.labels),
        annotations: ordered(status.annotations),
    }
}

pub(super) fn sandbox(sandbox: m::PodSandbox) -> SandboxStatus {
    sandbox_status(m::PodSandboxStatus {
        id: sandbox.id,
        metadata: sandbox.metadata,
        state: sandbox.state,
        created_at: sandbox.created_at,
        network: None,
        labels: sandbox.labels,
        annotations: sandbox.annotations,
    })
}

fn container_state(state: i32) -> ContainerState {
    match state {
        0 => ContainerState::Created,
        1 => ContainerState::Running,
        2 => ContainerState::Exited,
        _ => ContainerState::Unknown,
    }
}

pub(super) fn container(container: m::Container) -> Container {
    let metadata = container.metadata.unwrap_or_default();
    Container {
        id: container.id,
        sandbox_id: container.pod_sandbox_id,
        name: metadata.name,
        attempt: metadata.attempt,
        state: container_state(container.state),
        created_at: time(container.created_at).unwrap_or_default(),
        labels: ordered(container.labels),
        annotations: ordered(container.annotations),
    }
}

pub(super) fn container_status(status: m::ContainerStatus) -> ContainerStatus {
    let metadata = status.metadata.unwrap_or_default();
    let finished_at = time(status.finished_at);
    // containerd notes a start when its call returns; a process that ends at once may have ended before that.
    let started_at =
        time(status.started_at).map(|started| finished_at.map_or(started, |finished| started.min(finished)));
    ContainerStatus {
        id: status.id,
        name: metadata.name,
        attempt: metadata.attempt,
        state: container_state(status.state),
        created_at: time(status.created_at).unwrap_or_default(),
        started_at,
        finished_at,
        exit_code: status.exit_code,
        image: status.image.unwrap_or_default().image,
        image_ref: status.image_ref,
        reason: status.reason,
        message: status.message,
        labels: ordered(status.labels),
        annotations: ordered(status.annotations),
        mounts: status.mounts.into_iter().map(mount_back).collect(),
        log_path: status.log_path,
    }
}

pub(super) fn image(image: m::Image) -> Image {
    Image {
        id: image.id,
        repo_tags: image.repo_tags,
        repo_digests: image.repo_digests,
        size_bytes: image.size,
        uid: image.uid.map(|uid| uid.value),
        username: image.username,
        pinned: image.pinned,
    }
}

pub(super) fn auth(auth: &RegistryAuth) -> m::AuthConfig {
    m::AuthConfig {
        username: auth.username.clone(),
        password: auth.password.clone(),
        auth: auth.auth.clone(),
        server_address: auth.server_address.clone(),
        identity_token: auth.identity_token.clone(),
        registry_token: auth.registry_token.clone(),
    }
}

pub(super) fn stats(stats: m::ContainerStats) -> ContainerStats {
    let value = |value: Option<m::UInt64Value>| value.map_or(0, |value| value.value);
    let attributes = stats.attributes.unwrap_or_default();
    let (cpu, memory) = (stats.cpu.unwrap_or_default(), stats.memory.unwrap_or_default());
    ContainerStats {
        id: attributes.id,
        name: attributes.metadata.unwrap_or_default().name,
        labels: ordered(attributes.labels),
        cpu_nanoseconds: value(cpu.usage_core_nano_seconds),
        cpu_nanocores: value(cpu.usage_nano_cores),
        memory_working_set_bytes: value(memory.working_set_bytes),
        memory_usage_bytes: value(memory.usage_bytes),
        memory_rss_bytes: value(memory.rss_bytes),
        writable_layer_bytes: value(stats.writable_layer.and_then(|layer| layer.used_bytes)),
    }
}

#[cfg(test)]
mod tests {
    //! There and back.

    use prost::Message;

    use super::*;

    #[test]
    fn configurations_survive_the_wire() {
        let config = ContainerConfig {
            name: "a".into(),
            attempt: 3,
            image: "sha256:1".into(),
            command: vec!["run".into()],
            env: vec![("K".into(), "V".into())],
            mounts: vec![Mount {
                container_path: "/c".into(),
                host_path: "/h".into(),
                read_only: true,
                ..Mount::default()
            }],
            security: ContainerSecurity { run_as_user: Some(0), run_as_group: Some(5), ..ContainerSecurity::default() },
            ..ContainerConfig::default()
        };
        let message = container_config(&config);
        let back = m::ContainerConfig::decode(message.encode_to_vec().as_slice()).expect("the same message");
        assert_eq!(back, message);
        let security = back.linux.and_then(|linux| linux.security_context).expect("security");
        // Root is a user like any other: a zero must not be lost.
        assert_eq!(security.run_as_user, Some(m::Int64Value { value: 0 }));
        assert_eq!(security.run_as_group, Some(m::Int64Value { value: 5 }));
    }

    #[test]
    fn a_group_alone_is_left_out() {
        let group = ContainerSecurity { run_as_group: Some(5), ..ContainerSecurity::default() };
        assert_eq!(security(&group).run_as_group, None);
        let made = security(&ContainerSecurity { run_as_username: "web".into(), ..group });
        assert_eq!(made.run_as_username, "web");
        assert_eq!(made.run_as_group, Some(m::Int64Value { value: 5 }), "a name is a user, too");
    }

    #[test]
    fn states_and_times() {
        let status = container_status(m::ContainerStatus {
            state: 2,
            started_at: 0,
            finished_at: 1_000_000_001,
            ..Default::default()
        });
        assert_eq!(status.state, ContainerState::Exited);
        assert_eq!(status.started_at, None);
        assert_eq!(status.finished_at, Timestamp::from_nanosecond(1_000_000_001).ok());
        let hasty = container_status(m::ContainerStatus { started_at: 9, finished_at: 7, ..Default::default() });
        assert_eq!(hasty.started_at, hasty.finished_at, "nothing ends before it begins");
        let network = m::PodSandboxNetworkStatus {
            ip: "10.0.0.2".into(),
            additional_ips: vec![m::PodIp { ip: "fd00::2".into() }],
        };
        let sandbox = sandbox_status(m::PodSandboxStatus { network: Some(network), state: 1, ..Default::default() });
        assert_eq!((sandbox.ips.len(), sandbox.state), (2, SandboxState::NotReady));
    }
}
