//! Facts of the machine: what it has, what it is.

use std::path::Path;

use k8s_openapi::api::core::v1::NodeSystemInfo;

use crate::runtime::sandbox::DnsConfig;

/// What a node has for pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// CPU in thousandths of a core.
    pub cpu_millis: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// Local storage in bytes.
    pub ephemeral_bytes: i64,
    /// Pods.
    pub pods: u32,
}

impl Capacity {
    /// A node of so many cores and so much memory, with 100 GiB of storage and 110 pods (the kubelet's default).
    #[must_use]
    pub fn of(cores: u32, memory_bytes: i64) -> Self {
        Self { cpu_millis: i64::from(cores) * 1_000, memory_bytes, ephemeral_bytes: 100 << 30, pods: 110 }
    }
}

/// What this machine has.
#[must_use]
pub fn capacity(root: &Path) -> Capacity {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory_bytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_total(&text));
    Capacity {
        ephemeral_bytes: disk_bytes(root),
        ..Capacity::of(u32::try_from(cores).unwrap_or(1), memory_bytes.unwrap_or(1 << 30))
    }
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn memory_total(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(target_os = "linux")]
fn disk_bytes(root: &Path) -> i64 {
    let existing = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    rustix::fs::statvfs(existing)
        .ok()
        .and_then(|stat| i64::try_from(stat.f_blocks.saturating_mul(stat.f_frsize)).ok())
        .unwrap_or(100 << 30)
}

#[cfg(not(target_os = "linux"))]
fn disk_bytes(_root: &Path) -> i64 {
    100 << 30
}

/// The node's own name resolution.
#[must_use]
pub fn host_dns() -> DnsConfig {
    std::fs::read_to_string("/etc/resolv.conf").map(|text| parse_resolv_conf(&text)).unwrap_or_default()
}

/// The parts of a `resolv.conf` that pods are given.
fn parse_resolv_conf(text: &str) -> DnsConfig {
    let mut config = DnsConfig::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => config.servers.extend(words.next().map(str::to_owned)),
            Some("search") => config.searches = words.map(str::to_owned).collect(),
            Some("options") => config.options = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    config
}

/// The architecture, as Go names it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// The operating system, as Go names it.
#[must_use]
pub fn operating_system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// What `status.nodeInfo` says of this machine.
#[must_use]
pub fn system_info(runtime_version: String) -> NodeSystemInfo {
    let file = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let machine_id = file("/etc/machine-id");
    let uuid = file("/sys/class/dmi/id/product_uuid");
    NodeSystemInfo {
        architecture: architecture().into(),
        operating_system: operating_system().into(),
        boot_id: file("/proc/sys/kernel/random/boot_id"),
        system_uuid: if uuid.is_empty() { machine_id.clone() } else { uuid },
        machine_id,
        kernel_version: file("/proc/sys/kernel/osrelease"),
        os_image: os_image(&file("/etc/os-release")),
        container_runtime_version: runtime_version,
        kubelet_version: super::KUBELET_VERSION.into(),
        kube_proxy_version: String::new(),
        swap: None,
    }
}

fn os_image(os_release: &str) -> String {
    let pretty = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    pretty.map_or_else(|| operating_system().to_owned(), |name| name.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    //! Files of Linux in, facts out.

    use super::*;

    #[test]
    fn memory_and_system() {
        assert_eq!(memory_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16_777_216));
        assert_eq!(memory_total("nothing"), None);
        assert_eq!(os_image("ID=x\nPRETTY_NAME=\"Some Linux 1\"\n"), "Some Linux 1");
        assert_eq!(os_image(""), operating_system());
        assert_eq!(os_image("PRETTY_NAME=Plain\n"), "Plain");
        assert_eq!(memory_total("MemTotal: 9223372036854775807 kB"), None, "more than there can be");
        assert_eq!(memory_total("MemTotal: many kB"), None);
    }

    #[track_caller]
    fn check_resolv_conf(text: &str, servers: &[&str], searches: &[&str], options: &[&str]) {
        let config = parse_resolv_conf(text);
        assert_eq!(
            (config.servers.as_slice(), config.searches.as_slice()),
            (&owned(servers)[..], &owned(searches)[..])
        );
        assert_eq!(config.options, owned(options));
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn resolv_conf() {
        check_resolv_conf(
            "# x\nnameserver 1.1.1.1\nnameserver 9.9.9.9\nsearch a b\noptions ndots:2 rotate\n",
            &["1.1.1.1", "9.9.9.9"],
            &["a", "b"],
            &["ndots:2", "rotate"],
        );
        check_resolv_conf("", &[], &[], &[]);
        check_resolv_conf("nameserver\n;search x\n  nameserver\tfd00::1 # mine\n", &["fd00::1"], &[], &[]);
        // Of several lists the last counts, as the C library has it.
        check_resolv_conf("search a b\nsearch c\noptions x\noptions y\n", &[], &["c"], &["y"]);
    }

    #[test]
    fn this_machine_has_something() {
        let capacity = capacity(Path::new("/nonexistent/below"));
        assert!(capacity.cpu_millis > 0 && capacity.memory_bytes > 0 && capacity.ephemeral_bytes > 0);
    }
}
