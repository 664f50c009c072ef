//! Plugins' arguments (`pluginConfig`).

use super::Mistakes;
use super::file::ProfileEntry;
use crate::k8s;
use crate::model::{NodeSelector, PreferredNodeTerm, ResourceName, SpreadConstraint};
use crate::plugins::{
    DefaultConstraints, DefaultPreemption, InterPodAffinity, NodeAffinity, NodeResourcesBalancedAllocation,
    NodeResourcesFit, PodTopologySpread, ScoringStrategy, ShapePoint,
};
use k8s_openapi::api::core::v1 as api;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long volumes may take to be bound. Source: `VolumeBindingArgs`.
pub(super) const BIND_TIMEOUT: Duration = Duration::from_secs(600);

/// The plugins that take arguments, as their arguments make them.
#[derive(Debug)]
pub(super) struct PluginArgs {
    pub(super) preemption: DefaultPreemption,
    pub(super) inter_pod_affinity: InterPodAffinity,
    pub(super) node_affinity: NodeAffinity,
    pub(super) balanced: NodeResourcesBalancedAllocation,
    pub(super) fit: NodeResourcesFit,
    pub(super) spread: PodTopologySpread,
    pub(super) bind_timeout: Duration,
}

impl Default for PluginArgs {
    fn default() -> Self {
        Self {
            preemption: DefaultPreemption::default(),
            inter_pod_affinity: InterPodAffinity::default(),
            node_affinity: NodeAffinity::default(),
            balanced: NodeResourcesBalancedAllocation::default(),
            fit: NodeResourcesFit::default(),
            spread: PodTopologySpread::default(),
            bind_timeout: BIND_TIMEOUT,
        }
    }
}

/// Where an argument stands, and where its mistakes go.
struct At<'m> {
    path: String,
    mistakes: &'m mut Mistakes,
}

impl At<'_> {
    fn read<T: DeserializeOwned + Default>(&mut self, args: &Value) -> T {
        // Every kind of arguments may name itself.
        let mut args = args.clone();
        if let Value::Object(fields) = &mut args {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        serde_json::from_value(args).unwrap_or_else(|error| {
            self.mistakes.invalid(&*self.path, "args", &error.to_string());
            T::default()
        })
    }

    fn in_range(&mut self, field: &str, value: i64, min: i64, max: i64) {
        if !(min..=max).contains(&value) {
            let why = format!("not in valid range [{min}-{max}]");
            self.mistakes.invalid(format!("{}.{field}", self.path), value, &why);
        }
    }
}

impl PluginArgs {
    pub(super) fn read(entry: &ProfileEntry, path: &str, mistakes: &mut Mistakes) -> Self {
        let mut args = Self::default();
        let mut names = BTreeSet::new();
        for (i, config) in entry.plugin_config.iter().flatten().enumerate() {
            let path = format!("{path}.pluginConfig[{i}]");
            if !names.insert(&config.name) {
                mistakes.duplicate(&*path, &config.name);
            }
            let Some(value) = &config.args else { continue };
            let mut at = At { path: format!("{path}.args"), mistakes };
            match config.name.as_str() {
                "DefaultPreemption" => args.preemption = preemption(&at.read(value), &mut at),
                "InterPodAffinity" => args.inter_pod_affinity = inter_pod_affinity(&at.read(value), &mut at),
                "NodeAffinity" => args.node_affinity = node_affinity(&at.read(value)),
                "NodeResourcesBalancedAllocation" => args.balanced = balanced(&at.read(value), &mut at),
                "NodeResourcesFit" => args.fit = fit(at.read(value), &mut at),
                "PodTopologySpread" => args.spread = spread(&at.read(value), &mut at),
                "VolumeBinding" => args.bind_timeout = bind_timeout(&at.read(value), &mut at),
                "DynamicResources" => {}
                name => mistakes.invalid(
                    format!("{path}.name"),
                    format!("{name:?}"),
                    "no plugin of this name takes arguments",
                ),
            }
        }
        args
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PreemptionArgs {
    min_candidate_nodes_percentage: Option<i64>,
    min_candidate_nodes_absolute: Option<i64>,
}

fn preemption(args: &PreemptionArgs, at: &mut At<'_>) -> DefaultPreemption {
    let percentage = args.min_candidate_nodes_percentage.unwrap_or(10);
    let absolute = args.min_candidate_nodes_absolute.unwrap_or(100);
    at.in_range("minCandidateNodesPercentage", percentage, 0, 100);
    at.in_range("minCandidateNodesAbsolute", absolute, 0, i64::from(i32::MAX));
    if percentage == 0 && absolute == 0 {
        let why = "cannot be zero at the same time as minCandidateNodesPercentage";
        at.mistakes.invalid(format!("{}.minCandidateNodesAbsolute", at.path), absolute, why);
    }
    DefaultPreemption {
        min_candidate_nodes_percentage: usize::try_from(percentage).unwrap_or(0),
        min_candidate_nodes_absolute: usize::try_from(absolute).unwrap_or(0),
        ..DefaultPreemption::default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InterPodAffinityArgs {
    hard_pod_affinity_weight: Option<i64>,
    ignore_preferred_terms_of_existing_pods: Option<bool>,
}

fn inter_pod_affinity(args: &InterPodAffinityArgs, at: &mut At<'_>) -> InterPodAffinity {
    let hard_pod_affinity_weight = args.hard_pod_affinity_weight.unwrap_or(1);
    at.in_range("hardPodAffinityWeight", hard_pod_affinity_weight, 0, 100);
    InterPodAffinity {
        hard_pod_affinity_weight,
        ignore_preferred_terms_of_existing_pods: args.ignore_preferred_terms_of_existing_pods.unwrap_or(false),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeAffinityArgs {
    added_affinity: Option<api::NodeAffinity>,
}

fn node_affinity(args: &NodeAffinityArgs) -> NodeAffinity {
    let added = args.added_affinity.as_ref();
    let required: Option<NodeSelector> = added
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref())
        .map(k8s::node_selector);
    let preferred: Vec<PreferredNodeTerm> = k8s::preferred_nodes(added);
    NodeAffinity { added: required, added_preferred: preferred }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightedResource {
    name: String,
    weight: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BalancedArgs {
    resources: Option<Vec<WeightedResource>>,
}

/// An absent or empty list means the default.
fn listed(resources: Option<&Vec<WeightedResource>>) -> Option<&Vec<WeightedResource>> {
    resources.filter(|list| !list.is_empty())
}

fn balanced(args: &BalancedArgs, at: &mut At<'_>) -> NodeResourcesBalancedAllocation {
    let Some(list) = listed(args.resources.as_ref()) else { return NodeResourcesBalancedAllocation::default() };
    let mut seen = BTreeSet::new();
    for (i, resource) in list.iter().enumerate() {
        let path = format!("{}.resources[{i}]", at.path);
        if resource.weight.unwrap_or(1) != 1 {
            let weight = resource.weight.unwrap_or(1);
            at.mistakes.invalid(format!("{path}.weight"), weight, "must be 1");
        }
        if !seen.insert(&resource.name) {
            at.mistakes.duplicate(path, &resource.name);
        }
    }
    NodeResourcesBalancedAllocation { resources: list.iter().map(|r| ResourceName::from(r.name.as_str())).collect() }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FitArgs {
    ignored_resources: Option<Vec<String>>,
    ignored_resource_groups: Option<Vec<String>>,
    scoring_strategy: Option<StrategyArgs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StrategyArgs {
    r#type: Option<String>,
    resources: Option<Vec<WeightedResource>>,
    requested_to_capacity_ratio: Option<RatioArgs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RatioArgs {
    shape: Option<Vec<PointArgs>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PointArgs {
    #[serde(default)]
    utilization: i64,
    #[serde(default)]
    score: i64,
}

fn fit(args: FitArgs, at: &mut At<'_>) -> NodeResourcesFit {
    for (i, group) in args.ignored_resource_groups.iter().flatten().enumerate() {
        if group.contains('/') {
            let path = format!("{}.ignoredResourceGroups[{i}]", at.path);
            at.mistakes.invalid(path, format!("{group:?}"), "resource group name can't contain '/'");
        }
    }
    let strategy_args = args.scoring_strategy.unwrap_or_default();
    let strategy = strategy(&strategy_args, at);
    let mut plugin = NodeResourcesFit {
        ignored_resources: args.ignored_resources.unwrap_or_default(),
        ignored_resource_groups: args.ignored_resource_groups.unwrap_or_default(),
        ..NodeResourcesFit::with_strategy(strategy)
    };
    if let Some(list) = listed(strategy_args.resources.as_ref()) {
        for (i, resource) in list.iter().enumerate() {
            let weight = resource.weight.unwrap_or(1);
            if !(1..=100).contains(&weight) {
                let path = format!("{}.scoringStrategy.resources[{i}].weight", at.path);
                let why = format!("resource weight of {} not in valid range [1-100]", resource.name);
                at.mistakes.invalid(path, weight, &why);
            }
        }
        plugin.resources = list.iter().map(|r| (ResourceName::from(r.name.as_str()), r.weight.unwrap_or(1))).collect();
    }
    plugin
}

fn strategy(args: &StrategyArgs, at: &mut At<'_>) -> ScoringStrategy {
    const KINDS: [&str; 3] = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
    let path = format!("{}.scoringStrategy", at.path);
    match args.r#type.as_deref().unwrap_or("LeastAllocated") {
        "LeastAllocated" => ScoringStrategy::LeastAllocated,
        "MostAllocated" => ScoringStrategy::MostAllocated,
        "RequestedToCapacityRatio" => {
            let points = args.requested_to_capacity_ratio.as_ref().and_then(|ratio| ratio.shape.as_deref());
            let path = format!("{path}.requestedToCapacityRatio.shape");
            ScoringStrategy::RequestedToCapacityRatio(shape(points.unwrap_or_default(), &path, at.mistakes))
        }
        other => {
            at.mistakes.unsupported(format!("{path}.type"), other, &KINDS);
            ScoringStrategy::default()
        }
    }
}

/// Scores of 0 to 10 in a file are 0 to 100 here.
fn shape(points: &[PointArgs], path: &str, mistakes: &mut Mistakes) -> Vec<ShapePoint> {
    if points.is_empty() {
        mistakes.required(path, "at least one point must be specified");
    }
    for (i, point) in points.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if !(0..=100).contains(&point.utilization) {
            mistakes.invalid(format!("{path}.utilization"), point.utilization, "not in valid range [0-100]");
        }
        if i > 0 && point.utilization <= points[i - 1].utilization {
            let why = "utilization values must be sorted in increasing order";
            mistakes.invalid(format!("{path}.utilization"), point.utilization, why);
        }
        if !(0..=10).contains(&point.score) {
            mistakes.invalid(format!("{path}.score"), point.score, "not in valid range [0-10]");
        }
    }
    points.iter().map(|point| ShapePoint { utilization: point.utilization, score: point.score * 10 }).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpreadArgs {
    default_constraints: Option<Vec<api::TopologySpreadConstraint>>,
    defaulting_type: Option<String>,
}

fn spread(args: &SpreadArgs, at: &mut At<'_>) -> PodTopologySpread {
    let list = args.default_constraints.as_deref().unwrap_or_default();
    let defaults = match args.defaulting_type.as_deref().unwrap_or("System") {
        "System" => {
            if !list.is_empty() {
                let why = "when .defaultingType is System, .defaultConstraints must be empty";
                at.mistakes.invalid(format!("{}.defaultingType", at.path), "System", why);
            }
            DefaultConstraints::System
        }
        "List" => DefaultConstraints::List(list.iter().enumerate().map(|(i, c)| constraint(i, c, at)).collect()),
        other => {
            at.mistakes.unsupported(format!("{}.defaultingType", at.path), other, &["System", "List"]);
            DefaultConstraints::System
        }
    };
    PodTopologySpread { defaults }
}

fn constraint(i: usize, constraint: &api::TopologySpreadConstraint, at: &mut At<'_>) -> SpreadConstraint {
    let path = format!("{}.defaultConstraints[{i}]", at.path);
    if constraint.max_skew <= 0 {
        at.mistakes.invalid(format!("{path}.maxSkew"), constraint.max_skew, "not in valid range (0, inf)");
    }
    if constraint.topology_key.is_empty() {
        at.mistakes.required(format!("{path}.topologyKey"), "can not be empty");
    }
    if !["DoNotSchedule", "ScheduleAnyway"].contains(&constraint.when_unsatisfiable.as_str()) {
        let value = &constraint.when_unsatisfiable;
        at.mistakes.unsupported(format!("{path}.whenUnsatisfiable"), value, &["DoNotSchedule", "ScheduleAnyway"]);
    }
    if constraint.label_selector.is_some() {
        at.mistakes.invalid(
            format!("{path}.labelSelector"),
            "{...}",
            "constraint must not define a selector, as they deduced for each pod",
        );
    }
    k8s::spread_constraint(constraint)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeBindingArgs {
    bind_timeout_seconds: Option<i64>,
}

fn bind_timeout(args: &VolumeBindingArgs, at: &mut At<'_>) -> Duration {
    let Some(seconds) = args.bind_timeout_seconds else { return BIND_TIMEOUT };
    if seconds < 0 {
        at.mistakes.invalid(
            format!("{}.bindTimeoutSeconds", at.path),
            seconds,
            "invalid BindTimeoutSeconds, should not be a negative value",
        );
    }
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
