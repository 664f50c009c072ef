//! The seam to whatever runs containers, and its implementations.
//!
//! [`ContainerRuntime`] is the contract. [`cri`] drives containerd or CRI-O over gRPC; [`simulated`] keeps everything in
//! memory. Whoever writes a third runs the suite in `conformance` (a feature) on it.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod container;
#[cfg(all(feature = "cri", unix))]
pub mod cri;
pub mod error;
pub mod image;
pub mod sandbox;
pub mod simulated;
pub mod stream;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use container::{Container, ContainerConfig, ContainerState, ContainerStats, ContainerStatus};
pub use error::{Error, Result};
pub use image::{Image, RegistryAuth};
pub use sandbox::{SandboxConfig, SandboxState, SandboxStatus};
pub use stream::{ByteStream, ExecOutput, LogEntry, LogOptions, LogStream, Session, StreamOptions};

/// Who the runtime is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// As in the prefix of container identifiers: `containerd`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Whether the runtime can work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// Why containers cannot run; none when they can.
    pub runtime_problem: Option<String>,
    /// Why pods cannot have addresses; none when they can.
    pub network_problem: Option<String>,
}

/// Which sandboxes or containers are wanted; everything given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The sandbox's identifier.
    pub sandbox_id: Option<String>,
    /// Labels with these values.
    pub labels: BTreeMap<String, String>,
}

impl Filter {
    /// Everything of one pod.
    #[must_use]
    pub fn pod(uid: &str) -> Self {
        Self { sandbox_id: None, labels: BTreeMap::from([(sandbox::POD_UID_LABEL.into(), uid.into())]) }
    }
}

/// Something has happened to a pod's containers; whoever is interested looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The pod's uid.
    pub pod_uid: String,
}

/// A request over the pod's network that a probe or a hook makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkCall {
    /// An HTTP GET.
    Http {
        /// Whether over TLS.
        tls: bool,
        /// Host to connect to.
        host: String,
        /// Port to connect to.
        port: u16,
        /// Path and query.
        path: String,
        /// Headers.
        headers: Vec<(String, String)>,
    },
    /// Opening a TCP connection.
    Tcp {
        /// Host to connect to.
        host: String,
        /// Port to connect to.
        port: u16,
    },
    /// A check of gRPC's health service.
    Grpc {
        /// Host to connect to.
        host: String,
        /// Port to connect to.
        port: u16,
        /// The service that is asked about; empty is the server.
        service: String,
    },
}

/// Which probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Has it started?
    Startup,
    /// Is it alive?
    Liveness,
    /// Can it serve?
    Readiness,
}

/// Runs sandboxes and containers.
///
/// # Contract
/// - Identifiers are opaque, never reused, and survive a restart of the agent; what was started keeps running without it.
/// - Calls may run at the same time; calls on one object take effect one after the other.
/// - `stop_*` and `remove_*` are idempotent: absent is success. Everything else answers an absent object with
///   [`Error::NotFound`].
/// - Labels and annotations come back unchanged.
/// - Dropping a call's future abandons waiting for it. The work may or may not have been done: whoever cares looks.
/// - Implementations never panic on what a pod's author writes.
#[async_trait]
pub trait ContainerRuntime: Send + Sync + std::fmt::Debug {
    /// Name and version.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn version(&self) -> Result<Version>;

    /// Whether containers can run and pods can have addresses.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn status(&self) -> Result<RuntimeStatus>;

    /// Tells the runtime which addresses pods get. A runtime whose network is configured elsewhere ignores it.
    ///
    /// # Errors
    /// When the runtime cannot use the range (CIDR notation).
    async fn set_pod_cidr(&self, cidr: &str) -> Result<()>;

    /// Whether containers see files of this node, so that volumes must exist on its disk.
    fn uses_host_files(&self) -> bool;

    /// Makes and starts a sandbox and gives its identifier; it is ready on success.
    ///
    /// # Errors
    /// When it cannot be made: nothing is left behind then, or it is listed as not ready.
    async fn run_sandbox(&self, config: &SandboxConfig) -> Result<String>;

    /// Stops a sandbox, kills what runs in it and gives its addresses back. Idempotent.
    ///
    /// # Errors
    /// When something could not be stopped or given back; to be repeated.
    async fn stop_sandbox(&self, id: &str) -> Result<()>;

    /// Removes a sandbox with its containers. Idempotent.
    ///
    /// # Errors
    /// When something is left; to be repeated.
    async fn remove_sandbox(&self, id: &str) -> Result<()>;

    /// A sandbox, with its addresses.
    ///
    /// # Errors
    /// When there is none of that identifier.
    async fn sandbox_status(&self, id: &str) -> Result<SandboxStatus>;

    /// Sandboxes, newest first, without addresses.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn list_sandboxes(&self, filter: &Filter) -> Result<Vec<SandboxStatus>>;

    /// Makes a container in a ready sandbox and gives its identifier; it is in the state created.
    ///
    /// # Errors
    /// When the sandbox or the image is absent, or the runtime refuses the configuration.
    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ContainerConfig,
        sandbox: &SandboxConfig,
    ) -> Result<String>;

    /// Starts a created container.
    ///
    /// # Errors
    /// When its command cannot be executed; the container is exited then.
    async fn start_container(&self, id: &str) -> Result<()>;

    /// Asks the container to end and kills it after `grace`; returns when it has ended. Idempotent.
    ///
    /// # Errors
    /// When it could not be killed.
    ///
    /// # Cancel safety
    /// A dropped call has asked the container to end; a second call with a shorter grace overtakes it.
    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()>;

    /// Removes a container and its log, killing it where it runs. Idempotent.
    ///
    /// # Errors
    /// When something is left; to be repeated.
    async fn remove_container(&self, id: &str) -> Result<()>;

    /// Everything about a container.
    ///
    /// # Errors
    /// When there is none of that identifier.
    async fn container_status(&self, id: &str) -> Result<ContainerStatus>;

    /// Containers, newest first.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn list_containers(&self, filter: &Filter) -> Result<Vec<Container>>;

    /// A stream of pods to look at again. It never ends and never reports an error: a runtime without events polls.
    fn changes(&self) -> BoxStream<'static, Change>;

    /// The images on the node.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn list_images(&self) -> Result<Vec<Image>>;

    /// An image by any of its names; none when it is absent.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn image_status(&self, image: &str) -> Result<Option<Image>>;

    /// Fetches an image and gives its identifier.
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached, in the runtime's words.
    async fn pull_image(&self, image: &str, auth: Option<&RegistryAuth>, sandbox: &SandboxConfig) -> Result<String>;

    /// Removes an image. Idempotent.
    ///
    /// # Errors
    /// When something is left.
    async fn remove_image(&self, image: &str) -> Result<()>;

    /// Runs a command in a running container and waits for it.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it takes longer than `timeout`; a refusal when it cannot be started.
    async fn exec_sync(&self, id: &str, command: &[String], timeout: Option<Duration>) -> Result<ExecOutput>;

    /// Runs a command in a running container and talks with it.
    ///
    /// # Errors
    /// When the container does not run.
    async fn exec(&self, id: &str, command: &[String], options: StreamOptions) -> Result<Session>;

    /// Talks with a container's first process.
    ///
    /// # Errors
    /// When the container does not run.
    async fn attach(&self, id: &str, options: StreamOptions) -> Result<Session>;

    /// Connects to a port of the sandbox's loopback.
    ///
    /// # Errors
    /// When the sandbox is not ready. That nobody listens shows as an error or as the end of the stream.
    async fn port_forward(&self, sandbox_id: &str, port: u16) -> Result<Box<dyn ByteStream>>;

    /// A container's log, oldest first.
    ///
    /// # Errors
    /// When the container is absent or its log cannot be read.
    async fn logs(&self, id: &str, options: &LogOptions) -> Result<LogStream>;

    /// Opens a container's log file anew, after it was renamed. A runtime without log files does nothing (the default).
    ///
    /// # Errors
    /// When the container does not run, or the runtime cannot open the file: it writes into the renamed one then.
    async fn reopen_log(&self, _id: &str) -> Result<()> {
        Ok(())
    }

    /// What containers use.
    ///
    /// # Errors
    /// When the runtime cannot be reached.
    async fn container_stats(&self, filter: &Filter) -> Result<Vec<ContainerStats>>;

    /// Answers a network call to a container in the runtime's stead: `Ok` is what an endpoint that works would say, `Err`
    /// the words of the failure. None (the default) says that the agent is to use the real network.
    async fn network_call(
        &self,
        _id: &str,
        _call: &NetworkCall,
        _probe: Option<ProbeKind>,
    ) -> Option<Result<String, String>> {
        None
    }
}
