//! The suite that every [`ContainerRuntime`] must pass. It makes pods of its own and leaves nothing behind.
//!
//! The runtime must have [`Fixture::image`] (or be able to pull it), with a shell that knows `echo`, `sleep`, `exit` and
//! `cat`; commands here use nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;

use super::container::{CONTAINER_NAME_LABEL, ContainerConfig, ContainerState};
use super::sandbox::{POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL, SandboxConfig, SandboxState};
use super::stream::{Input, LogOptions, LogSource, Output, StreamOptions};
use super::{ContainerRuntime, Filter};

/// What the suite runs on.
#[derive(Debug)]
pub struct Fixture<'a> {
    /// The runtime, ready to run pods.
    pub runtime: &'a dyn ContainerRuntime,
    /// An image with a shell.
    pub image: &'a str,
    /// Where logs may be written, when the runtime writes files.
    pub log_root: &'a str,
}

static PODS: AtomicU64 = AtomicU64::new(0);

impl Fixture<'_> {
    fn sandbox(&self, name: &str) -> SandboxConfig {
        let uid = format!("conformance-{name}-{}-{}", std::process::id(), PODS.fetch_add(1, Ordering::Relaxed));
        SandboxConfig {
            name: name.into(),
            namespace: "conformance".into(),
            hostname: name.into(),
            log_directory: format!("{}/conformance_{name}_{uid}", self.log_root),
            labels: BTreeMap::from([
                (POD_NAME_LABEL.into(), name.into()),
                (POD_NAMESPACE_LABEL.into(), "conformance".into()),
                (POD_UID_LABEL.into(), uid.clone()),
            ]),
            annotations: BTreeMap::from([("example.com/kept".into(), "as it is".into())]),
            uid,
            ..SandboxConfig::default()
        }
    }

    fn container(&self, sandbox: &SandboxConfig, image: &str, script: &str) -> ContainerConfig {
        let mut labels = sandbox.labels.clone();
        labels.insert(CONTAINER_NAME_LABEL.into(), "main".into());
        ContainerConfig {
            name: "main".into(),
            image: image.into(),
            image_name: self.image.into(),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec![("GREETING".into(), "hello".into())],
            labels,
            annotations: BTreeMap::from([("example.com/number".into(), "7".into())]),
            log_path: "main/0.log".into(),
            ..ContainerConfig::default()
        }
    }

    async fn pulled(&self, sandbox: &SandboxConfig) -> String {
        match self.runtime.image_status(self.image).await.expect("image status") {
            Some(image) => image.id,
            None => self.runtime.pull_image(self.image, None, sandbox).await.expect("pull"),
        }
    }

    /// A pod with one started container.
    async fn pod(&self, name: &str, script: &str) -> (SandboxConfig, String, String) {
        let config = self.sandbox(name);
        let sandbox = self.runtime.run_sandbox(&config).await.expect("run sandbox");
        let image = self.pulled(&config).await;
        let container = self.container(&config, &image, script);
        let id = self.runtime.create_container(&sandbox, &container, &config).await.expect("create container");
        self.runtime.start_container(&id).await.expect("start container");
        (config, sandbox, id)
    }

    async fn until(&self, id: &str, state: ContainerState) {
        for _ in 0..600 {
            if self.runtime.container_status(id).await.expect("container status").state == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("container {id} has not become {state:?}");
    }

    async fn clean(&self, config: &SandboxConfig, sandbox: &str) {
        self.runtime.stop_sandbox(sandbox).await.expect("stop sandbox");
        self.runtime.remove_sandbox(sandbox).await.expect("remove sandbox");
        let filter = Filter::pod(&config.uid);
        assert!(self.runtime.list_sandboxes(&filter).await.expect("list sandboxes").is_empty(), "a sandbox is left");
        assert!(
            self.runtime.list_containers(&filter).await.expect("list containers").is_empty(),
            "a container is left"
        );
    }
}

/// Runs the whole suite.
///
/// # Panics
/// When the runtime breaks its contract.
pub async fn run(fixture: &Fixture<'_>) {
    life_cycle(fixture).await;
    exit_codes(fixture).await;
    graceful_stop(fixture).await;
    absent_objects(fixture).await;
    images(fixture).await;
    logs(fixture).await;
    commands(fixture).await;
    changes(fixture).await;
}

async fn life_cycle(fixture: &Fixture<'_>) {
    let runtime = fixture.runtime;
    let config = fixture.sandbox("life-cycle");
    let sandbox = runtime.run_sandbox(&config).await.expect("run sandbox");
    let status = runtime.sandbox_status(&sandbox).await.expect("sandbox status");
    assert_eq!((status.state, status.uid.as_str()), (SandboxState::Ready, config.uid.as_str()));
    assert_eq!((&status.labels, &status.annotations), (&config.labels, &config.annotations));
    assert!(!status.ips.is_empty(), "a pod has an address");
    assert!(runtime.run_sandbox(&config).await.is_err(), "one sandbox for each attempt");

    let image = fixture.pulled(&config).await;
    let container = fixture.container(&config, &image, "sleep 600");
    let id = runtime.create_container(&sandbox, &container, &config).await.expect("create container");
    let status = runtime.container_status(&id).await.expect("container status");
    assert_eq!(status.state, ContainerState::Created);
    assert_eq!((&status.labels, &status.annotations), (&container.labels, &container.annotations));
    runtime.start_container(&id).await.expect("start container");
    assert!(runtime.start_container(&id).await.is_err(), "a container starts once");
    let status = runtime.container_status(&id).await.expect("container status");
    assert_eq!(status.state, ContainerState::Running);
    assert!(status.started_at.is_some_and(|at| at >= status.created_at));
    let listed = runtime.list_containers(&Filter::pod(&config.uid)).await.expect("list containers");
    assert_eq!(listed.iter().map(|c| (c.id.as_str(), c.attempt)).collect::<Vec<_>>(), [(id.as_str(), 0)]);
    let stats = runtime.container_stats(&Filter::pod(&config.uid)).await.expect("container stats");
    assert!(stats.iter().any(|stats| stats.id == id), "a running container has figures");

    runtime.stop_sandbox(&sandbox).await.expect("stop sandbox");
    fixture.until(&id, ContainerState::Exited).await;
    assert_eq!(runtime.sandbox_status(&sandbox).await.expect("status").state, SandboxState::NotReady);
    fixture.clean(&config, &sandbox).await;
}

async fn exit_codes(fixture: &Fixture<'_>) {
    for (code, reason) in [(0, "Completed"), (3, "Error")] {
        let (config, sandbox, id) = fixture.pod("exit", &format!("exit {code}")).await;
        fixture.until(&id, ContainerState::Exited).await;
        let status = fixture.runtime.container_status(&id).await.expect("container status");
        assert_eq!((status.exit_code, status.reason.as_str()), (code, reason));
        assert!(status.finished_at >= status.started_at && status.finished_at.is_some());
        fixture.clean(&config, &sandbox).await;
    }
}

async fn graceful_stop(fixture: &Fixture<'_>) {
    let (config, sandbox, id) = fixture.pod("stop", "sleep 600").await;
    fixture.runtime.stop_container(&id, Duration::from_secs(1)).await.expect("stop");
    let status = fixture.runtime.container_status(&id).await.expect("container status");
    assert_eq!(status.state, ContainerState::Exited);
    assert_ne!(status.exit_code, 0);
    fixture.runtime.stop_container(&id, Duration::from_secs(1)).await.expect("stopping again");
    fixture.runtime.remove_container(&id).await.expect("remove");
    fixture.runtime.remove_container(&id).await.expect("removing again");
    assert!(fixture.runtime.container_status(&id).await.expect_err("removed").is_not_found());
    fixture.clean(&config, &sandbox).await;
}

async fn absent_objects(fixture: &Fixture<'_>) {
    let runtime = fixture.runtime;
    runtime.stop_sandbox("absent").await.expect("stopping an absent sandbox");
    runtime.remove_sandbox("absent").await.expect("removing an absent sandbox");
    runtime.stop_container("absent", Duration::ZERO).await.expect("stopping an absent container");
    runtime.remove_container("absent").await.expect("removing an absent container");
    assert!(runtime.sandbox_status("absent").await.expect_err("absent").is_not_found());
    assert!(runtime.container_status("absent").await.expect_err("absent").is_not_found());
    assert!(runtime.start_container("absent").await.is_err());
    assert!(runtime.exec_sync("absent", &["true".into()], None).await.is_err());
    assert!(runtime.logs("absent", &LogOptions::default()).await.is_err());
}

async fn images(fixture: &Fixture<'_>) {
    let runtime = fixture.runtime;
    let config = fixture.sandbox("images");
    let id = fixture.pulled(&config).await;
    let image = runtime.image_status(fixture.image).await.expect("image status").expect("present");
    assert_eq!(image.id, id);
    assert!(runtime.list_images().await.expect("list images").iter().any(|listed| listed.id == id));
    assert_eq!(runtime.image_status("conformance.invalid/absent:1").await.expect("image status"), None);
}

async fn logs(fixture: &Fixture<'_>) {
    let (config, sandbox, id) =
        fixture.pod("logs", "echo one $GREETING; echo two >&2; sleep 1; echo three; sleep 1; exit 0").await;
    let following = LogOptions { follow: true, ..LogOptions::default() };
    let entries: Vec<_> = fixture.runtime.logs(&id, &following).await.expect("logs").collect().await;
    let mut entries: Vec<_> = entries.into_iter().map(|entry| entry.expect("a log entry")).collect();
    // The two streams may overtake each other.
    entries[..2].sort_by_key(|entry| entry.source == LogSource::Stderr);
    let said: Vec<(LogSource, &[u8])> = entries.iter().map(|entry| (entry.source, &entry.text[..])).collect();
    let expected: [(LogSource, &[u8]); 3] =
        [(LogSource::Stdout, b"one hello\n"), (LogSource::Stderr, b"two\n"), (LogSource::Stdout, b"three\n")];
    assert_eq!(said, expected);

    let options = LogOptions { tail_lines: Some(1), ..LogOptions::default() };
    let last: Vec<_> = fixture.runtime.logs(&id, &options).await.expect("logs").collect().await;
    assert_eq!(last.len(), 1);
    assert_eq!(&last[0].as_ref().expect("entry").text[..], b"three\n");
    let since = entries[2].time;
    let options = LogOptions { since: Some(since), ..LogOptions::default() };
    assert_eq!(fixture.runtime.logs(&id, &options).await.expect("logs").count().await, 1);
    fixture.clean(&config, &sandbox).await;
}

async fn commands(fixture: &Fixture<'_>) {
    let runtime = fixture.runtime;
    let (config, sandbox, id) = fixture.pod("commands", "sleep 600").await;
    let shell = |text: &str| ["sh", "-c", text].map(str::to_owned).to_vec();
    let output = runtime.exec_sync(&id, &shell("echo out; echo err >&2; exit 4"), None).await.expect("exec");
    assert_eq!((&output.stdout[..], &output.stderr[..], output.exit_code), (&b"out\n"[..], &b"err\n"[..], 4));
    let late = runtime.exec_sync(&id, &shell("sleep 30"), Some(Duration::from_secs(1))).await;
    assert!(late.expect_err("too slow").is_timeout());

    let options = StreamOptions { stdin: true, stdout: true, stderr: true, tty: false };
    let mut session = runtime.exec(&id, &["cat".into()], options).await.expect("exec");
    session.input.send(Input::Stdin("ping\n".into())).await.expect("stdin");
    let mut seen = Vec::new();
    while seen.len() < 5 {
        match session.output.recv().await.expect("an answer") {
            Output::Stdout(bytes) => seen.extend_from_slice(&bytes),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(seen, b"ping\n");
    drop(session);

    let options = StreamOptions { stdin: false, stdout: true, stderr: true, tty: false };
    let mut session = runtime.exec(&id, &shell("echo bye; exit 9"), options).await.expect("exec");
    let mut said = Vec::new();
    let code = loop {
        match session.output.recv().await.expect("an end") {
            Output::Stdout(bytes) | Output::Stderr(bytes) => said.extend_from_slice(&bytes),
            Output::Exit(code) => break code.expect("a code"),
        }
    };
    assert_eq!((said.as_slice(), code), (&b"bye\n"[..], 9));
    fixture.clean(&config, &sandbox).await;
}

async fn changes(fixture: &Fixture<'_>) {
    let mut changes = fixture.runtime.changes();
    let (config, sandbox, _) = fixture.pod("changes", "sleep 1; exit 1").await;
    let told = async {
        while let Some(change) = changes.next().await {
            if change.pod_uid == config.uid {
                return;
            }
        }
        panic!("the stream of changes has ended");
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("a change within 20 s");
    fixture.clean(&config, &sandbox).await;
}
