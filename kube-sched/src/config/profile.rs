//! From what a file enables and disables to a [`Profile`].
//!
//! At each extension point run: plugins enabled there that `multiPoint` enables too, in the point's order and with its
//! weights; then the other plugins of `multiPoint`, unless the point disables them; then the other plugins enabled there.
//! Source: "Scheduler Configuration" of the documentation, and `expandMultiPointPlugins` of kube-scheduler.

use super::Mistakes;
use super::args::PluginArgs;
use super::file::{PluginEntry, PluginSet, Points, ProfileEntry};
use crate::framework::{Profile, ProfileBuilder};
use crate::plugins;

/// Where a plugin has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    PreEnqueue,
    QueueSort,
    Filter,
    PostFilter,
    Score,
    Reserve,
    Bind,
}

/// The default plugins in Kubernetes' order, with their weights and points. `PreFilter` goes with `Filter`, `PreScore` with
/// `Score`, and `PreBind` with `Reserve`: here they are one.
const DEFAULTS: &[(&str, i64, &[Point])] = &[
    ("SchedulingGates", 1, &[Point::PreEnqueue]),
    ("PrioritySort", 1, &[Point::QueueSort]),
    ("NodeUnschedulable", 1, &[Point::Filter]),
    ("NodeName", 1, &[Point::Filter]),
    ("TaintToleration", 3, &[Point::Filter, Point::Score]),
    ("NodeAffinity", 2, &[Point::Filter, Point::Score]),
    ("NodePorts", 1, &[Point::Filter]),
    ("NodeResourcesFit", 1, &[Point::Filter, Point::Score]),
    ("VolumeRestrictions", 1, &[Point::Filter]),
    ("NodeVolumeLimits", 1, &[Point::Filter]),
    ("VolumeBinding", 1, &[Point::Filter, Point::Reserve]),
    ("VolumeZone", 1, &[Point::Filter]),
    ("PodTopologySpread", 2, &[Point::Filter, Point::Score]),
    ("InterPodAffinity", 2, &[Point::Filter, Point::Score]),
    ("DynamicResources", 2, &[Point::Filter, Point::Score, Point::Reserve]),
    ("DefaultPreemption", 1, &[Point::PostFilter]),
    ("NodeResourcesBalancedAllocation", 1, &[Point::Score]),
    ("ImageLocality", 1, &[Point::Score]),
    ("DefaultBinder", 1, &[Point::Bind]),
];

fn points(plugin: &str) -> &'static [Point] {
    DEFAULTS.iter().find(|(name, _, _)| *name == plugin).map_or(&[], |(_, _, points)| points)
}

/// A plugin with its weight; 0 where none is given.
type Chosen = (&'static str, i64);

pub(super) fn build(
    name: &str,
    entry: &ProfileEntry,
    args: &PluginArgs,
    path: &str,
    mistakes: &mut Mistakes,
) -> ProfileBuilder {
    let none = Points::default();
    let sets = entry.plugins.as_ref().unwrap_or(&none);
    check(sets, &format!("{path}.plugins"), mistakes);
    let multi = merge(&sets.multi_point);
    let mut builder = Profile::builder(name);
    let pairs = [
        (Point::PreEnqueue, &sets.pre_enqueue),
        (Point::Filter, &sets.filter),
        (Point::PostFilter, &sets.post_filter),
        (Point::Score, &sets.score),
        (Point::Reserve, &sets.reserve),
    ];
    for (point, set) in pairs {
        for (plugin, weight) in expand(&multi, set, point) {
            builder = add(builder, point, plugin, weight.max(1), args);
        }
    }
    if expand(&multi, &sets.queue_sort, Point::QueueSort).is_empty() {
        mistakes.required(format!("{path}.plugins.queueSort"), "one queue sort plugin must be enabled");
    }
    if expand(&multi, &sets.bind, Point::Bind).is_empty() {
        mistakes.required(format!("{path}.plugins.bind"), "at least one bind plugin is needed");
    }
    builder
}

/// The defaults, without what is disabled, with what is enabled in their place or after them.
fn merge(set: &PluginSet) -> Vec<Chosen> {
    let enabled = |plugin: &str| set.enabled.iter().find(|entry| entry.name == plugin);
    let mut chosen: Vec<Chosen> = Vec::new();
    for (plugin, weight, _) in DEFAULTS.iter().filter(|(plugin, _, _)| !set.disables(plugin)) {
        let own = enabled(plugin).and_then(|entry| entry.weight).filter(|weight| *weight > 0);
        chosen.push((plugin, own.unwrap_or(*weight)));
    }
    // What is disabled and enabled at once is ordered and weighted anew.
    for entry in &set.enabled {
        if let Some((plugin, _, _)) = DEFAULTS.iter().find(|(name, _, _)| *name == entry.name)
            && !chosen.iter().any(|(name, _)| name == plugin)
        {
            chosen.push((plugin, entry.weight.unwrap_or(0)));
        }
    }
    chosen
}

/// The plugins of an extension point, in the order in which they run.
fn expand(multi: &[Chosen], set: &PluginSet, point: Point) -> Vec<Chosen> {
    let has_say = |plugin: &str| points(plugin).contains(&point);
    let known = |entry: &PluginEntry| {
        let (name, _, _) = DEFAULTS.iter().find(|(name, _, _)| *name == entry.name)?;
        Some((*name, entry.weight.unwrap_or(0)))
    };
    let (overriding, others): (Vec<Chosen>, Vec<Chosen>) =
        set.enabled.iter().filter_map(known).partition(|(plugin, _)| multi.iter().any(|(name, _)| name == plugin));
    let rest = multi.iter().filter(|(plugin, _)| {
        has_say(plugin) && !set.disables(plugin) && !overriding.iter().any(|(name, _)| name == plugin)
    });
    let all = overriding.iter().chain(rest).chain(&others);
    all.filter(|(plugin, _)| has_say(plugin)).copied().collect()
}

fn add(builder: ProfileBuilder, point: Point, plugin: &str, weight: i64, args: &PluginArgs) -> ProfileBuilder {
    match (point, plugin) {
        (Point::PreEnqueue, "SchedulingGates") => builder.pre_enqueue(plugins::SchedulingGates),
        (Point::PostFilter, "DefaultPreemption") => builder.post_filter(args.preemption),
        (Point::Reserve, "VolumeBinding") => builder.reserve(plugins::VolumeBinding),
        (Point::Reserve, "DynamicResources") => builder.reserve(plugins::DynamicResources),
        (Point::Filter, _) => add_filter(builder, plugin, args),
        (Point::Score, _) => add_score(builder, plugin, weight, args),
        _ => builder,
    }
}

fn add_filter(builder: ProfileBuilder, plugin: &str, args: &PluginArgs) -> ProfileBuilder {
    match plugin {
        "NodeUnschedulable" => builder.filter(plugins::NodeUnschedulable),
        "NodeName" => builder.filter(plugins::NodeName),
        "TaintToleration" => builder.filter(plugins::TaintToleration),
        "NodeAffinity" => builder.filter(args.node_affinity.clone()),
        "NodePorts" => builder.filter(plugins::NodePorts),
        "NodeResourcesFit" => builder.filter(args.fit.clone()),
        "VolumeRestrictions" => builder.filter(plugins::VolumeRestrictions),
        "NodeVolumeLimits" => builder.filter(plugins::NodeVolumeLimits),
        "VolumeBinding" => builder.filter(plugins::VolumeBinding),
        "VolumeZone" => builder.filter(plugins::VolumeZone),
        "PodTopologySpread" => builder.filter(args.spread.clone()),
        "InterPodAffinity" => builder.filter(args.inter_pod_affinity),
        "DynamicResources" => builder.filter(plugins::DynamicResources),
        _ => builder,
    }
}

fn add_score(builder: ProfileBuilder, plugin: &str, weight: i64, args: &PluginArgs) -> ProfileBuilder {
    match plugin {
        "TaintToleration" => builder.score(plugins::TaintToleration, weight),
        "NodeAffinity" => builder.score(args.node_affinity.clone(), weight),
        "NodeResourcesFit" => builder.score(args.fit.clone(), weight),
        "PodTopologySpread" => builder.score(args.spread.clone(), weight),
        "InterPodAffinity" => builder.score(args.inter_pod_affinity, weight),
        "DynamicResources" => builder.score(plugins::DynamicResources, weight),
        "NodeResourcesBalancedAllocation" => builder.score(args.balanced.clone(), weight),
        "ImageLocality" => builder.score(plugins::ImageLocality, weight),
        _ => builder,
    }
}

/// Every plugin that is enabled must be known, have a say at the point, and stand there once.
fn check(sets: &Points, path: &str, mistakes: &mut Mistakes) {
    let all: [(&str, &PluginSet, &[Point]); 13] = [
        ("preEnqueue", &sets.pre_enqueue, &[Point::PreEnqueue]),
        ("queueSort", &sets.queue_sort, &[Point::QueueSort]),
        ("preFilter", &sets.pre_filter, &[Point::Filter]),
        ("filter", &sets.filter, &[Point::Filter]),
        ("postFilter", &sets.post_filter, &[Point::PostFilter]),
        ("preScore", &sets.pre_score, &[Point::Score]),
        ("score", &sets.score, &[Point::Score]),
        ("reserve", &sets.reserve, &[Point::Reserve]),
        ("permit", &sets.permit, &[]),
        ("preBind", &sets.pre_bind, &[Point::Reserve]),
        ("bind", &sets.bind, &[Point::Bind]),
        ("postBind", &sets.post_bind, &[]),
        ("multiPoint", &sets.multi_point, &[]),
    ];
    for (point, set, of) in all {
        for (i, entry) in set.enabled.iter().enumerate() {
            let path = format!("{path}.{point}.enabled[{i}]");
            let name = &entry.name;
            if points(name).is_empty() {
                mistakes.invalid(path, format!("{name:?}"), "there is no plugin of this name");
            } else if set.enabled[..i].iter().any(|before| before.name == *name) {
                mistakes.duplicate(path, name);
            } else if point != "multiPoint" && !points(name).iter().any(|point| of.contains(point)) {
                mistakes.invalid(path, format!("{name:?}"), &format!("the plugin does not extend the {point} point"));
            } else if entry.weight.is_some_and(|weight| !(0..=i64::from(i32::MAX)).contains(&weight)) {
                let weight = entry.weight.unwrap_or_default();
                mistakes.invalid(format!("{path}.weight"), weight, "must not be negative");
            }
        }
    }
}
