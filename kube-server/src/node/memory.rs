//! Node agents in the same process.

use super::{NodeConnector, NodeStream};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// Bytes in flight in each direction of a connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Connections that an agent has not taken up yet.
const PENDING_MAX: usize = 128;

/// Reaches agents that have registered here, by the name of their node.
#[derive(Debug, Default)]
pub struct InMemory {
    agents: Mutex<HashMap<String, mpsc::Sender<DuplexStream>>>,
}

impl InMemory {
    /// Takes up the connections to `node`'s agent. A later registration of the same node replaces this one; dropping the
    /// receiver ends it.
    pub fn register(&self, node: impl Into<String>) -> mpsc::Receiver<DuplexStream> {
        let (sender, receiver) = mpsc::channel(PENDING_MAX);
        self.agents.lock().insert(node.into(), sender);
        receiver
    }
}

#[async_trait]
impl NodeConnector for InMemory {
    async fn connect(&self, node: &str, _address: &str, _port: u16) -> io::Result<Box<dyn NodeStream>> {
        let refused =
            || io::Error::new(io::ErrorKind::ConnectionRefused, format!("the agent of node {node:?} is not running"));
        let agent = self.agents.lock().get(node).cloned().ok_or_else(refused)?;
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        agent.send(theirs).await.map_err(|_| refused())?;
        Ok(Box::new(ours))
    }
}
