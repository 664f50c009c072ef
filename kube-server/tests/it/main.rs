//! Integration tests of this crate, one binary: requests go through the service, as any client's do.
#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there fails, as it should")]

mod addresses;
mod admission;
mod bad_input;
mod certificates;
mod deletions;
mod discovery;
mod evictions;
mod harness;
mod in_flight;
mod interposed;
mod kube_rs;
mod limit_ranges;
mod lists;
mod maintenance;
mod manifests;
mod metrics;
mod negotiation;
mod options;
mod patches;
mod services;
mod subresources;
mod verbs;
mod watches;
