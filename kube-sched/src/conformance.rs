//! Catches wrong declarations ([`Depends`](crate::framework::Depends)): the fast path and the plain evaluation, side by side.
//!
//! In a test, put a [`Checked`] in the place of a [`Scheduler`] and let pods and nodes come and go as yours do:
//!
//! ```
//! use kubekit_sched::conformance::Checked;
//! use kubekit_sched::{Cluster, Node, Pod, Profile, Resources};
//!
//! let checked = Checked::new(Profile::default(), 1);
//! let mut cluster = Cluster::new();
//! cluster.add_node(Node::new("n1", Resources::new(4_000, 8 << 30, 110)));
//! let pod = Pod::new("web");
//! let placement = checked.schedule(&cluster, &pod).expect("equal decisions").expect("a node with room");
//! cluster.add_pod(pod.on(placement.node)).expect("the node exists");
//! ```

use crate::framework::{FitError, Profile};
use crate::{Cluster, Explanation, Placement, Pod, Scheduler};

/// What a scheduler decides.
pub type Decision = Result<Placement, Box<FitError>>;

/// The two evaluations differ: a plugin declares less than its answer depends on.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "kept answers give {kept:?} for pod {pod:?}, and asking all plugins gives {plain:?}: a plugin's declaration is too bold"
)]
pub struct Difference {
    /// The pod's uid.
    pub pod: String,
    /// The decision with kept answers.
    pub kept: Box<Decision>,
    /// The decision by asking all plugins about all nodes.
    pub plain: Box<Decision>,
    /// What every plugin says of every node when it is asked.
    pub explanation: Box<Explanation>,
}

/// A scheduler that decides twice and compares.
#[derive(Clone, Debug)]
pub struct Checked(Scheduler);

impl Checked {
    /// A scheduler with these plugins, whose declarations are to be checked.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self(Scheduler::new(profile, seed))
    }

    /// Where the pod goes.
    ///
    /// # Errors
    /// When the decision with kept answers is another one than without.
    pub fn schedule(&self, cluster: &Cluster, pod: &Pod) -> Result<Decision, Difference> {
        let (kept, plain) = (self.0.schedule(cluster, pod), self.0.schedule_naively(cluster, pod));
        if kept == plain {
            return Ok(kept);
        }
        Err(Difference {
            pod: pod.uid.to_string(),
            kept: Box::new(kept),
            plain: Box::new(plain),
            explanation: Box::new(self.0.explain(cluster, pod)),
        })
    }
}

#[cfg(test)]
mod tests;
