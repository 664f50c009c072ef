//! The extension points of the Kubernetes scheduling framework, under its names, one trait each.
//!
//! A plugin implements the traits of the points where it has a say and is put into a [`Profile`]. What a plugin computes
//! once per pod is its own typed state; there is no map of anything. Source: KEP-624.

mod bind;
mod depends;
mod enqueue;
mod filter;
mod fit_error;
mod guard;
mod post_filter;
mod preemption;
mod profile;
mod prospect;
mod refusal;
mod refusals;
mod reserve;
mod score;
mod waiting;

pub use bind::{PostBind, PreBind};
pub use depends::{Depends, DomainRule};
pub use enqueue::{ClusterEvent, EventKind, Hint, PreEnqueue, QueueSort};
pub use filter::{Filter, PreFilter};
pub use fit_error::FitError;
pub use post_filter::{Attempt, Nomination, PostFilter, WhatIf};
pub use preemption::{Candidate, Cost, Failures, Victims};
pub use profile::{Profile, ProfileBuilder};
pub use refusal::{Code, Reason, Refusal};
pub use refusals::Refusals;
pub use reserve::{Permit, PermitDecision, Reserve};
pub use score::{MAX_NODE_SCORE, Score};
pub use waiting::{Decided, PERMIT_WAIT_MAX, WaitingPod, WaitingPods};

pub(crate) use filter::{DynFilter, FilterCycle, Started};
pub(crate) use fit_error::histogram;
pub(crate) use guard::guard;
pub(crate) use preemption::DryRuns;
pub(crate) use prospect::{Prospect, Verdict};
pub(crate) use refusals::Names;
pub(crate) use score::{DynScore, ScoreCycle, normalize_by_max};
