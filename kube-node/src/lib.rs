//! The node agent: pod workers, the container runtime seam, status, leases and streaming.
//!
//! Where to start: [`runtime::ContainerRuntime`] is what runs containers; [`Agent`] registers a node and runs its pods;
//! [`pod::decide`] says what is to be done for a pod, without I/O.

pub mod agent;
pub mod logs;
pub mod pod;
pub mod runtime;
pub mod server;
pub mod tls;
pub mod volumes;

pub use agent::{Agent, AgentHandle, Config};
pub use server::NodeServer;
