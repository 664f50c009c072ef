//! A simulated runtime whose containers see files of the node, as far as the agent can tell: it has to bring them there.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use kubekit_node::runtime::simulated::Simulated;
use kubekit_node::runtime::{
    ByteStream, Change, Container, ContainerConfig, ContainerRuntime, ContainerStats, ContainerStatus, ExecOutput,
    Filter, Image, LogOptions, LogStream, NetworkCall, ProbeKind, RegistryAuth, Result, RuntimeStatus, SandboxConfig,
    SandboxStatus, Session, StreamOptions, Version,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct OnDisk(pub(crate) Simulated);

#[async_trait]
impl ContainerRuntime for OnDisk {
    fn uses_host_files(&self) -> bool {
        true
    }

    async fn version(&self) -> Result<Version> {
        self.0.version().await
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        self.0.status().await
    }

    async fn set_pod_cidr(&self, cidr: &str) -> Result<()> {
        self.0.set_pod_cidr(cidr).await
    }

    async fn run_sandbox(&self, config: &SandboxConfig) -> Result<String> {
        self.0.run_sandbox(config).await
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        self.0.stop_sandbox(id).await
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        self.0.remove_sandbox(id).await
    }

    async fn sandbox_status(&self, id: &str) -> Result<SandboxStatus> {
        self.0.sandbox_status(id).await
    }

    async fn list_sandboxes(&self, filter: &Filter) -> Result<Vec<SandboxStatus>> {
        self.0.list_sandboxes(filter).await
    }

    async fn create_container(&self, id: &str, config: &ContainerConfig, sandbox: &SandboxConfig) -> Result<String> {
        self.0.create_container(id, config, sandbox).await
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        self.0.start_container(id).await
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        self.0.stop_container(id, grace).await
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.0.remove_container(id).await
    }

    async fn container_status(&self, id: &str) -> Result<ContainerStatus> {
        self.0.container_status(id).await
    }

    async fn list_containers(&self, filter: &Filter) -> Result<Vec<Container>> {
        self.0.list_containers(filter).await
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        self.0.changes()
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        self.0.list_images().await
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        self.0.image_status(image).await
    }

    async fn pull_image(&self, image: &str, auth: Option<&RegistryAuth>, sandbox: &SandboxConfig) -> Result<String> {
        self.0.pull_image(image, auth, sandbox).await
    }

    async fn remove_image(&self, image: &str) -> Result<()> {
        self.0.remove_image(image).await
    }

    async fn exec_sync(&self, id: &str, command: &[String], timeout: Option<Duration>) -> Result<ExecOutput> {
        self.0.exec_sync(id, command, timeout).await
    }

    async fn exec(&self, id: &str, command: &[String], options: StreamOptions) -> Result<Session> {
        self.0.exec(id, command, options).await
    }

    async fn attach(&self, id: &str, options: StreamOptions) -> Result<Session> {
        self.0.attach(id, options).await
    }

    async fn port_forward(&self, sandbox_id: &str, port: u16) -> Result<Box<dyn ByteStream>> {
        self.0.port_forward(sandbox_id, port).await
    }

    async fn logs(&self, id: &str, options: &LogOptions) -> Result<LogStream> {
        self.0.logs(id, options).await
    }

    async fn container_stats(&self, filter: &Filter) -> Result<Vec<ContainerStats>> {
        self.0.container_stats(filter).await
    }

    async fn network_call(
        &self,
        id: &str,
        call: &NetworkCall,
        probe: Option<ProbeKind>,
    ) -> Option<Result<String, String>> {
        self.0.network_call(id, call, probe).await
    }
}
