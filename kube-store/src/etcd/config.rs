//! How to reach an etcd cluster, and where in it the keys are.

use crate::Revision;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of the backend over etcd. Start from [`EtcdConfig::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EtcdConfig {
    /// Addresses of members: `https://HOST:PORT`, `http://HOST:PORT`, or `HOST:PORT` for the latter. When the one in use
    /// fails, the next one takes its place.
    pub endpoints: Vec<String>,
    /// What every key is stored behind, verbatim: `/registry` as Kubernetes has it.
    pub prefix: String,
    /// What the keys of the store begin with (before the prefix is put in front): `/` for a Kubernetes API server. It
    /// keeps `/registry/…` and somebody else's `/registry2/…` apart. Keys that begin otherwise are refused.
    pub root: String,
    /// Files for `https`.
    pub tls: TlsFiles,
    /// Name and password, where etcd's authentication is on.
    pub credentials: Option<Credentials>,
    /// How long a connection may take to be made before the next member is tried.
    pub connect_timeout: Duration,
    /// How long a member has to answer a read before the next one is asked.
    pub read_timeout: Duration,
    /// How long a member has to answer a write; etcd itself gives up after 7 s, so that a longer time gets its verdict.
    pub write_timeout: Duration,
    /// How long a request is tried altogether where it can be tried again.
    pub request_timeout: Duration,
    /// How long [`Etcd::connect`](crate::Etcd::connect) waits for a cluster that is just being started.
    pub start_timeout: Duration,
    /// How often history is compacted, by one of those who share the cluster; what is younger than this stays. `None`
    /// leaves it to etcd's own setting. 5 minutes is the interval of kube-apiserver.
    pub compaction_interval: Option<Duration>,
    /// Revisions of history that are read back at start at most, so that watches resume across a restart.
    pub replay_max: Revision,
}

/// PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that members' certificates must be signed by. Required for `https`.
    pub ca: Option<PathBuf>,
    /// The certificate by which etcd knows us.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// A user of etcd.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl EtcdConfig {
    /// Settings for the cluster whose members have these addresses.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            prefix: String::new(),
            root: String::new(),
            tls: TlsFiles::default(),
            credentials: None,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(8),
            request_timeout: Duration::from_secs(15),
            start_timeout: Duration::from_secs(30),
            compaction_interval: Some(Duration::from_secs(300)),
            replay_max: 10_000,
        }
    }

    /// With keys that begin with `root` (`/`), stored behind `prefix` (`/registry`).
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>, root: impl Into<String>) -> Self {
        (self.prefix, self.root) = (prefix.into(), root.into());
        self
    }

    /// With these files for `https`.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = files;
        self
    }

    /// With this user.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        self
    }

    /// With a compaction at this interval, or none.
    #[must_use]
    pub fn compaction_interval(mut self, interval: Option<Duration>) -> Self {
        self.compaction_interval = interval;
        self
    }

    /// With this much patience at the start.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// With this much patience for reads and writes that a member does not answer.
    #[must_use]
    pub fn answer_within(mut self, read: Duration, write: Duration) -> Self {
        (self.read_timeout, self.write_timeout) = (read, write);
        self
    }
}
