//! Affinity of pods to nodes and to other pods.

use super::{Labels, Requirement, Selector};
use std::collections::BTreeMap;

/// Terms on a node's labels and name, of which one must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeSelector(pub Vec<NodeSelectorTerm>);

impl NodeSelector {
    /// Selects what both select: terms are alternatives, so that what meets both meets a term of each.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let both = |x: &NodeSelectorTerm, y: &NodeSelectorTerm| NodeSelectorTerm {
            labels: x.labels.iter().chain(&y.labels).cloned().collect(),
            names: x.names.iter().chain(&y.names).cloned().collect(),
        };
        Self(self.0.iter().flat_map(|x| other.0.iter().map(move |y| both(x, y))).collect())
    }

    /// Whether a node with these labels and this name is selected.
    pub fn matches(&self, labels: &Labels, name: &str) -> bool {
        self.0.iter().any(|term| term.matches(labels, name))
    }
}

/// A conjunction of requirements on a node. An empty term selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeSelectorTerm {
    /// On labels.
    pub labels: Vec<Requirement>,
    /// On the node's name (`matchFields` of `metadata.name`).
    pub names: Vec<Requirement>,
}

impl NodeSelectorTerm {
    /// Whether a node with these labels and this name is selected.
    pub fn matches(&self, labels: &Labels, name: &str) -> bool {
        !(self.labels.is_empty() && self.names.is_empty())
            && self.labels.iter().all(|r| r.holds(labels.get(&r.key)))
            && self.names.iter().all(|r| r.holds(Some(name)))
    }
}

/// A wish for nodes, weighted 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreferredNodeTerm {
    /// 1 to 100.
    pub weight: i64,
    /// The term; an empty one prefers nothing.
    pub term: NodeSelectorTerm,
}

impl PreferredNodeTerm {
    /// Whether a node with these labels and this name is preferred.
    pub fn matches(&self, labels: &Labels, name: &str) -> bool {
        self.term.matches(labels, name)
    }
}

/// Which namespaces a term on pods looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NamespaceScope {
    /// These by name.
    pub names: Vec<String>,
    /// And those whose labels this selects.
    pub selector: Selector,
}

impl NamespaceScope {
    /// One namespace.
    pub fn only(name: &str) -> Self {
        Self { names: vec![name.to_owned()], selector: Selector::Nothing }
    }

    /// Whether a namespace is meant. A namespace whose labels are not known is taken to have none.
    pub fn contains(&self, name: &str, namespaces: &BTreeMap<String, Labels>) -> bool {
        self.names.iter().any(|n| n == name)
            || match &self.selector {
                Selector::Nothing => false,
                selector => namespaces
                    .get(name)
                    .map_or_else(|| selector.matches(&Labels::default()), |labels| selector.matches(labels)),
            }
    }
}

/// A term on the pods of a topology domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodAffinityTerm {
    /// Pods with these labels.
    pub selector: Selector,
    /// In these namespaces.
    pub namespaces: NamespaceScope,
    /// Nodes with one value of this label are one domain.
    pub topology_key: String,
}

/// A weighted term, 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Weighted<T> {
    /// 1 to 100.
    pub weight: i64,
    /// The term.
    pub term: T,
}
