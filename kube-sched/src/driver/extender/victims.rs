//! What is asked of extenders about a pod for which others would have to go: which nodes may be cleared, and of whom.

use super::client::{ExtenderError, HttpExtender};
use super::{Extenders, wire};
use crate::Cluster;
use crate::framework::{FitError, Victims};
use k8s_openapi::api::core::v1 as api;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Nodes, and who would have to go from each, in the order in which they were found.
type Candidates = Vec<Candidate>;
type Candidate = (Arc<str>, Arc<Victims>);

/// A pod for which others would have to go.
#[derive(Debug)]
pub(in crate::driver) struct VictimsQuestion {
    pub(in crate::driver) pod: Arc<crate::Pod>,
    /// When the decision began.
    pub(in crate::driver) began: Duration,
    /// Why no node takes it.
    pub(in crate::driver) error: Box<FitError>,
    /// What the decision saw.
    pub(in crate::driver) cluster: Cluster,
    pub(in crate::driver) candidates: Candidates,
}

/// What extenders said.
#[derive(Debug)]
pub(in crate::driver) struct VictimsAnswer {
    pub(in crate::driver) pod: Arc<crate::Pod>,
    /// When the decision began.
    pub(in crate::driver) began: Duration,
    pub(in crate::driver) error: Box<FitError>,
    pub(in crate::driver) cluster: Cluster,
    pub(in crate::driver) said: SaidOfVictims,
}

/// What came of asking.
#[derive(Debug)]
pub(in crate::driver) enum SaidOfVictims {
    /// The nodes that may be cleared, and of whom.
    Candidates(Candidates),
    /// An extender failed without which nobody is to go.
    Failed(String),
    /// Nobody was asked, since the pod is gone, which the watch will tell.
    Gone,
}

impl Extenders {
    /// Asks all extenders that have a say in it, each about what the one before left. Source: `callExtenders` of
    /// kube-scheduler.
    pub(in crate::driver) async fn consult_on_victims(self, question: VictimsQuestion) -> VictimsAnswer {
        let VictimsQuestion { pod, began, error, cluster, candidates } = question;
        let said = match self.object(&pod) {
            None => SaidOfVictims::Gone,
            Some(object) => self.choose(&pod, &object, &cluster, candidates).await,
        };
        VictimsAnswer { pod, began, error, cluster, said }
    }

    async fn choose(
        &self,
        pod: &crate::Pod,
        object: &api::Pod,
        cluster: &Cluster,
        mut candidates: Candidates,
    ) -> SaidOfVictims {
        for extender in self.extenders.iter().filter(|extender| extender.config.has_say_on_victims(pod)) {
            match self.preempt(extender, object, cluster, &candidates).await {
                Ok(left) => candidates = left,
                Err(error) if extender.config.ignorable => {
                    tracing::info!(extender = %extender.config.url_prefix, %error, "skipping an extender that failed to preempt");
                }
                Err(error) => return SaidOfVictims::Failed(error.to_string()),
            }
            if candidates.is_empty() {
                break;
            }
        }
        SaidOfVictims::Candidates(candidates)
    }

    /// Asks one extender.
    async fn preempt(
        &self,
        extender: &HttpExtender,
        pod: &api::Pod,
        cluster: &Cluster,
        candidates: &Candidates,
    ) -> Result<Candidates, ExtenderError> {
        let arguments = self.preemption_arguments(extender, pod, candidates);
        let answer = extender.ask(&extender.config.preempt_verb, &arguments).await?;
        let mut answer =
            wire::preemption(&answer).ok_or_else(|| extender.answer("gave a preemption result of another form"))?;
        let known = candidates.iter().filter_map(|(node, _)| answer.remove_entry(&**node)).collect::<Vec<_>>();
        // Nodes that it was not asked about come last: what was found first wins among equals.
        let all = known.into_iter().chain(answer).map(|(node, chosen)| victims(extender, cluster, node, &chosen));
        all.filter_map(Result::transpose).collect()
    }

    fn preemption_arguments<'a>(
        &self,
        extender: &HttpExtender,
        pod: &'a api::Pod,
        candidates: &'a Candidates,
    ) -> wire::PreemptionArguments<'a> {
        let mut arguments =
            wire::PreemptionArguments { pod, node_name_to_victims: None, node_name_to_meta_victims: None };
        if extender.config.node_cache_capable {
            let by_uid = |victims: &'a Victims| wire::MetaVictims {
                pods: victims.pods.iter().map(|pod| wire::MetaPod { uid: &pod.uid }).collect(),
                violations: victims.cost.violations,
            };
            let nodes: BTreeMap<_, _> = candidates.iter().map(|(node, victims)| (&**node, by_uid(victims))).collect();
            arguments.node_name_to_meta_victims = Some(nodes);
        } else {
            arguments.node_name_to_victims = Some(whole(candidates, |pod| self.object(pod)));
        }
        arguments
    }
}

/// Victims as whole pods. One that is gone by now need not go, and a node from which all are gone need not be cleared.
fn whole(
    candidates: &Candidates,
    object: impl Fn(&crate::Pod) -> Option<Arc<api::Pod>>,
) -> BTreeMap<&str, wire::Victims> {
    let whole = |victims: &Victims| wire::Victims {
        pods: victims.pods.iter().filter_map(|pod| object(pod)).collect(),
        violations: victims.cost.violations,
    };
    let nodes = candidates.iter().map(|(node, victims)| (&**node, whole(victims)));
    nodes.filter(|(_, victims)| !victims.pods.is_empty()).collect()
}

/// Who would have to go from a node by what an extender says: pods that are there. A node of which nobody would is left out
/// where the extender may be ignored.
fn victims(
    extender: &HttpExtender,
    cluster: &Cluster,
    node: String,
    chosen: &wire::Chosen,
) -> Result<Option<Candidate>, ExtenderError> {
    let Some(info) = cluster.node(&node) else { return Err(ExtenderError::Node(node)) };
    if chosen.uids.is_empty() {
        return if extender.config.ignorable { Ok(None) } else { Err(ExtenderError::NoVictims(node)) };
    }
    let find = |uid: &String| {
        let found = info.pods().iter().find(|pod| *pod.uid == **uid).cloned();
        let (url, uid, node) = (&extender.config.url_prefix, uid, &node);
        found.ok_or_else(|| ExtenderError::Victim { url: url.clone(), uid: uid.clone(), node: node.clone() })
    };
    let pods = chosen.uids.iter().map(find).collect::<Result<_, _>>()?;
    Ok(Some((info.node().name.clone(), Arc::new(Victims::new(pods, chosen.violations)))))
}

#[cfg(test)]
mod tests;
