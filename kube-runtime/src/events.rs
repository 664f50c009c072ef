//! Events: what happened to an object, for people to read.

use crate::client::Client;
use crate::environment::Environment;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio_util::sync::CancellationToken;

/// Whether an event is a matter of course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// It is.
    Normal,
    /// It is not.
    Warning,
}

impl EventType {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Records events. Never blocks: when more wait than the queue holds, further ones are dropped and counted. Clones share
/// the queue.
#[derive(Clone, Debug)]
pub struct Recorder {}

impl Recorder {
    /// A recorder for a component (`kubelet`) on a host (empty if it does not matter), and the writer that sends what it
    /// records.
    pub fn new(
        client: Client,
        component: impl Into<String>,
        host: impl Into<String>,
        environment: Environment,
    ) -> (Self, EventWriter) {
        let _ = (client, component.into(), host.into(), environment);
        todo!()
    }

    /// Records that something happened to `object`. `reason` is a CamelCase word, `message` a sentence.
    pub fn event(&self, object: &ObjectReference, kind: EventType, reason: &str, message: impl Into<String>) {
        let _ = (object, kind, reason, message.into());
        todo!()
    }
}

/// Sends what a [`Recorder`] records: repeated events become one with a count, similar ones are combined, and an object
/// that has too many is held back, as by client-go's event correlator.
#[derive(Debug)]
pub struct EventWriter {}

impl EventWriter {
    /// Sends until `shutdown` or until every recorder is dropped.
    pub async fn run(self, shutdown: CancellationToken) {
        let _ = shutdown;
        todo!()
    }
}
