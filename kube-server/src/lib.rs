//! The Kubernetes API server as a [`tower::Service`] over `http`, for use in a process or behind hyper and TLS.
//!
//! Start at [`ApiServer`]. A request is identified, limited and authorized in `server`, finds its verb in `dispatch`, and
//! is served by the `registry` over the store.

pub mod admission;
mod aggregation;
pub mod authentication;
pub mod authorization;
mod body;
mod bootstrap;
mod bootstrap_roles;
mod builder;
mod codec;
mod compression;
mod discovery;
mod dispatch;
mod endpoints;
mod environment;
pub mod identity;
mod impersonation;
mod in_flight;
pub mod keys;
mod maintenance;
mod metrics;
mod negotiate;
pub mod node;
mod openapi;
mod options;
pub mod pki;
mod query;
mod registry;
mod render;
mod request;
pub mod request_info;
mod response;
mod reviews;
#[cfg(feature = "serve")]
pub mod serve;
mod server;
mod streaming;
mod token_request;
pub mod tokens;

pub use body::{Body, BoxError};
pub use builder::{Builder, Config};
pub use registry::{extractor, store_config};
pub use server::{ApiServer, InProcess};
