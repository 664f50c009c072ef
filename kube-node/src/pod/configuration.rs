//! A pod's spec as the configurations that a container runtime takes. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext};

use super::environment::{ConfigError, expand};
use super::members::{self, host_network, spec_of};
use super::qos::{self, amount};
use crate::runtime::container::{
    CONTAINER_NAME_LABEL, ContainerConfig, ContainerSecurity, HASH_ANNOTATION, LinuxResources, Mount,
    RESTART_COUNT_ANNOTATION, SecurityProfile, TERMINATION_PATH_ANNOTATION, TERMINATION_POLICY_ANNOTATION,
};
use crate::runtime::image::Image;
use crate::runtime::sandbox::{
    DnsConfig, NamespaceMode, Namespaces, POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL, PortMapping, Protocol,
    SandboxConfig,
};

/// What a node gives to every pod's configuration.
#[derive(Clone, Debug, Default)]
pub struct NodeDefaults {
    /// Addresses of the cluster's name servers; none leaves the node's own resolution.
    pub cluster_dns: Vec<String>,
    /// The cluster's domain: `cluster.local`.
    pub cluster_domain: String,
    /// The node's own resolution, for pods that ask for it.
    pub host_dns: DnsConfig,
    /// Where log files go: `/var/log/pods`.
    pub log_root: String,
    /// The node's memory in bytes.
    pub memory_capacity_bytes: u64,
}

/// The directory of a pod's logs below the log root: `namespace_name_uid`.
#[must_use]
pub fn log_directory(pod: &Pod) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("{}_{}_{}", text(&pod.metadata.namespace), text(&pod.metadata.name), text(&pod.metadata.uid))
}

/// The labels by which a pod's sandbox and containers are found again.
#[must_use]
pub fn identity(pod: &Pod) -> BTreeMap<String, String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    BTreeMap::from([
        (POD_NAME_LABEL.into(), text(&pod.metadata.name)),
        (POD_NAMESPACE_LABEL.into(), text(&pod.metadata.namespace)),
        (POD_UID_LABEL.into(), text(&pod.metadata.uid)),
    ])
}

/// The sandbox of a pod.
#[must_use]
pub fn sandbox(pod: &Pod, attempt: u32, defaults: &NodeDefaults) -> SandboxConfig {
    let spec = spec_of(pod);
    let meta = &pod.metadata;
    let mut labels = meta.labels.clone().unwrap_or_default();
    labels.extend(identity(pod));
    let security = spec.security_context.clone().unwrap_or_default();
    let mut groups = security.supplemental_groups.clone().unwrap_or_default();
    groups.extend(security.fs_group);
    SandboxConfig {
        name: meta.name.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        attempt,
        hostname: if host_network(spec) { String::new() } else { kernel_hostname(pod, defaults).unwrap_or_default() },
        log_directory: Path::new(&defaults.log_root).join(log_directory(pod)).to_string_lossy().into_owned(),
        dns: Some(dns(pod, defaults)),
        port_mappings: port_mappings(spec),
        labels,
        annotations: meta.annotations.clone().unwrap_or_default(),
        cgroup_parent: String::new(),
        sysctls: security.sysctls.iter().flatten().map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())).collect(),
        namespaces: namespaces(spec),
        privileged: members::all(spec).any(|member| privileged(member.spec)),
        supplemental_groups: groups,
        runtime_handler: String::new(),
    }
}

/// The pod's host name, at most 63 bytes.
#[must_use]
pub fn hostname(pod: &Pod) -> String {
    let own = spec_of(pod).hostname.clone().filter(|name| !name.is_empty());
    let mut name = own.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

/// The name that the kernel shows inside the pod: the host name, or with its domain where the pod wants that
/// (`setHostnameAsFQDN`, KEP-1797).
///
/// # Errors
/// When it is longer than a kernel's name may be.
pub fn kernel_hostname(pod: &Pod, defaults: &NodeDefaults) -> Result<String, String> {
    /// Linux's `__NEW_UTS_LEN`.
    const NAME_MAX: usize = 64;
    let name = hostname(pod);
    // On the node's network the name is the node's.
    let wanted = spec_of(pod).set_hostname_as_fqdn == Some(true) && !host_network(spec_of(pod));
    let Some(domain) = domain(pod, defaults).filter(|_| wanted) else { return Ok(name) };
    let whole = format!("{name}.{domain}");
    if whole.len() <= NAME_MAX {
        return Ok(whole);
    }
    Err(format!(
        "failed to construct FQDN from pod hostname and cluster domain, FQDN {whole} is too long ({NAME_MAX} characters \
         is the max, {} characters requested)",
        whole.len()
    ))
}

/// The domain of a pod that has a `subdomain`, below which a headless Service of that name makes it known.
#[must_use]
pub fn domain(pod: &Pod, defaults: &NodeDefaults) -> Option<String> {
    let subdomain = spec_of(pod).subdomain.as_deref().filter(|subdomain| !subdomain.is_empty())?;
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    Some(format!("{subdomain}.{namespace}.svc.{}", defaults.cluster_domain))
}

fn namespaces(spec: &PodSpec) -> Namespaces {
    let node_or_pod = |node: Option<bool>| if node == Some(true) { NamespaceMode::Node } else { NamespaceMode::Pod };
    let pid = match (spec.host_pid, spec.share_process_namespace) {
        (Some(true), _) => NamespaceMode::Node,
        (_, Some(true)) => NamespaceMode::Pod,
        _ => NamespaceMode::Container,
    };
    Namespaces { network: node_or_pod(spec.host_network), pid, ipc: node_or_pod(spec.host_ipc) }
}

fn privileged(container: &Container) -> bool {
    container.security_context.as_ref().is_some_and(|security| security.privileged == Some(true))
}

/// The most name servers that resolvers look at (`MAXNS` of the C library); the kubelet's `MaxDNSNameservers`.
const NAME_SERVERS_MAX: usize = 3;

/// What the pod's resolver is told: by `spec.dnsPolicy`, then `spec.dnsConfig` on top.
#[must_use]
pub fn dns(pod: &Pod, defaults: &NodeDefaults) -> DnsConfig {
    let spec = spec_of(pod);
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let cluster = !defaults.cluster_dns.is_empty()
        && (policy == "ClusterFirstWithHostNet" || policy == "ClusterFirst" && !host_network(spec));
    let mut config = if policy == "None" {
        DnsConfig::default()
    } else if cluster {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let domain = &defaults.cluster_domain;
        let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
        append_new(&mut searches, &defaults.host_dns.searches);
        DnsConfig { servers: defaults.cluster_dns.clone(), searches, options: vec!["ndots:5".into()] }
    } else {
        defaults.host_dns.clone()
    };
    if let Some(own) = &spec.dns_config {
        append_new(&mut config.servers, own.nameservers.as_deref().unwrap_or_default());
        append_new(&mut config.searches, own.searches.as_deref().unwrap_or_default());
        for option in own.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            config.options.retain(|known| known.split(':').next() != Some(&name));
            config.options.push(match &option.value {
                Some(value) => format!("{name}:{value}"),
                None => name,
            });
        }
    }
    config.servers.truncate(NAME_SERVERS_MAX);
    config
}

fn append_new(list: &mut Vec<String>, more: &[String]) {
    for entry in more {
        if !list.contains(entry) {
            list.push(entry.clone());
        }
    }
}

fn port_mappings(spec: &PodSpec) -> Vec<PortMapping> {
    if host_network(spec) {
        return Vec::new();
    }
    let sidecars = members::initial(spec).filter(|member| member.role == members::Role::Sidecar);
    sidecars
        .chain(members::main(spec))
        .flat_map(|member| member.spec.ports.iter().flatten())
        .filter_map(|port| {
            let host_port = u16::try_from(port.host_port?).ok().filter(|port| *port > 0)?;
            Some(PortMapping {
                protocol: match port.protocol.as_deref() {
                    Some("UDP") => Protocol::Udp,
                    Some("SCTP") => Protocol::Sctp,
                    _ => Protocol::Tcp,
                },
                container_port: u16::try_from(port.container_port).ok()?,
                host_port,
                host_ip: port.host_ip.clone().unwrap_or_default(),
            })
        })
        .collect()
}

/// What a container is made from besides its spec.
#[derive(Clone, Debug, Default)]
pub struct ContainerInputs {
    /// The attempt.
    pub attempt: u32,
    /// The image, whose user the container runs as where its spec names none.
    pub image: Image,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Mounts of volumes and files.
    pub mounts: Vec<Mount>,
}

/// A container of a pod.
///
/// # Errors
/// When its security settings contradict each other.
pub fn container(
    pod: &Pod,
    container: &Container,
    inputs: ContainerInputs,
    defaults: &NodeDefaults,
) -> Result<ContainerConfig, ConfigError> {
    let spec = spec_of(pod);
    let expanded = |words: &Option<Vec<String>>| -> Vec<String> {
        let lookup = |name: &str| inputs.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        words.iter().flatten().map(|word| expand(word, lookup)).collect()
    };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    let mut labels = identity(pod);
    labels.insert(CONTAINER_NAME_LABEL.into(), container.name.clone());
    let text = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
    let annotations = BTreeMap::from([
        (HASH_ANNOTATION.into(), members::hash(container)),
        (RESTART_COUNT_ANNOTATION.into(), inputs.attempt.to_string()),
        (TERMINATION_PATH_ANNOTATION.into(), text(&container.termination_message_path, "/dev/termination-log")),
        (TERMINATION_POLICY_ANNOTATION.into(), text(&container.termination_message_policy, "File")),
    ]);
    Ok(ContainerConfig {
        name: container.name.clone(),
        attempt: inputs.attempt,
        image: inputs.image.id.clone(),
        image_name: container.image.clone().unwrap_or_default(),
        command,
        args,
        working_dir: container.working_dir.clone().unwrap_or_default(),
        env: inputs.env,
        mounts: inputs.mounts,
        labels,
        annotations,
        log_path: format!("{}/{}.log", container.name, inputs.attempt),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        resources: resources(spec, container, defaults.memory_capacity_bytes),
        security: security(pod, container, &inputs.image)?,
    })
}

/// The kernel's limits for a container. Source of the constants: the kernel's CFS bandwidth control (a period of 100 ms, at
/// least 1 ms in each) and its range of shares.
#[must_use]
pub fn resources(spec: &PodSpec, container: &Container, memory_capacity_bytes: u64) -> LinuxResources {
    const PERIOD: i64 = 100_000;
    const QUOTA_MIN: i64 = 1_000;
    let own = container.resources.clone().unwrap_or_default();
    let cpu_limit = amount(own.limits.as_ref(), "cpu").map_or(0, |quantity| quantity.milli_value());
    let cpu_request = amount(own.requests.as_ref(), "cpu").map_or(cpu_limit, |quantity| quantity.milli_value());
    let quota = if cpu_limit > 0 { (cpu_limit.saturating_mul(PERIOD) / 1_000).max(QUOTA_MIN) } else { 0 };
    LinuxResources {
        cpu_period: if quota > 0 { PERIOD } else { 0 },
        cpu_quota: quota,
        cpu_shares: (cpu_request.saturating_mul(1_024) / 1_000).clamp(2, 262_144),
        memory_bytes_max: amount(own.limits.as_ref(), "memory").map_or(0, |quantity| quantity.value()),
        oom_score_adj: qos::oom_score_adj(spec, container, memory_capacity_bytes),
    }
}

const MASKED: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Why a container may not run as this user although it must not be root; none where it may. Source:
/// `pkg/kubelet/kuberuntime/security_context.go`.
fn root(run_as_user: Option<i64>, image: &Image) -> Option<String> {
    match (run_as_user, image.uid, image.username.as_str()) {
        (Some(0), ..) => Some("container's runAsUser breaks non-root policy".to_owned()),
        (Some(_), ..) => None,
        // What names no user runs as root.
        (None, Some(0), _) | (None, None, "") => {
            Some("container has runAsNonRoot and image will run as root".to_owned())
        }
        (None, Some(_), _) => None,
        (None, None, name) => Some(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        )),
    }
}

fn security(object: &Pod, container: &Container, image: &Image) -> Result<ContainerSecurity, ConfigError> {
    let spec = spec_of(object);
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let privileged = own.privileged == Some(true);
    let run_as_user = own.run_as_user.or(pod.run_as_user);
    let non_root = own.run_as_non_root.or(pod.run_as_non_root) == Some(true);
    if let Some(why) = root(run_as_user, image).filter(|_| non_root) {
        let (pod, container) = (members::display(object), &container.name);
        return Err(ConfigError(format!("{why} (pod: {pod:?}, container: {container})")));
    }
    // The image's user is named too, because a group is taken only with a user.
    let run_as_user = run_as_user.or(image.uid).or_else(|| image.username.is_empty().then_some(0));
    let run_as_username = if run_as_user.is_none() { image.username.clone() } else { String::new() };
    let unmasked = privileged || own.proc_mount.as_deref() == Some("Unmasked");
    let paths =
        |paths: &[&str]| if unmasked { Vec::new() } else { paths.iter().map(|&path| path.to_owned()).collect() };
    let mut groups = pod.supplemental_groups.clone().unwrap_or_default();
    groups.extend(pod.fs_group);
    let capabilities = own.capabilities.clone().unwrap_or_default();
    Ok(ContainerSecurity {
        privileged,
        capabilities_add: capabilities.add.unwrap_or_default(),
        capabilities_drop: capabilities.drop.unwrap_or_default(),
        run_as_user,
        run_as_username,
        run_as_group: own.run_as_group.or(pod.run_as_group),
        supplemental_groups: groups,
        read_only_root: own.read_only_root_filesystem == Some(true),
        no_new_privileges: own.allow_privilege_escalation == Some(false) && !privileged,
        masked_paths: paths(&MASKED),
        read_only_paths: paths(&READ_ONLY),
        seccomp: Some(seccomp(&pod, &own, privileged)),
        apparmor: own.app_armor_profile.or(pod.app_armor_profile).map(|profile| match profile.type_.as_str() {
            "Unconfined" => SecurityProfile::Unconfined,
            "Localhost" => SecurityProfile::Localhost(profile.localhost_profile.unwrap_or_default()),
            _ => SecurityProfile::RuntimeDefault,
        }),
        namespaces: namespaces(spec),
    })
}

fn seccomp(pod: &PodSecurityContext, own: &SecurityContext, privileged: bool) -> SecurityProfile {
    const PROFILES: &str = "/var/lib/kubelet/seccomp";
    match own.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref()) {
        _ if privileged => SecurityProfile::Unconfined,
        Some(SeccompProfile { type_, .. }) if type_ == "RuntimeDefault" => SecurityProfile::RuntimeDefault,
        Some(SeccompProfile { type_, localhost_profile }) if type_ == "Localhost" => {
            let path = localhost_profile.as_deref().unwrap_or_default();
            SecurityProfile::Localhost(Path::new(PROFILES).join(path).to_string_lossy().into_owned())
        }
        _ => SecurityProfile::Unconfined,
    }
}

#[cfg(test)]
mod tests;
