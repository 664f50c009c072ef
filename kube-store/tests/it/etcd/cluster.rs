//! Starts `etcd` processes on free ports, in temporary directories; kills them when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Whether there is an `etcd` to run; says so where there is none.
pub(crate) fn available() -> bool {
    let found = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "etcd is missing, and under CI=true nothing may be skipped"
        );
        println!("skipped: etcd is not installed");
    }
    found
}

/// Members that make up one cluster.
pub(crate) struct Cluster {
    members: Vec<Member>,
    _directory: TempDir,
}

struct Member {
    arguments: Vec<String>,
    address: String,
    directory: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

/// In memory where that can be, so that syncs cost nothing.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary directory")
}

fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("bound").port()).collect()
}

impl Cluster {
    /// Starts so many members.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, "http", &[])
    }

    /// Starts members with further arguments, whose clients speak `scheme`.
    pub(crate) fn start_with(count: usize, scheme: &str, arguments: &[&str]) -> Self {
        let hosts = vec!["127.0.0.1".to_owned(); count];
        let ports = free_ports(2 * count);
        let directory = directory();
        let peers: Vec<String> = (0..count).map(|i| format!("m{i}=http://{}:{}", hosts[i], ports[count + i])).collect();
        let members = (0..count)
            .map(|i| {
                let own = directory.path().join(format!("m{i}"));
                let client = format!("{scheme}://{}:{}", hosts[i], ports[i]);
                let peer = format!("http://{}:{}", hosts[i], ports[count + i]);
                let mut all: Vec<String> = [
                    ("--name", format!("m{i}")),
                    ("--data-dir", own.display().to_string()),
                    ("--listen-client-urls", client.clone()),
                    ("--advertise-client-urls", client.clone()),
                    ("--listen-peer-urls", peer.clone()),
                    ("--initial-advertise-peer-urls", peer),
                    ("--initial-cluster", peers.join(",")),
                    ("--initial-cluster-token", directory.path().display().to_string()),
                    ("--heartbeat-interval", "20".to_owned()),
                    ("--election-timeout", "200".to_owned()),
                    // The suite writes the largest values that the contract has.
                    ("--max-request-bytes", (8 << 20).to_string()),
                    ("--log-level", "error".to_owned()),
                ]
                .into_iter()
                .flat_map(|(name, value)| [name.to_owned(), value])
                .collect();
                all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
                let log = directory.path().join(format!("m{i}.log"));
                Member { arguments: all, address: client, directory: own, log, child: None }
            })
            .collect();
        let mut cluster = Self { members, _directory: directory };
        for member in 0..count {
            cluster.restart(member);
        }
        cluster
    }

    /// The members' addresses for clients.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address.clone()).collect()
    }

    /// Starts a member that does not run.
    pub(crate) fn restart(&mut self, member: usize) {
        let member = &mut self.members[member];
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&member.log).expect("a log");
        let mut command = Command::new("etcd");
        command.args(&member.arguments).stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log);
        // The settings are those above, whatever surrounds the tests.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD")) {
            command.env_remove(name);
        }
        member.child = Some(command.spawn().expect("etcd runs"));
    }

    /// Kills a member without warning.
    pub(crate) fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.members[member].child.take() {
            child.kill().expect("the process is ours");
            child.wait().expect("the process is ours");
        }
    }

    /// Every byte that the members have on disk.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for member in &self.members {
            read_all(&member.directory, &mut all);
        }
        all
    }
}

fn read_all(path: &Path, into: &mut Vec<u8>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("readable").flatten() {
            read_all(&entry.path(), into);
        }
    } else if let Ok(mut bytes) = std::fs::read(path) {
        into.append(&mut bytes);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in 0..self.members.len() {
            self.kill(member);
        }
    }
}
