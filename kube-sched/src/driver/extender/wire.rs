//! What is sent to extenders, and what they answer. Source: `k8s.io/kube-scheduler/extender/v1`.
//!
//! Go's types there have no JSON names, so that fields begin with capitals; in answers case does not matter.

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `ExtenderArgs`: a pod, and nodes whole or by name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Arguments<'a> {
    pub(super) pod: &'a Pod,
    pub(super) nodes: Option<NodeList>,
    pub(super) node_names: Option<Vec<&'a str>>,
}

/// `NodeList` of core/v1.
#[derive(Debug, Serialize)]
pub(super) struct NodeList {
    pub(super) metadata: Map<String, Value>,
    #[serde(serialize_with = "shared")]
    pub(super) items: Vec<Arc<Node>>,
}

fn shared<T: Serialize, S: Serializer>(objects: &[Arc<T>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(objects.iter().map(|object| &**object))
}

/// `ExtenderPreemptionArgs`: a pod, and by node who would have to go for it, whole or by uid.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PreemptionArguments<'a> {
    pub(super) pod: &'a Pod,
    pub(super) node_name_to_victims: Option<BTreeMap<&'a str, Victims>>,
    pub(super) node_name_to_meta_victims: Option<BTreeMap<&'a str, MetaVictims<'a>>>,
}

/// `Victims`.
#[derive(Debug, Serialize)]
pub(super) struct Victims {
    #[serde(rename = "Pods", serialize_with = "shared")]
    pub(super) pods: Vec<Arc<Pod>>,
    #[serde(rename = "NumPDBViolations")]
    pub(super) violations: usize,
}

/// `MetaVictims`.
#[derive(Debug, Serialize)]
pub(super) struct MetaVictims<'a> {
    #[serde(rename = "Pods")]
    pub(super) pods: Vec<MetaPod<'a>>,
    #[serde(rename = "NumPDBViolations")]
    pub(super) violations: usize,
}

/// `MetaPod`.
#[derive(Debug, Serialize)]
pub(super) struct MetaPod<'a> {
    #[serde(rename = "UID")]
    pub(super) uid: &'a str,
}

/// `ExtenderBindingArgs`.
#[derive(Debug, Serialize)]
pub(super) struct BindingArguments<'a> {
    #[serde(rename = "PodName")]
    pub(super) name: &'a str,
    #[serde(rename = "PodNamespace")]
    pub(super) namespace: &'a str,
    #[serde(rename = "PodUID")]
    pub(super) uid: &'a str,
    #[serde(rename = "Node")]
    pub(super) node: &'a str,
}

/// `ExtenderFilterResult`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Filtered {
    /// The names of the nodes that remain; those of whole nodes where it answered with them.
    pub(super) names: Option<Vec<String>>,
    pub(super) nodes: Option<Vec<String>>,
    pub(super) failed: BTreeMap<String, String>,
    pub(super) unresolvable: BTreeMap<String, String>,
    pub(super) error: String,
}

impl Filtered {
    /// Reads an answer with keys in lower case.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        answer.as_object()?;
        let present = |key: &str| answer.get(key).filter(|value| !value.is_null());
        let names = match present("nodenames") {
            Some(names) => Some(names.as_array()?.iter().map(text).collect::<Option<_>>()?),
            None => None,
        };
        let nodes = match present("nodes") {
            Some(list) => match list.get("items").filter(|items| !items.is_null()) {
                Some(items) => {
                    Some(items.as_array()?.iter().map(|node| text(&node["metadata"]["name"])).collect::<Option<_>>()?)
                }
                None => Some(Vec::new()),
            },
            None => None,
        };
        Some(Self {
            names,
            nodes,
            failed: reasons(present("failednodes"))?,
            unresolvable: reasons(present("failedandunresolvablenodes"))?,
            error: error(answer),
        })
    }
}

/// What an extender would have go from a node.
#[derive(Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) uids: Vec<String>,
    pub(super) violations: usize,
}

/// `ExtenderPreemptionResult`, from an answer with keys in lower case.
pub(super) fn preemption(answer: &Value) -> Option<BTreeMap<String, Chosen>> {
    let nodes = match answer.as_object()?.get("nodenametometavictims") {
        // Go's null is an empty map.
        None | Some(Value::Null) => return Some(BTreeMap::new()),
        Some(nodes) => nodes.as_object()?,
    };
    nodes.iter().map(|(node, victims)| Some((node.clone(), chosen(victims)?))).collect()
}

fn chosen(victims: &Value) -> Option<Chosen> {
    let fields = match victims {
        Value::Null => return Some(Chosen { uids: Vec::new(), violations: 0 }),
        victims => victims.as_object()?,
    };
    let uids = match fields.get("pods") {
        None | Some(Value::Null) => Vec::new(),
        Some(pods) => pods.as_array()?.iter().map(|pod| text(&pod["uid"])).collect::<Option<_>>()?,
    };
    let violations = fields.get("numpdbviolations").map_or(Some(0), Value::as_i64)?;
    // There are no fewer than none.
    Some(Chosen { uids, violations: usize::try_from(violations).unwrap_or(0) })
}

/// `HostPriorityList`, from an answer with keys in lower case.
pub(super) fn priorities(answer: &Value) -> Option<Vec<(String, i64)>> {
    // Go's null is an empty list.
    let list = match answer {
        Value::Null => return Some(Vec::new()),
        list => list.as_array()?,
    };
    list.iter().map(|entry| Some((text(&entry["host"])?, entry.get("score").map_or(Some(0), Value::as_i64)?))).collect()
}

/// `Error` of an answer with keys in lower case.
pub(super) fn error(answer: &Value) -> String {
    answer.get("error").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn reasons(map: Option<&Value>) -> Option<BTreeMap<String, String>> {
    let Some(map) = map else { return Some(BTreeMap::new()) };
    map.as_object()?.iter().map(|(node, reason)| Some((node.clone(), text(reason)?))).collect()
}

/// The fields of the answer, and of what is in it, in lower case; keys that are names of nodes stay.
pub(super) fn lower_keys(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| lower_key(&key, value)).collect()),
        Value::Array(list) => Value::Array(list.into_iter().map(lower_keys).collect()),
        other => other,
    }
}

/// Names of nodes are the keys one level below these.
const BY_NODE: [&str; 4] = ["failednodes", "failedandunresolvablenodes", "nodenametovictims", "nodenametometavictims"];

fn lower_key(key: &str, value: Value) -> (String, Value) {
    let key = key.to_ascii_lowercase();
    let value = match value {
        Value::Object(nodes) if BY_NODE.contains(&key.as_str()) => {
            Value::Object(nodes.into_iter().map(|(node, value)| (node, lower_keys(value))).collect())
        }
        value => lower_keys(value),
    };
    (key, value)
}

#[cfg(test)]
mod tests;
