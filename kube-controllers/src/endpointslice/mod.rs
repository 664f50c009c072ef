//! Writes the EndpointSlices of Services with a selector.
//!
//! Source: `k8s.io/endpointslice` and `pkg/controller/endpointslice`. Start at [`decide::decide`]; [`pack`] says which
//! endpoint goes into which slice, with as few writes as can be.

pub mod decide;
pub mod hints;
pub mod pack;
mod run;
pub mod tracker;

pub use run::run;

#[cfg(test)]
mod tests;
