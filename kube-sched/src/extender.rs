//! Extenders: schedulers' helpers behind HTTP, as a configuration file has them. Data only; `driver` calls them.
//!
//! Source: `Extender` of `kubescheduler.config.k8s.io/v1`.

use crate::model::Pod;
use std::fmt;
use std::time::Duration;

/// How long an extender may take for an answer. Source: `DefaultExtenderTimeout`.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An extender, and what it is asked. A verb that is empty is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extender {
    /// Where it answers: `http://127.0.0.1:8888/scheduler`.
    pub url_prefix: String,
    /// Which of the feasible nodes remain.
    pub filter_verb: String,
    /// Which of them are better.
    pub prioritize_verb: String,
    /// Which pods may go for a more important one.
    pub preempt_verb: String,
    /// The binding itself: only one extender has it.
    pub bind_verb: String,
    /// By how much its scores, 0 to 10, count.
    pub weight: i64,
    /// Whether a server without an authority to verify it by is taken for what it says it is.
    pub enable_https: bool,
    /// How the server is verified, and the scheduler shows itself.
    pub tls: Tls,
    /// How long an answer may take.
    pub http_timeout: Duration,
    /// Whether it knows nodes and pods: then it is sent names only.
    pub node_cache_capable: bool,
    /// It is asked about pods that request one of these extended resources; about all where there are none.
    pub managed_resources: Vec<String>,
    /// Whether scheduling goes on without it when it does not answer.
    pub ignorable: bool,
}

/// Certificates, PEM: as base64, or in files. What is base64 comes first.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Accept any certificate.
    pub insecure: bool,
    /// The name that the server's certificate must be for, if not the host of the URL.
    pub server_name: String,
    /// The scheduler's certificate, a file.
    pub cert_file: String,
    /// Its key, a file.
    pub key_file: String,
    /// Who must have signed the server's certificate, a file.
    pub ca_file: String,
    /// The scheduler's certificate.
    pub cert_data: String,
    /// Its key.
    pub key_data: String,
    /// Who must have signed the server's certificate.
    pub ca_data: String,
}

impl fmt::Debug for Tls {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Extender {
    /// One that is asked nothing yet.
    pub fn new(url_prefix: impl Into<String>) -> Self {
        Self {
            url_prefix: url_prefix.into(),
            filter_verb: String::new(),
            prioritize_verb: String::new(),
            preempt_verb: String::new(),
            bind_verb: String::new(),
            weight: 1,
            enable_https: false,
            tls: Tls::default(),
            http_timeout: TIMEOUT,
            node_cache_capable: false,
            managed_resources: Vec::new(),
            ignorable: false,
        }
    }

    /// Whether it has a say about a pod.
    pub fn is_interested(&self, pod: &Pod) -> bool {
        self.managed_resources.is_empty()
            || pod.requests.scalars().any(|(name, _)| self.managed_resources.iter().any(|managed| managed == name))
    }

    /// Whether it has a say about which pods go for a pod.
    pub fn has_say_on_victims(&self, pod: &Pod) -> bool {
        !self.preempt_verb.is_empty() && self.is_interested(pod)
    }
}
