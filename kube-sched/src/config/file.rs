//! The file as it is written. Fields that do not bear on decisions are read and left.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) api_version: String,
    #[serde(default)]
    pub(super) kind: String,
    pub(super) parallelism: Option<i64>,
    pub(super) leader_election: Option<LeaderElection>,
    pub(super) client_connection: Option<ClientConnection>,
    #[serde(rename = "enableProfiling")]
    _enable_profiling: Option<bool>,
    #[serde(rename = "enableContentionProfiling")]
    _enable_contention_profiling: Option<bool>,
    pub(super) percentage_of_nodes_to_score: Option<i64>,
    pub(super) pod_initial_backoff_seconds: Option<i64>,
    pub(super) pod_max_backoff_seconds: Option<i64>,
    pub(super) profiles: Option<Vec<ProfileEntry>>,
    pub(super) extenders: Option<Vec<ExtenderEntry>>,
    #[serde(rename = "delayCacheUntilActive")]
    _delay_cache_until_active: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderElection {
    pub(super) leader_elect: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientConnection {
    pub(super) kubeconfig: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ExtenderEntry {
    pub(super) url_prefix: String,
    pub(super) filter_verb: String,
    pub(super) prioritize_verb: String,
    pub(super) preempt_verb: String,
    pub(super) bind_verb: String,
    pub(super) weight: Option<i64>,
    #[serde(rename = "enableHTTPS")]
    pub(super) enable_https: bool,
    pub(super) tls_config: Option<ExtenderTls>,
    pub(super) http_timeout: Option<String>,
    pub(super) node_cache_capable: bool,
    pub(super) managed_resources: Option<Vec<ManagedResource>>,
    pub(super) ignorable: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ExtenderTls {
    pub(super) insecure: bool,
    pub(super) server_name: String,
    pub(super) cert_file: String,
    pub(super) key_file: String,
    pub(super) ca_file: String,
    pub(super) cert_data: String,
    pub(super) key_data: String,
    pub(super) ca_data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ManagedResource {
    pub(super) name: String,
    #[serde(default)]
    pub(super) ignored_by_scheduler: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProfileEntry {
    pub(super) scheduler_name: Option<String>,
    pub(super) percentage_of_nodes_to_score: Option<i64>,
    pub(super) plugins: Option<Points>,
    pub(super) plugin_config: Option<Vec<PluginConfig>>,
}

/// What is enabled and disabled at each extension point.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Points {
    pub(super) pre_enqueue: PluginSet,
    pub(super) queue_sort: PluginSet,
    pub(super) pre_filter: PluginSet,
    pub(super) filter: PluginSet,
    pub(super) post_filter: PluginSet,
    pub(super) pre_score: PluginSet,
    pub(super) score: PluginSet,
    pub(super) reserve: PluginSet,
    pub(super) permit: PluginSet,
    pub(super) pre_bind: PluginSet,
    pub(super) bind: PluginSet,
    pub(super) post_bind: PluginSet,
    pub(super) multi_point: PluginSet,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PluginSet {
    pub(super) enabled: Vec<PluginEntry>,
    pub(super) disabled: Vec<PluginEntry>,
}

impl PluginSet {
    /// Whether a default is switched off here.
    pub(super) fn disables(&self, plugin: &str) -> bool {
        self.disabled.iter().any(|entry| entry.name == plugin || entry.name == "*")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginEntry {
    pub(super) name: String,
    pub(super) weight: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginConfig {
    pub(super) name: String,
    pub(super) args: Option<Value>,
}
