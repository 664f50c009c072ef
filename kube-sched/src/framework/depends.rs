//! What a plugin's answer depends on, declared, so that the engine knows how long the answer holds.

use crate::plugins::DefaultConstraints;

/// What a plugin's answer for a pod and a node depends on, besides what scheduling can see of the pod (its requests,
/// selectors, tolerations, terms, priority, namespace and labels; never its name, uid and times).
///
/// Volumes are not among it: a plugin that looks at a pod's volumes declares [`Depends::Anything`] for pods that have some.
///
/// A declaration may be too cautious and must not be too bold: [`Depends::Anything`], the default, is always right and
/// makes the engine ask anew for every decision. A wrong declaration is caught by `conformance::Checked` (feature `conformance`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depends {
    /// On anything: asked anew for every decision and every node.
    Anything,
    /// On the node's labels but for `kubernetes.io/hostname`, its taints, its devices
    /// (not what is free of them), and whether it is cordoned: asked once per pod
    /// class and kind of node.
    Profile,
    /// On the node's object alone: asked again when the object changes.
    Spec,
    /// On the node's object, and on the objects of all nodes: asked again when any changes.
    NodeSpecs,
    /// On the node's object and the pods on it: asked again when either changes.
    Node,
    /// On numbers of pods by domain, under a rule that the engine keeps counters for.
    Domains(DomainRule),
}

/// A rule on domains (nodes with one value of a label) that the engine evaluates with counters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DomainRule {
    /// The rule of [`PodTopologySpread`](crate::plugins::PodTopologySpread).
    /// What it says of pods without constraints of their own comes along.
    Spread(DefaultConstraints),
    /// The rule of [`InterPodAffinity`](crate::plugins::InterPodAffinity).
    PodAffinity {
        /// The weight in scores of required affinity terms of existing pods.
        hard_weight: i64,
        /// Whether preferences of existing pods have no say about pods without preferences.
        ignore_preferred: bool,
    },
}
