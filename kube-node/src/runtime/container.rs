//! A container: what it is made from, what state it is in, what it uses.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::sandbox::Namespaces;

/// Label of a container: its name in the pod.
pub const CONTAINER_NAME_LABEL: &str = "io.kubernetes.container.name";
/// Annotation of a container: how often it was restarted before.
pub const RESTART_COUNT_ANNOTATION: &str = "io.kubernetes.container.restartCount";
/// Annotation of a container: a digest of the part of the pod's spec it was made from.
pub const HASH_ANNOTATION: &str = "io.kubernetes.container.hash";
/// Annotation of a container: the path of the termination message inside it.
pub const TERMINATION_PATH_ANNOTATION: &str = "io.kubernetes.container.terminationMessagePath";
/// Annotation of a container: `File` or `FallbackToLogsOnError`.
pub const TERMINATION_POLICY_ANNOTATION: &str = "io.kubernetes.container.terminationMessagePolicy";

/// How mounts made on one side are seen on the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    #[default]
    Private,
    /// From the node into the container.
    HostToContainer,
    /// Both ways.
    Bidirectional,
}

/// A file or directory of the node seen in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Path in the container.
    pub container_path: String,
    /// Path on the node.
    pub host_path: String,
    /// Whether writes are refused.
    pub read_only: bool,
    /// How mounts inside it spread.
    pub propagation: Propagation,
}

/// Limits for the kernel; zero is "not given".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxResources {
    /// Length of a scheduling period, in microseconds.
    pub cpu_period: i64,
    /// CPU time in a period, in microseconds.
    pub cpu_quota: i64,
    /// Weight against other containers.
    pub cpu_shares: i64,
    /// Memory limit in bytes.
    pub memory_bytes_max: i64,
    /// Adjustment of the out-of-memory killer's score, −1000 to 1000.
    pub oom_score_adj: i64,
}

/// A seccomp or AppArmor profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityProfile {
    /// The runtime's default.
    RuntimeDefault,
    /// No confinement.
    Unconfined,
    /// A profile on the node, by path (seccomp) or name (AppArmor).
    Localhost(String),
}

/// What the container's processes may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSecurity {
    /// Everything.
    pub privileged: bool,
    /// Capabilities beyond the default.
    pub capabilities_add: Vec<String>,
    /// Capabilities taken away.
    pub capabilities_drop: Vec<String>,
    /// User id; none leaves it to [`ContainerSecurity::run_as_username`].
    pub run_as_user: Option<i64>,
    /// User by name, as the image's own list of users has it; empty leaves the image's user.
    pub run_as_username: String,
    /// Group id, only beside a user.
    pub run_as_group: Option<i64>,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
    /// Whether the root file system refuses writes.
    pub read_only_root: bool,
    /// Whether privileges can never grow.
    pub no_new_privileges: bool,
    /// Paths of /proc and /sys that are hidden.
    pub masked_paths: Vec<String>,
    /// Paths of /proc and /sys that refuse writes.
    pub read_only_paths: Vec<String>,
    /// Seccomp.
    pub seccomp: Option<SecurityProfile>,
    /// AppArmor.
    pub apparmor: Option<SecurityProfile>,
    /// Namespaces.
    pub namespaces: Namespaces,
}

/// What a container is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerConfig {
    /// The container's name in the pod.
    pub name: String,
    /// How often it was made in this pod before.
    pub attempt: u32,
    /// The image's identifier, as a pull or an image status gave it.
    pub image: String,
    /// The image as the pod's spec names it.
    pub image_name: String,
    /// The image's entry point is replaced by this, unless empty.
    pub command: Vec<String>,
    /// The image's arguments are replaced by these, unless empty.
    pub args: Vec<String>,
    /// Working directory; empty leaves the image's.
    pub working_dir: String,
    /// Environment, in order; the last of a name wins.
    pub env: Vec<(String, String)>,
    /// Files and directories of the node.
    pub mounts: Vec<Mount>,
    /// Labels, by which it is found again.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The log file's path below the sandbox's log directory.
    pub log_path: String,
    /// Whether standard input is kept open.
    pub stdin: bool,
    /// Whether standard input closes when the first client leaves.
    pub stdin_once: bool,
    /// Whether there is a terminal.
    pub tty: bool,
    /// Limits.
    pub resources: LinuxResources,
    /// Security.
    pub security: ContainerSecurity,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The runtime cannot say.
    Unknown,
}

/// A container as the runtime lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The runtime's identifier.
    pub id: String,
    /// The sandbox it is in.
    pub sandbox_id: String,
    /// The container's name in the pod.
    pub name: String,
    /// The attempt it was made with.
    pub attempt: u32,
    /// Where it is in its life.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Everything the runtime knows of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// The runtime's identifier.
    pub id: String,
    /// The container's name in the pod.
    pub name: String,
    /// The attempt it was made with.
    pub attempt: u32,
    /// Where it is in its life.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The exit code, once it has ended.
    pub exit_code: i32,
    /// The image's name.
    pub image: String,
    /// The image's identifier with its digest.
    pub image_ref: String,
    /// One word: `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// Details for people, among them the termination message.
    pub message: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its mounts, as it was made with them.
    pub mounts: Vec<Mount>,
    /// The log file on the node; empty where logs are not files.
    pub log_path: String,
}

impl ContainerStatus {
    /// When it ended; when it was made, where the runtime does not say.
    #[must_use]
    pub fn ended_at(&self) -> Timestamp {
        self.finished_at.unwrap_or(self.created_at)
    }
}

/// What a container uses now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerStats {
    /// The runtime's identifier.
    pub id: String,
    /// The container's name in the pod.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// CPU time since its start, in nanoseconds.
    pub cpu_nanoseconds: u64,
    /// CPU in use now, in billionths of a core.
    pub cpu_nanocores: u64,
    /// Memory that cannot be reclaimed at once, in bytes.
    pub memory_working_set_bytes: u64,
    /// Memory in use, in bytes.
    pub memory_usage_bytes: u64,
    /// Memory not backed by files, in bytes.
    pub memory_rss_bytes: u64,
    /// What it wrote to its own layer, in bytes.
    pub writable_layer_bytes: u64,
}
