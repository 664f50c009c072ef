//! Selectors, node affinity, pod affinity and spread constraints.

use crate::{
    Labels, NamespaceScope, NodeSelector, NodeSelectorTerm, Operator, PodAffinityTerm, PreferredNodeTerm, Requirement,
    Selector, SpreadConstraint, Weighted, WhenUnsatisfiable,
};
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => return None,
    })
}

/// An absent selector selects nothing, as does one with an operator that does not exist.
pub(super) fn selector(selector: Option<&LabelSelector>) -> Selector {
    let Some(selector) = selector else { return Selector::Nothing };
    let labels = selector.match_labels.iter().flatten();
    let mut requirements: Vec<Requirement> =
        labels.map(|(key, value)| Requirement::new(key, Operator::In, [value.as_str()])).collect();
    for expression in selector.match_expressions.iter().flatten() {
        let Some(operator) = operator(&expression.operator) else { return Selector::Nothing };
        requirements.push(Requirement::new(
            &expression.key,
            operator,
            expression.values.iter().flatten().map(String::as_str),
        ));
    }
    Selector::All(requirements)
}

/// Adds `key in (own value)` for keys that the pod itself has (KEP-3633, KEP-3243).
fn with_keys(mut selector: Selector, keys: Option<&Vec<String>>, operator: Operator, labels: &Labels) -> Selector {
    if let Selector::All(requirements) = &mut selector {
        for key in keys.into_iter().flatten() {
            if let Some(value) = labels.get(key) {
                requirements.push(Requirement::new(key, operator, [value]));
            }
        }
    }
    selector
}

/// What scheduling sees of a NodeSelector.
pub fn node_selector(selector: &api::NodeSelector) -> NodeSelector {
    NodeSelector(selector.node_selector_terms.iter().map(node_selector_term).collect())
}

fn node_selector_term(term: &api::NodeSelectorTerm) -> NodeSelectorTerm {
    let requirements = |list: &Option<Vec<api::NodeSelectorRequirement>>| {
        let known = |r: &api::NodeSelectorRequirement| {
            // Nothing is in an empty list, so that an operator that does not exist excludes every node.
            let operator = operator(&r.operator);
            let values = operator.and(r.values.as_ref()).into_iter().flatten().map(String::as_str);
            Requirement::new(&r.key, operator.unwrap_or(Operator::In), values)
        };
        list.iter().flatten().map(known).collect()
    };
    NodeSelectorTerm { labels: requirements(&term.match_expressions), names: requirements(&term.match_fields) }
}

/// The wishes of a NodeAffinity.
pub fn preferred_nodes(affinity: Option<&api::NodeAffinity>) -> Vec<PreferredNodeTerm> {
    let preferred =
        affinity.into_iter().flat_map(|a| a.preferred_during_scheduling_ignored_during_execution.iter().flatten());
    preferred
        .map(|term| PreferredNodeTerm { weight: term.weight.into(), term: node_selector_term(&term.preference) })
        .collect()
}

pub(super) fn pod_term(term: &api::PodAffinityTerm, namespace: &str, labels: &Labels) -> PodAffinityTerm {
    let own = selector(term.label_selector.as_ref());
    let own = with_keys(own, term.match_label_keys.as_ref(), Operator::In, labels);
    let own = with_keys(own, term.mismatch_label_keys.as_ref(), Operator::NotIn, labels);
    let mut names: Vec<String> = term.namespaces.clone().unwrap_or_default();
    if names.is_empty() && term.namespace_selector.is_none() {
        names.push(namespace.to_owned());
    }
    PodAffinityTerm {
        selector: own,
        namespaces: NamespaceScope { names, selector: selector(term.namespace_selector.as_ref()) },
        topology_key: term.topology_key.clone(),
    }
}

/// Preferred terms on pods: attracting ones as they are, repelling ones with negative weight.
pub(super) fn preferred_pods(
    affinity: &api::Affinity,
    namespace: &str,
    labels: &Labels,
) -> Vec<Weighted<PodAffinityTerm>> {
    let weigh = |sign: i64| {
        move |wish: &api::WeightedPodAffinityTerm| Weighted {
            weight: sign * i64::from(wish.weight),
            term: pod_term(&wish.pod_affinity_term, namespace, labels),
        }
    };
    let attracting = affinity
        .pod_affinity
        .iter()
        .flat_map(|a| a.preferred_during_scheduling_ignored_during_execution.iter().flatten())
        .map(weigh(1));
    let repelling = affinity
        .pod_anti_affinity
        .iter()
        .flat_map(|a| a.preferred_during_scheduling_ignored_during_execution.iter().flatten())
        .map(weigh(-1));
    attracting.chain(repelling).collect()
}

pub(super) fn spread(constraint: &api::TopologySpreadConstraint, labels: &Labels) -> SpreadConstraint {
    let own = selector(constraint.label_selector.as_ref());
    SpreadConstraint {
        max_skew: constraint.max_skew.into(),
        topology_key: constraint.topology_key.clone(),
        when_unsatisfiable: if constraint.when_unsatisfiable == "ScheduleAnyway" {
            WhenUnsatisfiable::ScheduleAnyway
        } else {
            WhenUnsatisfiable::DoNotSchedule
        },
        selector: with_keys(own, constraint.match_label_keys.as_ref(), Operator::In, labels),
        min_domains: constraint.min_domains.unwrap_or(1).into(),
        honor_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honor_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
    }
}

/// A node selector as the API has it. Requirements of the engine carry over as they are.
#[cfg(feature = "driver")]
pub(crate) fn node_selector_json(selector: &NodeSelector) -> serde_json::Value {
    let list = |requirements: &[Requirement]| -> Vec<serde_json::Value> {
        let one = |r: &Requirement| serde_json::json!({"key": r.key, "operator": format!("{:?}", r.operator), "values": r.values});
        requirements.iter().map(one).collect()
    };
    let term = |term: &NodeSelectorTerm| {
        let mut value = serde_json::json!({});
        if !term.labels.is_empty() {
            value["matchExpressions"] = list(&term.labels).into();
        }
        if !term.names.is_empty() {
            value["matchFields"] = list(&term.names).into();
        }
        value
    };
    serde_json::json!({"nodeSelectorTerms": selector.0.iter().map(term).collect::<Vec<_>>()})
}
