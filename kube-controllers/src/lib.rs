//! The built-in Kubernetes controllers, one module each.
//!
//! Every controller is a folder of one shape: `decide.rs` holds its rules as synchronous functions over observed
//! objects, without I/O, clock or randomness; `run.rs` watches, calls them, and carries their effects out through the
//! API with preconditions. Names, reasons, events and back-offs are those of `kube-controller-manager` 1.36.
//!
//! [`run_all`] runs them all; each can also be run by itself with a [`Context`]:
//!
//! ```no_run
//! use kubekit_controllers::{Context, deployment};
//! use kubekit_runtime::environment::Environment;
//! use kubekit_runtime::{Client, Informers};
//! use tokio_util::sync::CancellationToken;
//!
//! async fn run(client: Client, shutdown: CancellationToken) {
//!     let informers = Informers::new(client.clone());
//!     let (context, events) =
//!         Context::new(client, informers.clone(), "deployment-controller", Environment::system());
//!     tokio::join!(
//!         informers.run(shutdown.clone()),
//!         events.run(shutdown.clone()),
//!         deployment::run(context, shutdown)
//!     );
//! }
//! ```

pub mod backends;
mod batch;
mod claims;
mod context;
pub mod deployment;
pub mod discovery;
pub mod endpoints;
pub mod endpointslice;
pub mod garbage;
mod manager;
pub mod namespace;
pub mod nodeipam;
pub mod nodelifecycle;
pub mod owners;
pub mod podgc;
pub mod pods;
pub mod replicaset;
pub mod rootca;
pub mod selectors;
pub mod serviceaccount;

pub use claims::{Claimed, claim};
pub use context::Context;
pub use manager::{Clients, Config, Error, SHARED_INFORMERS, one_client, run_all};

#[cfg(test)]
mod objects;
