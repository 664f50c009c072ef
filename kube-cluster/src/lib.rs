//! A whole Kubernetes cluster in one process, assembled from the crates of kubekit: for tests, for simulation, and for the
//! reference cluster.
//!
//! In a test, three lines are a control plane (API server, controllers, scheduler) with objects that behave:
//!
//! ```
//! # use k8s_openapi::api::core::v1::ConfigMap;
//! # use kubekit_runtime::Api;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = kubekit_cluster::Cluster::in_memory().await?;
//! let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "default");
//! # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
//! maps.create(&object).await?;
//! # cluster.stop().await?;
//! # Ok(()) }
//! ```
//!
//! [`Cluster::builder`] makes others: with nodes, on disk, with a listener for `kubectl`. Every component talks to the API
//! server through its service, under an identity of its own that RBAC limits; none touches the store.

pub mod accounts;
mod address;
mod builder;
mod cluster;
#[cfg(unix)]
pub mod cri;
mod encryption;
mod error;
mod gate;
pub mod identity;
pub mod kubeconfig;
mod nodes;
mod storage;
mod summary;
mod supervisor;

pub use builder::Builder;
pub use cluster::Cluster;
pub use encryption::EncryptionAtRest;
pub use error::{Error, Result};
pub use storage::Storage;
pub use summary::{Summary, Watching};

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
