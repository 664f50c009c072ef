//! What every controller works with.

use jiff::Timestamp;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::events::EventWriter;
use kubekit_runtime::{Client, Informers, Recorder};

/// What a controller works with: its own client to write, the shared informers to read, a recorder of events, and the
/// clock. Clones share all of it.
#[derive(Clone, Debug)]
pub struct Context {
    /// Sends the controller's requests, under its own identity.
    pub client: Client,
    /// The caches that all controllers of a process share. They may read under another identity.
    pub informers: Informers,
    /// Records events in the controller's name.
    pub recorder: Recorder,
    /// The wall clock and randomness.
    pub environment: Environment,
}

impl Context {
    /// A context for the controller of this name, and the writer of its events, which the caller runs.
    pub fn new(client: Client, informers: Informers, name: &str, environment: Environment) -> (Self, EventWriter) {
        let (recorder, writer) = Recorder::new(client.clone(), name, "", environment.clone());
        (Self { client, informers, recorder, environment }, writer)
    }

    /// The wall time.
    pub fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }
}
