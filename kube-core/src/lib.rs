//! The object model: what a Kubernetes object *is*. No I/O, no async, no HTTP.
//!
//! Start at [`catalog`], which names every built-in kind and where its facts and rules are, then [`rules`], the seam
//! that a kind's defaults, validation and update rules implement.

pub mod catalog;
pub mod environment;
pub mod field;
pub mod rules;
pub mod status;
