//! Starts the `cluster` binary and waits until it serves.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine before a test gives up. A test never passes by waiting this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running cluster process; killed when dropped.
pub(crate) struct Cluster {
    child: Child,
    dir: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Cluster {
    /// A cluster that keeps its data in a temporary directory.
    pub(crate) fn start(args: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let mut cluster = Self::start_in(temporary.path(), args);
        cluster._temporary = Some(temporary);
        cluster
    }

    /// A cluster that keeps its data in this directory.
    pub(crate) fn start_in(dir: &Path, args: &[&str]) -> Self {
        let child = Self::command(dir, args).spawn().expect("the cluster binary runs");
        let mut cluster = Self { child, dir: dir.to_owned(), _temporary: None };
        cluster.wait_ready();
        cluster
    }

    /// The command that starts a cluster, for tests that watch it fail.
    pub(crate) fn command(dir: &Path, args: &[&str]) -> Command {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("cluster.log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
        command
            .args(["--listen", "127.0.0.1:0", "--quiet", "--data-dir"])
            .arg(dir.join("data"))
            .arg("--kubeconfig")
            .arg(dir.join("kubeconfig"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        command
    }

    /// The kubeconfig of the administrator.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// What the cluster printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("cluster.log")).unwrap_or_default()
    }

    /// `https://127.0.0.1:PORT`, as the kubeconfig has it.
    pub(crate) fn server(&self) -> String {
        let text = std::fs::read_to_string(self.kubeconfig()).expect("a kubeconfig");
        let line = text.lines().find_map(|line| line.trim().strip_prefix("server:")).expect("a server");
        line.trim().trim_matches('"').to_owned()
    }

    /// Kills the process without warning, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// Stops the process as Ctrl-C does; gives how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let start = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
        let status = self.child.wait().expect("the process is ours");
        assert!(status.success(), "{status}: {}", self.log());
        start.elapsed()
    }

    fn wait_ready(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process is ours") {
                panic!("the cluster ended with {status}: {}", self.log());
            }
            if self.kubeconfig().exists() && self.accepts() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the cluster did not become ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn accepts(&self) -> bool {
        let address = self.server().trim_start_matches("https://").to_owned();
        std::net::TcpStream::connect(address).is_ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `check` gives something; says `what` did not happen otherwise.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "this did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The data beside the repository that some tests take as input; says that the test is skipped where it is not there.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("KUBEKIT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("{name} is not there (KUBEKIT_DATA names the directory that holds it)"));
    None
}

/// Says that a test is skipped; under `CI=true` that is a failure.
pub(crate) fn skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "under CI=true nothing may be skipped: {why}");
    println!("skipped: {why}");
}
