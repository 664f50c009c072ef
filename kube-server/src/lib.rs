//! The Kubernetes API server as a [`tower::Service`] over `http`, for use in a process or behind hyper and TLS.

pub mod authentication;
pub mod authorization;
mod body;
pub mod identity;
pub mod keys;
pub mod node;
mod query;
pub mod request_info;

pub use body::{Body, BoxError};
