//! Empties namespaces that are being deleted, then lets them go.
//!
//! Source: `pkg/controller/namespace`. [`decide`] holds the order and the conditions.

pub mod decide;
mod run;

pub use run::run;

#[cfg(test)]
mod tests;
