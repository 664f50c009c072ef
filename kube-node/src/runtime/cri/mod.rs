//! Container runtimes that speak the Container Runtime Interface v1: containerd, CRI-O.

mod convert;
mod image_messages;
mod messages;
mod rpc;
mod streaming;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::task::TaskTracker;

use super::container::{Container, ContainerConfig, ContainerState, ContainerStats, ContainerStatus};
use super::error::{Error, Result};
use super::image::{Image, RegistryAuth};
use super::sandbox::{SandboxConfig, SandboxState, SandboxStatus};
use super::stream::{ByteStream, ExecOutput, LogOptions, LogStream, Session, StreamOptions};
use super::{Change, ContainerRuntime, Filter, RuntimeStatus, Version};
use crate::logs;
use messages as m;
use rpc::{Connection, QUICK};

/// How often the runtime's lists are compared, where it tells of no events.
const POLL: Duration = Duration::from_secs(1);

/// Writes the network's configuration for a range of pods' addresses, when the node learns its range.
pub type NetworkSetup = Arc<dyn Fn(&str) -> std::io::Result<()> + Send + Sync>;

/// A runtime behind a Unix socket; see the module. Clones share the connection.
#[derive(Clone)]
pub struct Cri {
    connection: Connection,
    network: Option<NetworkSetup>,
    bridges: TaskTracker,
}

impl std::fmt::Debug for Cri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cri").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl Cri {
    /// The runtime at a socket: a path, or `unix://` and a path. Nothing is connected yet. Must be called within a tokio
    /// runtime.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        let path = PathBuf::from(endpoint.strip_prefix("unix://").unwrap_or(endpoint));
        Self { connection: Connection::new(path), network: None, bridges: TaskTracker::new() }
    }

    /// As it is, with somebody who configures the network once the node has its range of addresses.
    #[must_use]
    pub fn with_network(mut self, setup: NetworkSetup) -> Self {
        self.network = Some(setup);
        self
    }

    async fn ask<I, O>(&self, operation: &'static str, object: &str, path: &'static str, request: I) -> Result<O>
    where
        I: prost::Message + 'static,
        O: prost::Message + Default + 'static,
    {
        self.connection.call(operation, object, path, request, Some(QUICK)).await
    }
}

fn image_request(image: &str) -> m::ImageRequest {
    m::ImageRequest { image: Some(m::ImageSpec { image: image.to_owned(), ..Default::default() }) }
}

/// Absent is success.
fn idempotent(result: Result<m::Empty>) -> Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The states of everything, to see what changes: the state and the pod's uid by identifier.
type Seen = BTreeMap<String, (u8, String)>;

impl Cri {
    async fn seen(&self) -> Result<Seen> {
        let filter = Filter::default();
        let (sandboxes, containers) = futures::try_join!(self.list_sandboxes(&filter), self.list_containers(&filter))?;
        let mut seen = Seen::new();
        for sandbox in sandboxes {
            seen.insert(sandbox.id, (u8::from(sandbox.state == SandboxState::Ready), sandbox.uid));
        }
        for container in containers {
            let uid = container.labels.get(super::sandbox::POD_UID_LABEL).cloned().unwrap_or_default();
            let state = match container.state {
                ContainerState::Created => 2,
                ContainerState::Running => 3,
                ContainerState::Exited => 4,
                ContainerState::Unknown => 5,
            };
            seen.insert(container.id, (state, uid));
        }
        Ok(seen)
    }

    /// Waits until the lists differ from `before`; gives the pods concerned.
    async fn next_changes(&self, before: &mut Option<Seen>) -> Vec<Change> {
        loop {
            tokio::time::sleep(POLL).await;
            let now = match self.seen().await {
                Ok(now) => now,
                Err(error) => {
                    tracing::debug!(%error, "cannot list what runs");
                    continue;
                }
            };
            let old = before.replace(now.clone());
            let Some(old) = old else { continue };
            let mut pods: Vec<String> = now
                .iter()
                .filter(|(id, state)| old.get(*id) != Some(state))
                .chain(old.iter().filter(|(id, _)| !now.contains_key(*id)))
                .map(|(_, (_, uid))| uid.clone())
                .collect();
            pods.sort();
            pods.dedup();
            if !pods.is_empty() {
                return pods.into_iter().map(|pod_uid| Change { pod_uid }).collect();
            }
        }
    }
}

#[async_trait]
impl ContainerRuntime for Cri {
    async fn version(&self) -> Result<Version> {
        let request = m::VersionRequest { version: "v1".into() };
        let answer: m::VersionResponse = self.ask("version", "", "/runtime.v1.RuntimeService/Version", request).await?;
        Ok(Version { name: answer.runtime_name, version: answer.runtime_version })
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        let answer: m::StatusResponse =
            self.ask("status", "", "/runtime.v1.RuntimeService/Status", m::Empty {}).await?;
        let conditions = answer.status.unwrap_or_default().conditions;
        let problem = |type_: &str| match conditions.iter().find(|condition| condition.r#type == type_) {
            Some(condition) if condition.status => None,
            Some(condition) => Some(condition.message.clone()),
            None => Some(format!("the runtime does not report {type_}")),
        };
        Ok(RuntimeStatus { runtime_problem: problem("RuntimeReady"), network_problem: problem("NetworkReady") })
    }

    async fn set_pod_cidr(&self, cidr: &str) -> Result<()> {
        const OPERATION: &str = "set pod CIDR";
        if let Some(setup) = self.network.clone() {
            let range = cidr.to_owned();
            let done = tokio::task::spawn_blocking(move || setup(&range)).await;
            done.map_err(|error| Error::failed(OPERATION, error.to_string()))?.map_err(|error| {
                Error::failed(OPERATION, format!("cannot write the network's configuration: {error}"))
            })?;
        }
        let config = m::RuntimeConfig { network_config: Some(m::NetworkConfig { pod_cidr: cidr.to_owned() }) };
        let request = m::UpdateRuntimeConfigRequest { runtime_config: Some(config) };
        let _: m::Empty = self.ask(OPERATION, cidr, "/runtime.v1.RuntimeService/UpdateRuntimeConfig", request).await?;
        Ok(())
    }

    fn uses_host_files(&self) -> bool {
        true
    }

    async fn run_sandbox(&self, config: &SandboxConfig) -> Result<String> {
        let request = m::RunPodSandboxRequest {
            config: Some(convert::sandbox_config(config)),
            runtime_handler: config.runtime_handler.clone(),
        };
        tokio::fs::create_dir_all(&config.log_directory).await.map_err(|error| {
            Error::failed("run sandbox", format!("cannot make the log directory {}: {error}", config.log_directory))
        })?;
        let answer: m::Id = self
            .connection
            .call("run sandbox", &config.name, "/runtime.v1.RuntimeService/RunPodSandbox", request, Some(QUICK * 2))
            .await?;
        Ok(answer.id)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        let request = m::Id { id: id.to_owned() };
        idempotent(self.ask("stop sandbox", id, "/runtime.v1.RuntimeService/StopPodSandbox", request).await)
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let request = m::Id { id: id.to_owned() };
        idempotent(self.ask("remove sandbox", id, "/runtime.v1.RuntimeService/RemovePodSandbox", request).await)
    }

    async fn sandbox_status(&self, id: &str) -> Result<SandboxStatus> {
        const OPERATION: &str = "sandbox status";
        let request = m::Id { id: id.to_owned() };
        let answer: m::PodSandboxStatusResponse =
            self.ask(OPERATION, id, "/runtime.v1.RuntimeService/PodSandboxStatus", request).await?;
        answer.status.map(convert::sandbox_status).ok_or_else(|| Error::not_found(OPERATION, id))
    }

    async fn list_sandboxes(&self, filter: &Filter) -> Result<Vec<SandboxStatus>> {
        let filter = m::PodSandboxFilter {
            id: filter.sandbox_id.clone().unwrap_or_default(),
            label_selector: convert::hash_map(&filter.labels),
        };
        let request = m::ListPodSandboxRequest { filter: Some(filter) };
        let answer: m::ListPodSandboxResponse =
            self.ask("list sandboxes", "", "/runtime.v1.RuntimeService/ListPodSandbox", request).await?;
        let mut found: Vec<SandboxStatus> = answer.items.into_iter().map(convert::sandbox).collect();
        found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.attempt.cmp(&a.attempt)));
        Ok(found)
    }

    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ContainerConfig,
        sandbox: &SandboxConfig,
    ) -> Result<String> {
        let request = m::CreateContainerRequest {
            pod_sandbox_id: sandbox_id.to_owned(),
            config: Some(convert::container_config(config)),
            sandbox_config: Some(convert::sandbox_config(sandbox)),
        };
        if let Some((directory, _)) = config.log_path.rsplit_once('/') {
            let directory = std::path::Path::new(&sandbox.log_directory).join(directory);
            tokio::fs::create_dir_all(&directory).await.map_err(|error| {
                Error::failed(
                    "create container",
                    format!("cannot make the log directory {}: {error}", directory.display()),
                )
            })?;
        }
        let answer: m::Id =
            self.ask("create container", &config.name, "/runtime.v1.RuntimeService/CreateContainer", request).await?;
        Ok(answer.id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let request = m::Id { id: id.to_owned() };
        let _: m::Empty = self.ask("start container", id, "/runtime.v1.RuntimeService/StartContainer", request).await?;
        Ok(())
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        let timeout = i64::try_from(grace.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
        let request = m::StopContainerRequest { container_id: id.to_owned(), timeout };
        let path = "/runtime.v1.RuntimeService/StopContainer";
        idempotent(self.connection.call("stop container", id, path, request, Some(grace + QUICK)).await)
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let log = match self.container_status(id).await {
            Ok(status) => status.log_path,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let request = m::Id { id: id.to_owned() };
        idempotent(self.ask("remove container", id, "/runtime.v1.RuntimeService/RemoveContainer", request).await)?;
        logs::file::remove(std::path::Path::new(&log))
            .await
            .map_err(|error| Error::failed("remove container", format!("cannot remove the log {log}: {error}")))
    }

    async fn container_status(&self, id: &str) -> Result<ContainerStatus> {
        const OPERATION: &str = "container status";
        let request = m::Id { id: id.to_owned() };
        let answer: m::ContainerStatusResponse =
            self.ask(OPERATION, id, "/runtime.v1.RuntimeService/ContainerStatus", request).await?;
        answer.status.map(convert::container_status).ok_or_else(|| Error::not_found(OPERATION, id))
    }

    async fn list_containers(&self, filter: &Filter) -> Result<Vec<Container>> {
        let filter = m::ContainerFilter {
            id: String::new(),
            pod_sandbox_id: filter.sandbox_id.clone().unwrap_or_default(),
            label_selector: convert::hash_map(&filter.labels),
        };
        let request = m::ListContainersRequest { filter: Some(filter) };
        let answer: m::ListContainersResponse =
            self.ask("list containers", "", "/runtime.v1.RuntimeService/ListContainers", request).await?;
        let mut found: Vec<Container> = answer.containers.into_iter().map(convert::container).collect();
        found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.attempt.cmp(&a.attempt)));
        Ok(found)
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        stream::unfold((self.clone(), None), |(runtime, mut before)| async move {
            let changes = runtime.next_changes(&mut before).await;
            Some((stream::iter(changes), (runtime, before)))
        })
        .flatten()
        .boxed()
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        let answer: m::ListImagesResponse =
            self.ask("list images", "", "/runtime.v1.ImageService/ListImages", m::Empty {}).await?;
        Ok(answer.images.into_iter().map(convert::image).collect())
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        let path = "/runtime.v1.ImageService/ImageStatus";
        let answer: m::ImageStatusResponse = self.ask("image status", image, path, image_request(image)).await?;
        Ok(answer.image.map(convert::image))
    }

    async fn pull_image(&self, image: &str, auth: Option<&RegistryAuth>, sandbox: &SandboxConfig) -> Result<String> {
        let request = m::PullImageRequest {
            image: image_request(image).image,
            auth: auth.map(convert::auth),
            sandbox_config: Some(convert::sandbox_config(sandbox)),
        };
        // As long as it takes: the runtime gives up when nothing arrives any more.
        let path = "/runtime.v1.ImageService/PullImage";
        let answer: m::Id = self.connection.call("pull image", image, path, request, None).await?;
        Ok(answer.id)
    }

    async fn remove_image(&self, image: &str) -> Result<()> {
        let path = "/runtime.v1.ImageService/RemoveImage";
        idempotent(self.ask("remove image", image, path, image_request(image)).await)
    }

    async fn exec_sync(&self, id: &str, command: &[String], timeout: Option<Duration>) -> Result<ExecOutput> {
        const OPERATION: &str = "exec";
        let seconds = timeout.map_or(0, |timeout| timeout.as_millis().div_ceil(1_000).max(1));
        let request = m::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            timeout: i64::try_from(seconds).unwrap_or(i64::MAX),
        };
        // The runtime kills the command at its end; a little later the wait for it ends too.
        let patience = timeout.map(|timeout| timeout + Duration::from_secs(5));
        let path = "/runtime.v1.RuntimeService/ExecSync";
        let answer: m::ExecSyncResponse = match self.connection.call(OPERATION, id, path, request, patience).await {
            Err(Error::Timeout { .. }) => {
                return Err(Error::Timeout { operation: OPERATION, after: timeout.unwrap_or_default() });
            }
            other => other?,
        };
        Ok(ExecOutput { stdout: answer.stdout.into(), stderr: answer.stderr.into(), exit_code: answer.exit_code })
    }

    async fn exec(&self, id: &str, command: &[String], options: StreamOptions) -> Result<Session> {
        let request = m::ExecRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            tty: options.tty,
            stdin: options.stdin,
            stdout: options.stdout,
            stderr: options.stderr && !options.tty,
        };
        let answer: m::Url = self.ask("exec", id, "/runtime.v1.RuntimeService/Exec", request).await?;
        streaming::session("exec", &answer.url, &self.bridges).await
    }

    async fn attach(&self, id: &str, options: StreamOptions) -> Result<Session> {
        let request = m::AttachRequest {
            container_id: id.to_owned(),
            stdin: options.stdin,
            tty: options.tty,
            stdout: options.stdout,
            stderr: options.stderr && !options.tty,
        };
        let answer: m::Url = self.ask("attach", id, "/runtime.v1.RuntimeService/Attach", request).await?;
        streaming::session("attach", &answer.url, &self.bridges).await
    }

    async fn port_forward(&self, sandbox_id: &str, port: u16) -> Result<Box<dyn ByteStream>> {
        let request = m::PortForwardRequest { pod_sandbox_id: sandbox_id.to_owned(), port: vec![i32::from(port)] };
        let path = "/runtime.v1.RuntimeService/PortForward";
        let answer: m::Url = self.ask("port forward", sandbox_id, path, request).await?;
        streaming::port("port forward", &answer.url, &self.bridges).await
    }

    async fn logs(&self, id: &str, options: &LogOptions) -> Result<LogStream> {
        let status = self.container_status(id).await?;
        let runtime = self.clone();
        let id = id.to_owned();
        let alive = move || {
            let (runtime, id) = (runtime.clone(), id.clone());
            Box::pin(async move {
                let status = runtime.container_status(&id).await;
                status.is_ok_and(|status| matches!(status.state, ContainerState::Running | ContainerState::Created))
            }) as futures::future::BoxFuture<'static, bool>
        };
        logs::file::read(PathBuf::from(status.log_path), options, Box::new(alive))
            .await
            .map_err(|error| Error::failed("logs", error.to_string()))
    }

    async fn reopen_log(&self, id: &str) -> Result<()> {
        let request = m::Id { id: id.to_owned() };
        let path = "/runtime.v1.RuntimeService/ReopenContainerLog";
        let _: m::Empty = self.ask("reopen log", id, path, request).await?;
        Ok(())
    }

    async fn container_stats(&self, filter: &Filter) -> Result<Vec<ContainerStats>> {
        let filter = m::ContainerStatsFilter {
            id: String::new(),
            pod_sandbox_id: filter.sandbox_id.clone().unwrap_or_default(),
            label_selector: convert::hash_map(&filter.labels),
        };
        let request = m::ListContainerStatsRequest { filter: Some(filter) };
        let answer: m::ListContainerStatsResponse =
            self.ask("container stats", "", "/runtime.v1.RuntimeService/ListContainerStats", request).await?;
        Ok(answer.stats.into_iter().map(convert::stats).collect())
    }
}

#[cfg(test)]
mod tests;
