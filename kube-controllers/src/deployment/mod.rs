//! Rolls out Deployments: one ReplicaSet per pod template, scaled up and down by the strategy.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/deployment`. Start at [`decide::decide`], which turns a Deployment, its
//! ReplicaSets and their pods into the writes of one pass. [`rolling`] holds the arithmetic of a rolling update,
//! [`scale`] that of scaling in the middle of one, [`revision`] the history, [`progress`] the conditions, [`template`] the
//! hash.

pub mod decide;
pub mod progress;
pub mod replicas;
pub mod revision;
pub mod rolling;
mod run;
pub mod scale;
pub mod template;

pub use run::run;

#[cfg(test)]
mod tests;
