//! What is asked of extenders about one pod: which of its feasible nodes remain, which are better, and to bind it.

use super::client::{ExtenderError, HttpExtender};
use super::{NAME, wire};
use crate::framework::{Code, Refusal};
use futures::future::join_all;
use k8s_openapi::api::core::v1 as api;
use kubekit_runtime::{ObjectKey, Reader};
use serde_json::Map;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// The best score that an extender gives a node. Source: `MaxExtenderPriority`.
const SCORE_MAX: i64 = 10;

/// A pod that extenders are to be asked about.
#[derive(Debug)]
pub(in crate::driver) struct Question {
    pub(in crate::driver) pod: Arc<crate::Pod>,
    /// When the decision began.
    pub(in crate::driver) began: Duration,
    /// The nodes that could take it, with the total of the plugins' scores.
    pub(in crate::driver) feasible: Vec<(Arc<str>, i64)>,
    /// Why the others could not.
    pub(in crate::driver) refusals: Vec<(Arc<str>, Refusal)>,
}

/// What extenders said.
#[derive(Debug)]
pub(in crate::driver) struct Answer {
    pub(in crate::driver) pod: Arc<crate::Pod>,
    /// When the decision began.
    pub(in crate::driver) began: Duration,
    pub(in crate::driver) said: Said,
    /// Why the others do not.
    pub(in crate::driver) refusals: Vec<(Arc<str>, Refusal)>,
}

/// What came of asking.
#[derive(Debug)]
pub(in crate::driver) enum Said {
    /// The nodes that remain, with their scores.
    Nodes(Vec<(Arc<str>, i64)>),
    /// An extender failed without which there is no scheduling.
    Failed(String),
    /// Nobody was asked, since the pod is gone, which the watch will tell.
    Gone,
}

/// All extenders.
#[derive(Clone, Debug)]
pub(in crate::driver) struct Extenders {
    pub(super) extenders: Arc<[HttpExtender]>,
    pub(super) pods: Reader<api::Pod>,
    nodes: Reader<api::Node>,
}

impl Extenders {
    pub(in crate::driver) fn new(
        extenders: Arc<[HttpExtender]>,
        pods: Reader<api::Pod>,
        nodes: Reader<api::Node>,
    ) -> Self {
        Self { extenders, pods, nodes }
    }

    /// Asks all extenders that are interested: first, one after the other, which nodes remain; then, all at once, which are
    /// better.
    pub(in crate::driver) async fn consult(self, question: Question) -> Answer {
        let Question { pod, began, mut feasible, mut refusals } = question;
        let Some(object) = self.object(&pod) else {
            return Answer { pod, began, said: Said::Gone, refusals };
        };
        let interested: Vec<&HttpExtender> =
            self.extenders.iter().filter(|extender| extender.config.is_interested(&pod)).collect();
        for extender in interested.iter().filter(|extender| !extender.config.filter_verb.is_empty()) {
            if feasible.is_empty() {
                break;
            }
            match self.filter(extender, &object, &feasible).await {
                Ok(filtered) => {
                    feasible.retain(|(node, _)| filtered.remaining.contains(&**node));
                    refusals.retain(|(node, _)| !filtered.refusals.contains_key(node));
                    refusals.extend(filtered.refusals);
                }
                Err(error) if extender.config.ignorable => {
                    tracing::info!(extender = %extender.config.url_prefix, %error, "skipping an extender that failed");
                }
                Err(error) => return Answer { pod, began, said: Said::Failed(error.to_string()), refusals },
            }
        }
        // One node that remains needs no comparison.
        if feasible.len() > 1 {
            self.prioritize(&interested, &object, &mut feasible).await;
        }
        Answer { pod, began, said: Said::Nodes(feasible), refusals }
    }

    /// A pod as the API has it; `None` where it is gone.
    pub(super) fn object(&self, pod: &crate::Pod) -> Option<Arc<api::Pod>> {
        let key = ObjectKey::new(pod.namespace.to_string(), pod.name.to_string());
        self.pods.get(&key).filter(|object| object.metadata.uid.as_deref() == Some(&*pod.uid))
    }

    async fn filter(
        &self,
        extender: &HttpExtender,
        pod: &api::Pod,
        feasible: &[(Arc<str>, i64)],
    ) -> Result<Filtered, ExtenderError> {
        let arguments = self.arguments(extender, pod, feasible);
        let answer = extender.ask(&extender.config.filter_verb, &arguments).await?;
        let answer =
            wire::Filtered::read(&answer).ok_or_else(|| extender.answer("gave a filter result of another form"))?;
        if !answer.error.is_empty() {
            return Err(ExtenderError::Told(answer.error));
        }
        let names = answer.names.filter(|_| extender.config.node_cache_capable).or(answer.nodes).unwrap_or_default();
        let asked: HashSet<&str> = feasible.iter().map(|(node, _)| &**node).collect();
        for name in &names {
            if !asked.contains(&**name) {
                let what = format!("claims a filtered node {name:?} which is not found in the input node list");
                return Err(extender.answer(what));
            }
        }
        let told = |code| {
            move |(node, reason): (String, String)| {
                let reasons = vec![reason.into()];
                (Arc::from(node), Refusal { plugin: NAME, code, reasons })
            }
        };
        let mut refusals: BTreeMap<Arc<str>, Refusal> =
            answer.failed.into_iter().map(told(Code::Unschedulable)).collect();
        // A node in both can never take the pod.
        refusals.extend(answer.unresolvable.into_iter().map(told(Code::Unresolvable)));
        let remaining: HashSet<String> = names.into_iter().collect();
        refusals.retain(|node, _| !remaining.contains(&**node));
        for (node, _) in feasible.iter().filter(|(node, _)| !remaining.contains(&**node)) {
            let silent = || Refusal::unschedulable(NAME, "node(s) were filtered out by an extender");
            refusals.entry(node.clone()).or_insert_with(silent);
        }
        Ok(Filtered { remaining, refusals })
    }

    /// Adds what extenders think of nodes. One that fails has no say: the others decide.
    async fn prioritize(&self, interested: &[&HttpExtender], pod: &api::Pod, feasible: &mut [(Arc<str>, i64)]) {
        let asked = interested.iter().filter(|extender| !extender.config.prioritize_verb.is_empty());
        let answers = join_all(asked.map(|extender| async {
            let arguments = self.arguments(extender, pod, feasible);
            let answer = extender.ask(&extender.config.prioritize_verb, &arguments).await?;
            let scores = wire::priorities(&answer).ok_or_else(|| extender.answer("gave priorities of another form"))?;
            Ok::<_, ExtenderError>((extender.config.weight, scores))
        }))
        .await;
        for answer in answers {
            match answer {
                Ok((weight, scores)) => {
                    let scores: BTreeMap<String, i64> = scores.into_iter().collect();
                    for (node, total) in feasible.iter_mut() {
                        let score = scores.get(&**node).copied().unwrap_or(0);
                        // Extenders give up to 10, plugins up to 100; a score out of range must not drown the others.
                        let score = score.clamp(0, SCORE_MAX) * (crate::framework::MAX_NODE_SCORE / SCORE_MAX);
                        *total = total.saturating_add(score.saturating_mul(weight));
                    }
                }
                Err(error) => tracing::debug!(%error, "an extender gave no priorities"),
            }
        }
    }

    fn arguments<'a>(
        &self,
        extender: &HttpExtender,
        pod: &'a api::Pod,
        feasible: &'a [(Arc<str>, i64)],
    ) -> wire::Arguments<'a> {
        if extender.config.node_cache_capable {
            let names = feasible.iter().map(|(node, _)| &**node).collect();
            return wire::Arguments { pod, nodes: None, node_names: Some(names) };
        }
        let node = |name: &Arc<str>| self.nodes.get(&ObjectKey::new(String::new(), name.to_string()));
        let items = feasible.iter().filter_map(|(name, _)| node(name)).collect();
        wire::Arguments { pod, nodes: Some(wire::NodeList { metadata: Map::new(), items }), node_names: None }
    }

    /// Has an extender bind the pod, if one does that. `None` where none does, or it fails and may be ignored.
    pub(in crate::driver) async fn bind(&self, pod: &crate::Pod, node: &str) -> Option<Result<(), String>> {
        let binder =
            |extender: &&HttpExtender| !extender.config.bind_verb.is_empty() && extender.config.is_interested(pod);
        for extender in self.extenders.iter().filter(binder) {
            let arguments = wire::BindingArguments { name: &pod.name, namespace: &pod.namespace, uid: &pod.uid, node };
            let answer = extender.ask(&extender.config.bind_verb, &arguments).await;
            let told = answer.map(|answer| wire::error(&answer));
            match told {
                Ok(error) if error.is_empty() => return Some(Ok(())),
                Ok(error) if !extender.config.ignorable => return Some(Err(error)),
                Err(error) if !extender.config.ignorable => return Some(Err(error.to_string())),
                failed => {
                    tracing::info!(extender = %extender.config.url_prefix, ?failed, "skipping an extender that failed to bind")
                }
            }
        }
        None
    }
}

/// What an extender leaves of the feasible nodes.
struct Filtered {
    remaining: HashSet<String>,
    refusals: BTreeMap<Arc<str>, Refusal>,
}
