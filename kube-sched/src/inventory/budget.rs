//! Disruption budgets, as preemption sees them.

use super::Entry;
use crate::model::{Labels, Selector};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisruptionBudget {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The pods that it protects; one without requirements protects none.
    pub selector: Selector,
    /// How many of them may be disrupted now (`status.disruptionsAllowed`).
    pub disruptions_allowed: i64,
    /// Names of pods whose disruption is under way and already counted (`status.disruptedPods`).
    pub disrupted_pods: BTreeSet<String>,
}

impl DisruptionBudget {
    /// Whether disrupting a pod takes from the budget.
    pub fn protects(&self, namespace: &str, name: &str, labels: &Labels) -> bool {
        let selects = match &self.selector {
            Selector::All(requirements) => !requirements.is_empty() && self.selector.matches(labels),
            Selector::Nothing => false,
        };
        // A pod without labels is protected by none, even by selectors such as "has no label x".
        selects
            && *self.namespace == *namespace
            && labels.iter().next().is_some()
            && !self.disrupted_pods.contains(name)
    }
}

impl Entry for DisruptionBudget {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
