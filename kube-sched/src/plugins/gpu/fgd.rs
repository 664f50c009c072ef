//! FGD: fragmentation gradient descent (Beware of Fragmentation, ATC'23): the node, and on it the device, where placing the
//! pod adds least to what typical pods cannot use.
//!
//! 100·sigmoid((fragmentation before − after)/1000), truncated; the first device of equal ones.

use super::devices::ChooseDevices;
use super::memo::{ClassMemo, Memo};
use super::{Spare, TypicalPods, truncated};
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, MAX_NODE_SCORE, Score};
use crate::model::{GpuRequest, Pod};
use std::sync::Arc;

/// Prefers the steepest descent of fragmentation.
#[derive(Clone, Debug)]
pub struct Fgd {
    typical: Arc<TypicalPods>,
    memo: Memo,
}

impl Fgd {
    /// Against these expected pods.
    pub fn new(typical: Arc<TypicalPods>) -> Self {
        Self { typical, memo: Memo::default() }
    }

    /// The best score on a node, and the devices that give it.
    pub fn rate(&self, pod: &Pod, spare: &Spare) -> (i64, Vec<usize>) {
        let before = self.typical.fragmentation(spare);
        let mut best = None::<(i64, Vec<usize>)>;
        for devices in spare.choices(pod) {
            let after = self.typical.fragmentation(&spare.without(pod, &devices));
            let gain = (before - after) / 1000.0;
            let score = truncated(MAX_SCORE / (1.0 + (-gain).exp()));
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, devices));
            }
        }
        best.unwrap_or_default()
    }
}

/// [`MAX_NODE_SCORE`] in a formula.
const MAX_SCORE: f64 = MAX_NODE_SCORE as f64;

impl Score for Fgd {
    /// What is known of the pod's class.
    type State = ClassMemoState;

    fn name(&self) -> &'static str {
        "Fgd"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<Self::State> {
        Some(ClassMemoState(self.memo.class(pod)))
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn score(&self, state: &Self::State, pod: &Pod, node: &NodeInfo) -> i64 {
        state.0.get(Spare::of(node), |spare| self.rate(pod, spare).0)
    }
}

/// What is known of a pod's class.
#[derive(Clone, Debug)]
pub struct ClassMemoState(pub(super) ClassMemo);

impl ChooseDevices for Fgd {
    fn choose(&self, pod: &Pod, request: &GpuRequest, spare: &Spare) -> Option<Vec<usize>> {
        request.fits(&spare.devices).then(|| self.rate(pod, spare).1)
    }
}
