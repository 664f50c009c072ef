//! Watches over nodes: notices that one has fallen silent, says so in its status and its taints, and evicts its pods.
//!
//! Source: `pkg/controller/nodelifecycle` and `pkg/controller/tainteviction`. [`health`] decides whether a node is
//! silent, [`taints`] which taints it has, [`zones`] how fast nodes are given up, [`decide`] puts them together, and
//! [`eviction`] decides which pods must leave a tainted node, and when.

pub mod decide;
pub mod eviction;
pub mod health;
mod run;
pub mod taints;
pub mod zones;

pub use decide::Config;
pub use run::{run, run_taint_eviction};

#[cfg(test)]
mod tests;
