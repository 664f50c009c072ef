//! A profile: which plugins have a say, and with what weight.

use super::{
    DynFilter, DynScore, Filter, Permit, PostBind, PostFilter, PreBind, PreEnqueue, QueueSort, Reserve, Score,
};
use crate::plugins;
use std::sync::Arc;

/// A set of plugins. [`Profile::default`] has Kubernetes' default plugins and weights.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) queue_sort: Arc<dyn QueueSort>,
    pub(crate) pre_enqueue: Vec<Arc<dyn PreEnqueue>>,
    pub(crate) filters: Vec<Arc<dyn DynFilter>>,
    pub(crate) post_filters: Vec<Arc<dyn PostFilter>>,
    pub(crate) scores: Vec<(Arc<dyn DynScore>, i64)>,
    pub(crate) reserves: Vec<Arc<dyn Reserve>>,
    pub(crate) permits: Vec<Arc<dyn Permit>>,
    pub(crate) pre_binds: Vec<Arc<dyn PreBind>>,
    pub(crate) post_binds: Vec<Arc<dyn PostBind>>,
    percentage_of_nodes_to_score: usize,
}

/// With fewer nodes all are looked at, and of more so many at least.
const SAMPLE_MIN: usize = 100;

impl Profile {
    /// A profile without plugins, but for the order of the queue.
    pub fn builder(name: &str) -> ProfileBuilder {
        ProfileBuilder(Self {
            name: name.to_owned(),
            queue_sort: Arc::new(plugins::PrioritySort),
            pre_enqueue: Vec::new(),
            filters: Vec::new(),
            post_filters: Vec::new(),
            scores: Vec::new(),
            reserves: Vec::new(),
            permits: Vec::new(),
            pre_binds: Vec::new(),
            post_binds: Vec::new(),
            percentage_of_nodes_to_score: 100,
        })
    }

    /// The default plugins, to add to or to take from.
    pub fn default_builder() -> ProfileBuilder {
        Self::builder("default-scheduler")
            .pre_enqueue(plugins::SchedulingGates)
            .filter(plugins::NodeUnschedulable)
            .filter(plugins::NodeName)
            .filter(plugins::TaintToleration)
            .filter(plugins::NodeAffinity::default())
            .filter(plugins::NodePorts)
            .filter(plugins::NodeResourcesFit::default())
            .filter(plugins::VolumeRestrictions)
            .filter(plugins::NodeVolumeLimits)
            .filter(plugins::VolumeBinding)
            .filter(plugins::VolumeZone)
            .filter(plugins::PodTopologySpread::default())
            .filter(plugins::InterPodAffinity::default())
            .filter(plugins::DynamicResources)
            .reserve(plugins::VolumeBinding)
            .reserve(plugins::DynamicResources)
            .post_filter(plugins::DefaultPreemption::default())
            .score(plugins::TaintToleration, 3)
            .score(plugins::NodeAffinity::default(), 2)
            .score(plugins::NodeResourcesFit::default(), 1)
            .score(plugins::PodTopologySpread::default(), 2)
            .score(plugins::InterPodAffinity::default(), 2)
            .score(plugins::DynamicResources, 2)
            .score(plugins::NodeResourcesBalancedAllocation::default(), 1)
            .score(plugins::ImageLocality, 1)
    }

    /// This profile with the filters of others whose names it lacks: what a queue that several profiles share asks for hints.
    #[cfg(feature = "driver")]
    pub(crate) fn with_filters_of(mut self, others: &[Self]) -> Self {
        for filter in others.iter().flat_map(|profile| &profile.filters) {
            if !self.filters.iter().any(|known| known.name() == filter.name()) {
                self.filters.push(filter.clone());
            }
        }
        self
    }

    /// With how many feasible nodes the search for a place ends; `None` when all nodes are looked at.
    /// Source: `numFeasibleNodesToFind` of kube-scheduler.
    pub(crate) fn sample(&self, nodes: usize) -> Option<usize> {
        let percentage = self.percentage_of_nodes_to_score;
        let wanted = nodes.saturating_mul(percentage) / 100;
        (nodes >= SAMPLE_MIN && percentage < 100).then_some(wanted.max(SAMPLE_MIN))
    }

    /// The name that pods choose it by (`spec.schedulerName`).
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::default_builder().build()
    }
}

/// Builds a [`Profile`]. Plugins are asked in the order in which they are added.
#[derive(Debug)]
pub struct ProfileBuilder(Profile);

impl ProfileBuilder {
    /// Replaces the order of the queue.
    #[must_use]
    pub fn queue_sort(mut self, plugin: impl QueueSort + 'static) -> Self {
        self.0.queue_sort = Arc::new(plugin);
        self
    }

    /// Adds a PreEnqueue plugin.
    #[must_use]
    pub fn pre_enqueue(mut self, plugin: impl PreEnqueue + 'static) -> Self {
        self.0.pre_enqueue.push(Arc::new(plugin));
        self
    }

    /// Adds a PreFilter and Filter plugin.
    #[must_use]
    pub fn filter(mut self, plugin: impl Filter) -> Self {
        self.0.filters.push(Arc::new(plugin));
        self
    }

    /// Adds a PostFilter plugin.
    #[must_use]
    pub fn post_filter(mut self, plugin: impl PostFilter + 'static) -> Self {
        self.0.post_filters.push(Arc::new(plugin));
        self
    }

    /// Adds a Score plugin; its scores, 0 to 100, are multiplied by `weight` (at least 1).
    #[must_use]
    pub fn score(mut self, plugin: impl Score, weight: i64) -> Self {
        self.0.scores.push((Arc::new(plugin), weight.max(1)));
        self
    }

    /// Adds a Reserve plugin.
    #[must_use]
    pub fn reserve(mut self, plugin: impl Reserve + 'static) -> Self {
        self.0.reserves.push(Arc::new(plugin));
        self
    }

    /// Adds a Permit plugin.
    #[must_use]
    pub fn permit(mut self, plugin: impl Permit + 'static) -> Self {
        self.0.permits.push(Arc::new(plugin));
        self
    }

    /// Adds a PreBind plugin.
    #[must_use]
    pub fn pre_bind(mut self, plugin: impl PreBind + 'static) -> Self {
        self.0.pre_binds.push(Arc::new(plugin));
        self
    }

    /// Adds a PostBind plugin.
    #[must_use]
    pub fn post_bind(mut self, plugin: impl PostBind + 'static) -> Self {
        self.0.post_binds.push(Arc::new(plugin));
        self
    }

    /// The share of the nodes, in percent, of which feasible ones are looked for before the best of them is taken; at least
    /// 100 nodes. The search begins at another node for every pod. Without it, and with 0 or 100, all nodes are looked at.
    ///
    /// All nodes are as a rule looked at in less time than some, since answers of some nodes are not kept.
    #[must_use]
    pub fn percentage_of_nodes_to_score(mut self, percentage: usize) -> Self {
        self.0.percentage_of_nodes_to_score = if percentage == 0 { 100 } else { percentage };
        self
    }

    /// Takes a plugin out of Filter, Score, PostFilter, PreEnqueue and Reserve.
    #[must_use]
    pub fn disable(mut self, name: &str) -> Self {
        self.0.filters.retain(|p| p.name() != name);
        self.0.scores.retain(|(p, _)| p.name() != name);
        self.0.post_filters.retain(|p| p.name() != name);
        self.0.pre_enqueue.retain(|p| p.name() != name);
        self.0.reserves.retain(|p| p.name() != name);
        self
    }

    /// The profile.
    pub fn build(self) -> Profile {
        self.0
    }
}
