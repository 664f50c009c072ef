//! Gives every node its range of pod addresses: `spec.podCIDR` and `spec.podCIDRs`.
//!
//! Source: `pkg/controller/nodeipam/ipam/range_allocator.go`. What is free is decided by [`kubekit_core::alloc::cidr`].

pub mod decide;
mod run;

pub use decide::{Config, Ranges};
pub use run::run;

#[cfg(test)]
mod tests;
