//! Writes the `Endpoints` of Services with a selector, for clients that do not read EndpointSlices yet.
//!
//! Source: `pkg/controller/endpoint`. Start at [`decide::decide`].

pub mod decide;
mod run;

pub use run::run;

#[cfg(test)]
mod tests;
