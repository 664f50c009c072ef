//! A container runtime in memory, for tests, simulations and thousands of nodes in one process.
//!
//! Nothing runs for a container: its state is computed from its [`script`] and the time that `tokio::time` tells, so a
//! paused clock rules it. How containers behave is said by their commands and by annotations; see [`behaviour`].

pub mod behaviour;
mod process;
pub mod script;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kubekit_core::environment::WallClock;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::container::{Container, ContainerConfig, ContainerState, ContainerStats, ContainerStatus};
use super::error::{Error, Result};
use super::image::{Image, RegistryAuth};
use super::sandbox::{SandboxConfig, SandboxStatus};
use super::stream::{ByteStream, ExecOutput, Input, LogEntry, LogOptions, LogStream, Output, Session, StreamOptions};
use super::{Change, ContainerRuntime, Filter, NetworkCall, ProbeKind, RuntimeStatus, Version};
use behaviour::Behaviour;
use process::Process;
use state::{Now, State};

/// How a simulated runtime behaves where annotations do not say otherwise.
#[derive(Clone, Debug)]
pub struct Config {
    /// Makes identifiers differ between nodes; the node's name will do.
    pub node_name: String,
    /// How long starting a container takes.
    pub start_time: Duration,
    /// How long a container takes to end when asked.
    pub stop_time: Duration,
    /// How long fetching an image takes the first time.
    pub pull_time: Duration,
    /// How long a container of a Job runs whose command is not understood.
    pub job_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            start_time: Duration::ZERO,
            stop_time: Duration::ZERO,
            pull_time: Duration::ZERO,
            job_time: Duration::from_secs(1),
        }
    }
}

/// The simulated runtime; see the module.
#[derive(Clone, Debug)]
pub struct Simulated(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    seed: u64,
    clock: Arc<dyn WallClock>,
    state: Mutex<State>,
    changed: Notify,
    processes: TaskTracker,
    hangs: AtomicBool,
}

impl Simulated {
    /// An empty node.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn WallClock>) -> Self {
        // FNV-1a: identifiers depend on the node's name alone, so a run can be repeated.
        let seed = config
            .node_name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(Arc::new(Inner {
            config,
            seed,
            clock,
            state: Mutex::default(),
            changed: Notify::new(),
            processes: TaskTracker::new(),
            hangs: AtomicBool::new(false),
        }))
    }

    /// Hangs, or goes on: what is asked about the node (its status, images and addresses) while it hangs is never answered.
    pub fn set_hanging(&self, hangs: bool) {
        self.0.hangs.store(hangs, Ordering::SeqCst);
    }

    async fn answer(&self) {
        if self.0.hangs.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }

    /// Ends a running container at once, as a crash would.
    pub fn crash(&self, id: &str, exit_code: i32) {
        let now = self.now();
        self.0.state.lock().end(id, now.instant, exit_code, "Error");
        self.0.changed.notify_waiters();
    }

    /// Loses a sandbox and what runs in it, as a reboot of a virtual machine would.
    pub fn crash_sandbox(&self, id: &str) {
        let now = self.now();
        self.0.state.lock().stop_sandbox(id, now);
        self.0.changed.notify_waiters();
    }

    fn now(&self) -> Now {
        Now { instant: Instant::now(), wall: self.0.clock.now() }
    }

    /// The running container `id`: its environment and its sandbox.
    fn running(&self, operation: &'static str, id: &str) -> Result<(Arc<ContainerConfig>, Arc<SandboxConfig>)> {
        let state = self.0.state.lock();
        let entry = state.containers.get(id).ok_or_else(|| Error::not_found(operation, id))?;
        if entry.state(Instant::now()) != ContainerState::Running {
            return Err(Error::failed(operation, format!("container {id} is not in running state")));
        }
        Ok((Arc::clone(&entry.config), Arc::clone(&entry.sandbox)))
    }

    /// Starts a conversation with a process.
    fn talk(&self, process: Process) -> Session {
        let (input, mut stdin) = mpsc::channel(process::QUEUE);
        let (stdout, output) = mpsc::channel(process::QUEUE);
        self.0.processes.spawn(async move {
            let code = process.run(&mut stdin, &stdout).await;
            let _ = stdout.send(Output::Exit(Ok(code))).await;
        });
        Session { input, output }
    }
}

fn environment(config: &ContainerConfig, sandbox: &SandboxConfig) -> Vec<(String, String)> {
    let mut env = vec![("HOSTNAME".to_owned(), sandbox.hostname.clone())];
    env.extend(config.env.iter().cloned());
    env
}

#[async_trait]
impl ContainerRuntime for Simulated {
    async fn version(&self) -> Result<Version> {
        Ok(Version { name: "simulated".into(), version: env!("CARGO_PKG_VERSION").into() })
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        self.answer().await;
        let network = self.0.state.lock().has_network();
        let problem = "Network plugin returns error: the node has no pod CIDR yet";
        Ok(RuntimeStatus { runtime_problem: None, network_problem: (!network).then(|| problem.to_owned()) })
    }

    async fn set_pod_cidr(&self, cidr: &str) -> Result<()> {
        self.answer().await;
        let cidr = cidr
            .parse()
            .map_err(|error| Error::failed("set pod CIDR", format!("{cidr:?} is not an address range: {error}")))?;
        self.0.state.lock().set_pod_cidr(cidr);
        Ok(())
    }

    fn uses_host_files(&self) -> bool {
        false
    }

    async fn run_sandbox(&self, config: &SandboxConfig) -> Result<String> {
        let now = self.now();
        self.0.state.lock().run_sandbox(config, self.0.seed, now)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        let now = self.now();
        self.0.state.lock().stop_sandbox(id, now);
        Ok(())
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let now = self.now();
        self.0.state.lock().remove_sandbox(id, now);
        Ok(())
    }

    async fn sandbox_status(&self, id: &str) -> Result<SandboxStatus> {
        self.0.state.lock().sandbox_status(id).ok_or_else(|| Error::not_found("sandbox status", id))
    }

    async fn list_sandboxes(&self, filter: &Filter) -> Result<Vec<SandboxStatus>> {
        Ok(self.0.state.lock().list_sandboxes(filter))
    }

    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ContainerConfig,
        sandbox: &SandboxConfig,
    ) -> Result<String> {
        let mut shown = config.clone();
        shown.env = environment(config, sandbox);
        let behaviour = Behaviour::of(&shown, sandbox, &self.0.config);
        let now = self.now();
        self.0.state.lock().create_container(sandbox_id, config, behaviour, self.0.seed, now)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let delay = {
            let state = self.0.state.lock();
            state.containers.get(id).ok_or_else(|| Error::not_found("start container", id))?.behaviour.start_time
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let now = self.now();
        let started = self.0.state.lock().start_container(id, now);
        self.0.changed.notify_waiters();
        started
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        loop {
            let now = self.now();
            let Some(end) = self.0.state.lock().stop_container(id, grace, now) else { return Ok(()) };
            self.0.changed.notify_waiters();
            if end <= now.instant {
                return Ok(());
            }
            let changed = self.0.changed.notified();
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(end) => return Ok(()),
            }
        }
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.0.state.lock().remove_container(id);
        Ok(())
    }

    async fn container_status(&self, id: &str) -> Result<ContainerStatus> {
        let now = self.now();
        self.0.state.lock().container_status(id, now).ok_or_else(|| Error::not_found("container status", id))
    }

    async fn list_containers(&self, filter: &Filter) -> Result<Vec<Container>> {
        let now = self.now();
        Ok(self.0.state.lock().list_containers(filter, now))
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        let runtime = self.clone();
        stream::unfold((runtime, None), |(runtime, mut last)| async move {
            let pod_uid = runtime.next_end(&mut last).await;
            Some((Change { pod_uid }, (runtime, last)))
        })
        .boxed()
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        self.answer().await;
        Ok(self.0.state.lock().images.values().cloned().collect())
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        Ok(self.0.state.lock().image(image).cloned())
    }

    async fn pull_image(&self, image: &str, _auth: Option<&RegistryAuth>, sandbox: &SandboxConfig) -> Result<String> {
        if let Some(failure) = sandbox.annotations.get(&format!("{}pull", behaviour::PREFIX)) {
            return Err(Error::failed("pull image", failure.clone()));
        }
        if !self.0.config.pull_time.is_zero() && self.image_status(image).await?.is_none() {
            tokio::time::sleep(self.0.config.pull_time).await;
        }
        let digest = image.bytes().fold(0xcbf2_9ce4_8422_2325_u128, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        let repository = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(image, |(name, _)| name);
        let id = format!("{repository}@sha256:{digest:064x}");
        let entry = Image {
            id: id.clone(),
            repo_tags: vec![image.to_owned()],
            repo_digests: vec![id.clone()],
            size_bytes: 1_048_576,
            // Nobody in particular, so that pods run which must not be root's.
            uid: Some(65_534),
            ..Image::default()
        };
        self.0.state.lock().images.insert(image.to_owned(), entry);
        Ok(id)
    }

    async fn remove_image(&self, image: &str) -> Result<()> {
        self.0.state.lock().images.retain(|name, entry| name != image && entry.id != image);
        Ok(())
    }

    async fn exec_sync(&self, id: &str, command: &[String], timeout: Option<Duration>) -> Result<ExecOutput> {
        const OPERATION: &str = "exec";
        let mut session =
            self.exec(id, command, StreamOptions { stdout: true, stderr: true, ..Default::default() }).await?;
        let (mut stdout, mut stderr) = (BytesMut::new(), BytesMut::new());
        let _ = session.input.send(Input::StdinClosed).await;
        let read = async {
            while let Some(message) = session.output.recv().await {
                match message {
                    Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                    Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                    Output::Exit(code) => return code,
                }
            }
            Err(Error::failed(OPERATION, "the process has vanished"))
        };
        let exit_code = match timeout {
            None => read.await?,
            Some(after) => tokio::time::timeout(after, read)
                .await
                .map_err(|_| Error::Timeout { operation: OPERATION, after })??,
        };
        Ok(ExecOutput { stdout: stdout.freeze(), stderr: stderr.freeze(), exit_code })
    }

    async fn exec(&self, id: &str, command: &[String], options: StreamOptions) -> Result<Session> {
        let (config, sandbox) = self.running("exec", id)?;
        let env = environment(&config, &sandbox);
        Ok(self.talk(Process { command: command.to_vec(), env, tty: options.tty }))
    }

    async fn attach(&self, id: &str, options: StreamOptions) -> Result<Session> {
        let (config, sandbox) = self.running("attach", id)?;
        let mut command: Vec<String> = config.command.iter().chain(&config.args).cloned().collect();
        if command.is_empty()
            || script::Script::parse(&command, &config.env).is_none() && !script::is_shell(&command[0])
        {
            // A server that is not understood says nothing and listens to nobody.
            command = vec!["sleep".into(), "infinity".into()];
        }
        Ok(self.talk(Process { command, env: environment(&config, &sandbox), tty: options.tty }))
    }

    async fn port_forward(&self, sandbox_id: &str, _port: u16) -> Result<Box<dyn ByteStream>> {
        const OPERATION: &str = "port forward";
        let text = {
            let state = self.0.state.lock();
            let sandbox = state.sandboxes.get(sandbox_id).ok_or_else(|| Error::not_found(OPERATION, sandbox_id))?;
            if !sandbox.ready {
                return Err(Error::failed(OPERATION, format!("sandbox container {sandbox_id:?} is not running")));
            }
            format!("{}/{}\n", sandbox.config.namespace, sandbox.config.name)
        };
        let (ours, theirs) = tokio::io::duplex(65_536);
        self.0.processes.spawn(async move {
            if let Err(error) = process::serve_port(theirs, text).await {
                tracing::debug!(%error, "a forwarded connection has ended");
            }
        });
        Ok(Box::new(ours))
    }

    async fn logs(&self, id: &str, options: &LogOptions) -> Result<LogStream> {
        if !self.0.state.lock().containers.contains_key(id) {
            return Err(Error::not_found("logs", id));
        }
        let (first, position) = self.log_until_now(id);
        let since = options.since;
        let mut first: Vec<LogEntry> =
            first.into_iter().filter(|entry| since.is_none_or(|at| entry.time >= at)).collect();
        if let Some(tail) = options.tail_lines {
            let skipped = first.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
            first.drain(..skipped);
        }
        let entries = stream::iter(first.into_iter().map(Ok));
        if !options.follow {
            return Ok(entries.boxed());
        }
        let state = (self.clone(), id.to_owned(), position);
        let rest = stream::unfold(state, |(runtime, id, mut position)| async move {
            let (entries, next) = runtime.log_after(&id, position).await?;
            position = next;
            Some((stream::iter(entries.into_iter().map(Ok)), (runtime, id, position)))
        });
        Ok(entries.chain(rest.flatten()).boxed())
    }

    async fn container_stats(&self, filter: &Filter) -> Result<Vec<ContainerStats>> {
        let now = self.now();
        let state = self.0.state.lock();
        let running = state.list_containers(filter, now).into_iter().filter(|c| c.state == ContainerState::Running);
        Ok(running
            .map(|container| ContainerStats {
                id: container.id,
                name: container.name,
                labels: container.labels,
                memory_working_set_bytes: 1_048_576,
                memory_usage_bytes: 1_048_576,
                ..ContainerStats::default()
            })
            .collect())
    }

    async fn network_call(
        &self,
        id: &str,
        _call: &NetworkCall,
        probe: Option<ProbeKind>,
    ) -> Option<Result<String, String>> {
        let state = self.0.state.lock();
        let entry = state.containers.get(id)?;
        let key = match probe {
            None => return Some(Ok(String::new())),
            Some(ProbeKind::Startup) => "startup",
            Some(ProbeKind::Liveness) => "liveness",
            Some(ProbeKind::Readiness) => "readiness",
        };
        let setting = behaviour::annotation(&entry.sandbox.annotations, key, &entry.config.name);
        Some(behaviour::probe_answer(setting, entry.elapsed(Instant::now())))
    }
}

impl Simulated {
    /// Waits for the first container to end after `last`; gives its pod's uid.
    async fn next_end(&self, last: &mut Option<(Instant, String)>) -> String {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next = self.0.state.lock().next_end(last.as_ref());
            match next {
                Some((key, pod_uid)) if key.0 <= Instant::now() => {
                    *last = Some(key);
                    return pod_uid;
                }
                Some(((at, _), _)) => {
                    tokio::select! {
                        biased;
                        () = &mut changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// What a container has written until now, and until when that is, counted from its start.
    fn log_until_now(&self, id: &str) -> (Vec<LogEntry>, Duration) {
        let now = self.now();
        let state = self.0.state.lock();
        let Some(entry) = state.containers.get(id) else { return (Vec::new(), Duration::ZERO) };
        let Some(started_at) = entry.started_at else { return (Vec::new(), Duration::ZERO) };
        let elapsed = entry.elapsed(now.instant);
        let lines = entry.behaviour.script.lines(elapsed).into_iter();
        let entries = lines.map(|(at, source, text)| {
            let time = started_at + at;
            let text = if text.contains(script::DATE) {
                text.replace(script::DATE, &time.strftime("%a %b %e %H:%M:%S UTC %Y").to_string())
            } else {
                text.to_owned()
            };
            LogEntry { time, source, text: Bytes::from(text) }
        });
        (entries.collect(), elapsed)
    }

    /// Waits for lines after `position`; none when the container has ended and nothing is left.
    async fn log_after(&self, id: &str, position: Duration) -> Option<(Vec<LogEntry>, Duration)> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (wake, ended, started_at) = {
                let state = self.0.state.lock();
                let entry = state.containers.get(id)?;
                let now = Instant::now();
                let next = entry.behaviour.script.next_line(position);
                let end = entry.exit.map(|(at, ..)| at);
                let due = next.and_then(|at| entry.started.map(|start| start + at));
                let wake = [due, end].into_iter().flatten().min();
                (wake, entry.state(now) == ContainerState::Exited, entry.started_at)
            };
            let (entries, until) = self.log_until_now(id);
            let fresh: Vec<LogEntry> = match started_at {
                Some(start) => entries.into_iter().filter(|entry| entry.time > start + position).collect(),
                None => Vec::new(),
            };
            if !fresh.is_empty() {
                return Some((fresh, until));
            }
            if ended {
                return None;
            }
            match wake {
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = &mut changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }
}
