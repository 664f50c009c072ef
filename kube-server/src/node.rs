//! How the server reaches the agent of a node, for logs, exec, attach and port-forward.

mod memory;
#[cfg(feature = "serve")]
mod tls;

pub use memory::InMemory;
#[cfg(feature = "serve")]
pub use tls::OverTls;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a node agent's HTTP server.
pub trait NodeStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> NodeStream for T {}

/// Opens connections to node agents: over mutually authenticated TLS, or in memory to an agent in the same process.
#[async_trait]
pub trait NodeConnector: Send + Sync + std::fmt::Debug {
    /// A connection to the agent of `node`, on which the caller speaks HTTP/1.1. `address` and `port` are those of the
    /// Node's status (`status.addresses`, `status.daemonEndpoints.kubeletEndpoint.Port`).
    ///
    /// # Errors
    /// When the agent cannot be reached or is not who it should be.
    async fn connect(&self, node: &str, address: &str, port: u16) -> std::io::Result<Box<dyn NodeStream>>;
}
