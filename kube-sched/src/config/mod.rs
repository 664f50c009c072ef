//! `KubeSchedulerConfiguration` files (`kubescheduler.config.k8s.io/v1`), in YAML or JSON, with Kubernetes' defaults.
//!
//! Start reading at [`SchedulerConfiguration::parse`]. Mistakes are collected, each with its field path, so that one reading
//! shows all of them.

mod args;
mod extenders;
mod file;
mod profile;

use crate::extender::Extender;
use crate::framework::Profile;
use crate::queue::QueueConfig;
use file::File;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// What a configuration file says, with defaults filled in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SchedulerConfiguration {
    /// The profiles; at least one. Pods choose one by its name.
    pub profiles: Vec<Profile>,
    /// Bounds of back-off.
    pub queue: QueueConfig,
    /// Who is asked besides the plugins, over HTTP.
    pub extenders: Vec<Extender>,
    /// The share of the nodes of which feasible ones are looked for, in percent, unless a profile has its own; 0 lets the
    /// scheduler choose, which looks at all.
    pub percentage_of_nodes_to_score: i64,
    /// Whether several schedulers elect one that works.
    pub leader_elect: bool,
    /// How the API server is reached (`clientConnection.kubeconfig`), if the file says so.
    pub kubeconfig: Option<String>,
    /// How long volumes may take to be bound (`VolumeBindingArgs` of the first profile).
    pub volume_bind_timeout: Duration,
}

/// One mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The field's path, such as `profiles[0].schedulerName`.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Why a configuration file was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is not of the form.
    #[error("the scheduler's configuration cannot be read: {0}")]
    Form(String),
    /// It is of another version or kind.
    #[error(
        "no kind {kind:?} is registered for version {api_version:?}; kubescheduler.config.k8s.io/v1 has KubeSchedulerConfiguration"
    )]
    Kind {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
    },
    /// It says what cannot be.
    #[error("the scheduler's configuration is invalid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Mistake>),
}

/// Collects mistakes.
#[derive(Debug, Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn invalid(&mut self, path: impl Into<String>, value: impl fmt::Display, why: &str) {
        self.0.push(Mistake { path: path.into(), what: format!("Invalid value: {value}: {why}") });
    }

    fn duplicate(&mut self, path: impl Into<String>, value: &str) {
        self.0.push(Mistake { path: path.into(), what: format!("Duplicate value: {value:?}") });
    }

    fn required(&mut self, path: impl Into<String>, why: &str) {
        let what = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        self.0.push(Mistake { path: path.into(), what });
    }

    fn unsupported(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        let supported = supported.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
        self.0.push(Mistake {
            path: path.into(),
            what: format!("Unsupported value: {value:?}: supported values: {supported}"),
        });
    }
}

impl SchedulerConfiguration {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is not of the form, of another version, or says what cannot be; with all mistakes.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| ConfigError::Form(error.to_string()))?;
        if file.api_version != "kubescheduler.config.k8s.io/v1" || file.kind != "KubeSchedulerConfiguration" {
            return Err(ConfigError::Kind { api_version: file.api_version, kind: file.kind });
        }
        let mut mistakes = Mistakes::default();
        let queue = queue(&file, &mut mistakes);
        check_numbers(&file, &mut mistakes);
        let (extenders, ignored) = extenders::read(file.extenders.as_deref().unwrap_or_default(), &mut mistakes);
        let profiles = profiles(&file, &ignored, &mut mistakes);
        if !mistakes.0.is_empty() {
            return Err(ConfigError::Invalid(mistakes.0));
        }
        Ok(Self {
            volume_bind_timeout: profiles.first().map_or(args::BIND_TIMEOUT, |(_, timeout)| *timeout),
            profiles: profiles.into_iter().map(|(profile, _)| profile).collect(),
            queue,
            extenders,
            percentage_of_nodes_to_score: file.percentage_of_nodes_to_score.unwrap_or(0),
            leader_elect: file.leader_election.and_then(|election| election.leader_elect).unwrap_or(true),
            kubeconfig: file.client_connection.and_then(|c| c.kubeconfig).filter(|path| !path.is_empty()),
        })
    }
}

fn queue(file: &File, mistakes: &mut Mistakes) -> QueueConfig {
    let initial = file.pod_initial_backoff_seconds.unwrap_or(1);
    let max = file.pod_max_backoff_seconds.unwrap_or(10);
    if initial <= 0 {
        mistakes.invalid("podInitialBackoffSeconds", initial, "must be greater than 0");
    }
    if max < initial {
        mistakes.invalid("podMaxBackoffSeconds", max, "must be greater than or equal to PodInitialBackoffSeconds");
    }
    let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    QueueConfig { backoff_initial: seconds(initial), backoff_max: seconds(max), ..QueueConfig::default() }
}

fn check_numbers(file: &File, mistakes: &mut Mistakes) {
    if let Some(parallelism) = file.parallelism.filter(|parallelism| *parallelism <= 0) {
        mistakes.invalid("parallelism", parallelism, "should be an integer value greater than zero");
    }
    let percentage = file.percentage_of_nodes_to_score.into_iter().map(|p| ("percentageOfNodesToScore".to_owned(), p));
    let of_profiles = file.profiles.iter().flatten().enumerate().filter_map(|(i, profile)| {
        Some((format!("profiles[{i}].percentageOfNodesToScore"), profile.percentage_of_nodes_to_score?))
    });
    for (path, percentage) in percentage.chain(of_profiles) {
        if !(0..=100).contains(&percentage) {
            mistakes.invalid(path, percentage, "not in valid range [0-100]");
        }
    }
}

fn profiles(file: &File, ignored: &[String], mistakes: &mut Mistakes) -> Vec<(Profile, Duration)> {
    let one = [file::ProfileEntry::default()];
    let entries = file.profiles.as_deref().filter(|entries| !entries.is_empty()).unwrap_or(&one);
    let mut names = BTreeSet::new();
    let mut profiles = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let path = format!("profiles[{i}]");
        // Only a lone profile has a name by default.
        let name = match entry.scheduler_name.as_deref() {
            Some(name) => name,
            None if entries.len() == 1 => "default-scheduler",
            None => "",
        };
        if name.is_empty() {
            mistakes.required(format!("{path}.schedulerName"), "");
        } else if !names.insert(name) {
            mistakes.duplicate(format!("{path}.schedulerName"), name);
        }
        let mut args = args::PluginArgs::read(entry, &path, mistakes);
        args.fit.ignored_resources.extend_from_slice(ignored);
        let percentage = entry.percentage_of_nodes_to_score.or(file.percentage_of_nodes_to_score).unwrap_or(0);
        let builder = profile::build(name, entry, &args, &path, mistakes);
        let profile = builder.percentage_of_nodes_to_score(usize::try_from(percentage).unwrap_or(0)).build();
        profiles.push((profile, args.bind_timeout));
    }
    profiles
}

#[cfg(test)]
mod tests;
