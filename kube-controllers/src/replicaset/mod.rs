//! Keeps the wanted number of pods for every ReplicaSet and ReplicationController.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/replicaset`. Start at [`decide::manage`]; [`rank`] says which pods go
//! first, [`status`] what is reported, [`kind`] how a ReplicationController is read as a ReplicaSet.

pub mod decide;
pub mod kind;
pub mod rank;
mod run;
pub mod status;

pub use run::run;

#[cfg(test)]
mod tests;
