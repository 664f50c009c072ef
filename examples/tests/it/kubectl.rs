//! An unmodified `kubectl` of a certain version.

use crate::cluster::{Cluster, skip};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A `kubectl` binary, talking to one cluster.
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

impl Kubectl {
    /// The `kubectl` of this version (`1.32`), found on the path or beside the real path of `kubectl`; `None`, said aloud,
    /// where there is none.
    pub(crate) fn find(version: &str, cluster: &Cluster) -> Option<Self> {
        Self::with(version, cluster.kubeconfig())
    }

    /// The same, with a kubeconfig that something else has written.
    pub(crate) fn with(version: &str, kubeconfig: PathBuf) -> Option<Self> {
        let Some(program) = locate(version) else {
            skip(&format!("kubectl.{version} is not installed"));
            return None;
        };
        let home = tempfile::tempdir().expect("a temporary directory");
        Some(Self { program, kubeconfig, home })
    }

    /// A command, with a home of its own so that caches of other runs do not matter.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .env("KUBECTL_KUBERC", "false")
            .current_dir(self.home.path());
        command
    }

    /// Runs it; gives what it printed. It must succeed.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(
            output.status.success(),
            "kubectl {args:?} failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("kubectl prints UTF-8")
    }

    /// Runs it; gives what it printed on standard error. It must fail.
    #[track_caller]
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(!output.status.success(), "kubectl {args:?} should fail:\n{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("kubectl prints UTF-8")
    }

    /// Runs it, whatever becomes of it.
    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("kubectl runs")
    }

    /// Runs it with this on standard input; it must succeed.
    #[track_caller]
    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> String {
        let output = self.output_with_input(args, input);
        assert!(output.status.success(), "kubectl {args:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("kubectl prints UTF-8")
    }

    /// Runs it with this on standard input, whatever becomes of it.
    pub(crate) fn output_with_input(&self, args: &[&str], input: &str) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        child.stdin.take().expect("stdin was asked for").write_all(input.as_bytes()).expect("kubectl reads");
        child.wait_with_output().expect("kubectl runs")
    }

    /// An object, or a list, as JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.run(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }
}

fn locate(version: &str) -> Option<PathBuf> {
    let name = format!("kubectl.{version}");
    let path = std::env::var_os("PATH")?;
    let beside = std::env::split_paths(&path)
        .map(|dir| dir.join("kubectl"))
        .find(|path| path.exists())
        .and_then(|path| path.canonicalize().ok())
        .and_then(|path| path.parent().map(Path::to_owned));
    std::env::split_paths(&path).chain(beside).map(|dir| dir.join(&name)).find(|path| path.exists())
}
