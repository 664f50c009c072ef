//! Why no node took a pod, as data and in kube-scheduler's words.

use super::{Code, Nomination, Refusal, Refusals};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why no node took a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitError {
    /// Number of nodes there were.
    pub nodes: usize,
    /// Per node the plugin that refused it and why.
    pub refusals: Refusals,
    /// A plugin that refused every node at once, before any was looked at.
    pub pre_filter: Option<Refusal>,
    /// A node that is to be cleared for the pod.
    pub nomination: Option<Nomination>,
    /// Why no node can be cleared.
    pub post_filter: Option<String>,
    /// Why the pod's group gets no places, where that is the reason, and not the pod itself (KEP-4671).
    pub group: Option<String>,
}

impl FitError {
    /// The names of the plugins that refused.
    pub fn plugins(&self) -> BTreeSet<&'static str> {
        self.answers().map(|refusal| refusal.plugin).collect()
    }

    /// Whether a plugin failed, rather than refused.
    pub fn is_error(&self) -> bool {
        self.failure().is_some()
    }

    fn failure(&self) -> Option<&Refusal> {
        self.answers().find(|refusal| refusal.code == Code::Error)
    }

    fn answers(&self) -> impl Iterator<Item = &Refusal> {
        self.pre_filter.iter().chain(self.refusals.answers().map(|(refusal, _)| refusal))
    }
}

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: …`; where a plugin failed,
/// what it says.
impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = self.failure() {
            return f.write_str(&failure.reasons.join(", "));
        }
        if let Some(group) = &self.group {
            return f.write_str(group);
        }
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        write!(f, "0/{} nodes are available:", self.nodes)?;
        if let Some(refusal) = &self.pre_filter {
            write!(f, " {}.", refusal.reasons.join(", "))?;
        } else {
            let answers = self.refusals.answers();
            let counted =
                answers.flat_map(|(refusal, nodes)| refusal.reasons.iter().map(move |reason| (&**reason, nodes)));
            write!(f, "{}", histogram(counted))?;
        }
        match &self.post_filter {
            Some(message) => write!(f, " {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FitError {}

/// ` 1 Insufficient cpu, 2 Too many pods.` of reasons with numbers of nodes, sorted as text as kube-scheduler does; nothing
/// without reasons.
pub(crate) fn histogram<'a>(reasons: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for (reason, nodes) in reasons.filter(|(_, nodes)| *nodes > 0) {
        *counts.entry(reason).or_default() += nodes;
    }
    let mut parts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    if parts.is_empty() { String::new() } else { format!(" {}.", parts.join(", ")) }
}
