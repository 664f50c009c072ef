//! Keeps the ServiceAccount `default` in every namespace.
//!
//! Source: `pkg/controller/serviceaccount/serviceaccounts_controller.go`.

pub mod decide;
mod run;

pub use run::run;
