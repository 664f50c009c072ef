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
    network: Option<Network>,
    _directory: TempDir,
}

/// Where a member is.
struct Place {
    client: String,
    peer: String,
    namespace: Option<String>,
}

struct Member {
    arguments: Vec<String>,
    address: String,
    namespace: Option<String>,
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
        let ports = free_ports(2 * count);
        let members: Vec<_> = (0..count)
            .map(|i| Place {
                client: format!("{scheme}://127.0.0.1:{}", ports[i]),
                peer: format!("http://127.0.0.1:{}", ports[count + i]),
                namespace: None,
            })
            .collect();
        Self::start_at(members, None, arguments)
    }

    /// Starts members in network namespaces of their own, whose links can be cut.
    pub(crate) fn start_apart(count: usize) -> Self {
        let network = Network::new(count);
        let members: Vec<_> = (0..count)
            .map(|i| Place {
                client: format!("http://{}:2379", network.address(i)),
                peer: format!("http://{}:2380", network.address(i)),
                namespace: Some(network.namespace(i)),
            })
            .collect();
        Self::start_at(members, Some(network), &[])
    }

    fn start_at(places: Vec<Place>, network: Option<Network>, arguments: &[&str]) -> Self {
        let directory = directory();
        let peers: Vec<String> = places.iter().enumerate().map(|(i, place)| format!("m{i}={}", place.peer)).collect();
        let token = directory.path().display().to_string();
        let members = places.into_iter().enumerate().map(|(i, place)| {
            let own = directory.path().join(format!("m{i}"));
            let mut all: Vec<String> = [
                ("--name", format!("m{i}")),
                ("--data-dir", own.display().to_string()),
                ("--listen-client-urls", place.client.clone()),
                ("--advertise-client-urls", place.client.clone()),
                ("--listen-peer-urls", place.peer.clone()),
                ("--initial-advertise-peer-urls", place.peer),
                ("--initial-cluster", peers.join(",")),
                ("--initial-cluster-token", token.clone()),
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
            let (address, namespace) = (place.client, place.namespace);
            Member { arguments: all, address, namespace, directory: own, log, child: None }
        });
        let mut cluster = Self { members: members.collect(), network, _directory: directory };
        for member in 0..cluster.members.len() {
            cluster.restart(member);
        }
        cluster
    }

    /// Sends a signal to a member: `STOP`, `CONT`.
    pub(crate) fn signal(&self, member: usize, signal: &str) {
        let child = self.members[member].child.as_ref().expect("it runs");
        run("kill", &[&format!("-{signal}"), &child.id().to_string()]);
    }

    fn network(&self) -> &Network {
        self.network.as_ref().expect("the members have links of their own")
    }

    /// Cuts a member off from everybody.
    pub(crate) fn cut(&self, member: usize) {
        self.network().link(member, "down");
    }

    /// Mends what was cut.
    pub(crate) fn mend(&self, member: usize) {
        self.network().link(member, "up");
    }

    /// Cuts a member off from the other members, but not from its clients.
    pub(crate) fn separate(&self, member: usize) {
        self.network().routes(member, self.members.len(), "add");
    }

    /// Mends that.
    pub(crate) fn join(&self, member: usize) {
        self.network().routes(member, self.members.len(), "del");
    }

    /// The members' addresses for clients.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address.clone()).collect()
    }

    /// Starts a member that does not run.
    pub(crate) fn restart(&mut self, member: usize) {
        let member = &mut self.members[member];
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&member.log).expect("a log");
        let mut command = match &member.namespace {
            None => Command::new("etcd"),
            Some(namespace) => {
                // `ip netns exec` becomes the program that it starts.
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, "etcd"]);
                command
            }
        };
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

/// Whether network namespaces can be made; says so where they cannot.
pub(crate) fn namespaces() -> bool {
    let name = format!("kk-try-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).stderr(Stdio::null()).status();
    if made.is_ok_and(|status| status.success()) {
        run("ip", &["netns", "del", &name]);
        return true;
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "under CI=true nothing may be skipped: this takes root and ip"
    );
    println!("skipped: network namespaces take root and ip");
    false
}

/// A bridge, and a namespace with a link to it for each member. It goes when it is dropped.
struct Network {
    /// Tells apart what several processes make at the same time.
    id: u32,
    count: usize,
}

impl Network {
    fn new(count: usize) -> Self {
        let network = Self { id: std::process::id(), count };
        let bridge = network.bridge();
        run("ip", &["link", "add", &bridge, "type", "bridge"]);
        run("ip", &["address", "add", &format!("{}.254/24", network.subnet()), "dev", &bridge]);
        run("ip", &["link", "set", &bridge, "up"]);
        for member in 0..count {
            let (namespace, outer) = (network.namespace(member), network.outer(member));
            run("ip", &["netns", "add", &namespace]);
            run("ip", &["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
            run("ip", &["link", "set", &outer, "master", &bridge]);
            run("ip", &["link", "set", &outer, "up"]);
            let inside = |args: &[&str]| run("ip", &[&["-n", &*namespace], args].concat());
            inside(&["address", "add", &format!("{}/24", network.address(member)), "dev", "eth0"]);
            inside(&["link", "set", "eth0", "up"]);
            inside(&["link", "set", "lo", "up"]);
        }
        network
    }

    fn bridge(&self) -> String {
        format!("kkb{}", self.id)
    }

    /// A part of the range that is reserved for measurements of networks (RFC 2544).
    fn subnet(&self) -> String {
        format!("198.{}.{}", 18 + self.id / 256 % 2, self.id % 256)
    }

    fn address(&self, member: usize) -> String {
        format!("{}.{}", self.subnet(), member + 1)
    }

    fn namespace(&self, member: usize) -> String {
        format!("kk-{}-{member}", self.id)
    }

    fn outer(&self, member: usize) -> String {
        format!("kkv{}-{member}", self.id)
    }

    fn link(&self, member: usize, state: &str) {
        run("ip", &["link", "set", &self.outer(member), state]);
    }

    /// Adds or deletes routes that lead what is sent to the other members nowhere.
    fn routes(&self, member: usize, count: usize, verb: &str) {
        for other in (0..count).filter(|other| *other != member) {
            let to = format!("{}/32", self.address(other));
            run("ip", &["-n", &self.namespace(member), "route", verb, "blackhole", &to]);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let remove = |args: &[&str]| {
            let _ = Command::new("ip").args(args).stderr(Stdio::null()).status();
        };
        for member in 0..self.count {
            remove(&["netns", "del", &self.namespace(member)]);
        }
        remove(&["link", "del", &self.bridge()]);
    }
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("the program is there");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
