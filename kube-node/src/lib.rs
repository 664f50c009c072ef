//! The node agent: pod workers, the container runtime seam, status, leases and streaming.
//!
//! Where to start: [`runtime::ContainerRuntime`] is what runs containers.

pub mod runtime;
