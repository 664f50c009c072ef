//! Clusters whose objects are in a real etcd, and API servers that share one.

use crate::cluster::{Cluster, PATIENCE, eventually, skip};
use crate::kubectl::Kubectl;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// One member of etcd; killed when dropped.
pub(crate) struct Etcd {
    child: Option<Child>,
    directory: tempfile::TempDir,
    ports: [u16; 2],
}

impl Etcd {
    /// Starts it; `None`, said aloud, where there is no etcd.
    pub(crate) fn start() -> Option<Self> {
        if Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_err() {
            skip("etcd is not installed");
            return None;
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("bound").port());
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut etcd = Self { child: None, directory, ports };
        etcd.restart();
        Some(etcd)
    }

    /// Starts it again, after [`Etcd::kill`].
    pub(crate) fn restart(&mut self) {
        let log = self.directory.path().join("log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let (client, peer) = (self.url(), format!("http://127.0.0.1:{}", self.ports[1]));
        let child = Command::new("etcd")
            .args(["--name", "a", "--log-level", "error", "--data-dir"])
            .arg(self.data())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("a={peer}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("etcd runs"));
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the process is ours");
            child.wait().expect("the process is ours");
        }
    }

    /// Where its clients reach it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// What it keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An `apiserver` process; killed when dropped.
struct ApiServer {
    child: Child,
    kubeconfigs: PathBuf,
}

impl ApiServer {
    fn start(data: &Path, kubeconfigs: PathBuf, etcd: &Etcd) -> Self {
        std::fs::create_dir_all(&kubeconfigs).expect("a directory");
        let log = std::fs::File::create(kubeconfigs.join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_apiserver"))
            .args(["--listen", "127.0.0.1:0", "--quiet", "--etcd-servers", &etcd.url(), "--data-dir"])
            .arg(data)
            .arg("--kubeconfig-dir")
            .arg(&kubeconfigs)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn();
        let mut server = Self { child: child.expect("the apiserver runs"), kubeconfigs };
        let start = Instant::now();
        while !server.ready() {
            let ended = server.child.try_wait().expect("the process is ours");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "the apiserver does not serve: {}", server.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.kubeconfigs.join("log")).unwrap_or_default()
    }

    fn kubeconfig(&self) -> PathBuf {
        self.kubeconfigs.join("admin.conf")
    }

    fn ready(&self) -> bool {
        let text = std::fs::read_to_string(self.kubeconfig()).unwrap_or_default();
        let server = text.lines().find_map(|line| line.trim().strip_prefix("server:"));
        let address = server.map(|server| server.trim().trim_matches('"').trim_start_matches("https://").to_owned());
        address.is_some_and(|address| TcpStream::connect(address).is_ok())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `kubectl get --watch` that writes what it sees into a file.
struct Watching {
    child: Child,
    file: PathBuf,
}

impl Watching {
    fn start(kubectl: &Kubectl, file: PathBuf, args: &[&str]) -> Self {
        let output = std::fs::File::create(&file).expect("a file");
        let child = kubectl.command(args).stdin(Stdio::null()).stdout(output).spawn().expect("kubectl runs");
        Self { child, file }
    }

    fn saw(&self, text: &str) -> bool {
        std::fs::read_to_string(&self.file).unwrap_or_default().contains(text)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_api_servers_over_one_etcd_see_each_others_writes() {
    let Some(mut etcd) = Etcd::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start_in(directory.path(), &["--nodes", "1", "--etcd-servers", &etcd.url()]);
    // The same certificates, so that both trust the same users.
    let data = directory.path().join("data");
    let second = ApiServer::start(&data, directory.path().join("second"), &etcd);
    let Some(one) = Kubectl::find("1.32", &cluster) else { return };
    let Some(two) = Kubectl::with("1.32", second.kubeconfig()) else { return };

    let watching =
        Watching::start(&two, directory.path().join("seen"), &["get", "configmaps", "--watch", "-o", "name"]);
    one.run(&["create", "configmap", "first", "--from-literal=a=1"]);
    assert_eq!(two.run(&["get", "configmap", "first", "-o", "jsonpath={.data.a}"]), "1", "a read is never stale");
    eventually("the other server's watch sees the write", || watching.saw("configmap/first").then_some(()));
    two.run(&["patch", "configmap", "first", "--type=merge", "-p", r#"{"data":{"a":"2"}}"#]);
    assert_eq!(one.run(&["get", "configmap", "first", "-o", "jsonpath={.data.a}"]), "2");
    // Each address is handed out once, whichever server does it.
    one.run(&["create", "service", "clusterip", "mine", "--tcp=80", "--clusterip=10.96.0.77"]);
    let refused = two.fails(&["create", "service", "clusterip", "yours", "--tcp=80", "--clusterip=10.96.0.77"]);
    assert!(refused.contains("failed to allocate IP 10.96.0.77: provided IP is already allocated"), "{refused}");
    let addresses = two.run(&["get", "ipaddresses"]);
    assert!(
        addresses.contains("services/default/mine") && addresses.contains("services/default/kubernetes"),
        "{addresses}"
    );
    let ranges = two.run(&["get", "servicecidrs"]);
    assert!(ranges.contains("kubernetes") && ranges.contains("10.96.0.0/12"), "{ranges}");
    two.run(&["wait", "--for=condition=Ready", "servicecidr/kubernetes", "--timeout=10s"]);
    two.run(&["delete", "service", "mine"]);
    one.run(&["create", "service", "clusterip", "yours", "--tcp=80", "--clusterip=10.96.0.77"]);
    // The controllers, the scheduler and the node of the one act on what was asked of the other.
    two.run(&["create", "deployment", "web", "--image=nginx", "--replicas=2"]);
    two.run(&["rollout", "status", "deployment/web", "--timeout=90s"]);

    // Readiness says what is wrong while etcd is away, and all goes on when it is back.
    etcd.kill();
    eventually("the server is not ready", || {
        let text = one.fails(&["get", "--raw", "/readyz"]);
        text.contains("[-]etcd failed").then_some(())
    });
    etcd.restart();
    eventually("both are ready again", || {
        let ready = |kubectl: &Kubectl| kubectl.output(&["get", "--raw", "/readyz"]).status.success();
        (ready(&one) && ready(&two)).then_some(())
    });
    one.run(&["create", "configmap", "second", "--from-literal=a=1"]);
    eventually("the watch goes on", || watching.saw("configmap/second").then_some(()));
    assert_eq!(two.run(&["get", "configmaps", "first", "second", "-o", "name"]).lines().count(), 2);

    // Both start again on what is there.
    cluster.kill();
    drop(second);
    let cluster = Cluster::start_in(directory.path(), &["--nodes", "1", "--etcd-servers", &etcd.url()]);
    let Some(one) = Kubectl::find("1.32", &cluster) else { return };
    assert_eq!(one.run(&["get", "configmap", "first", "-o", "jsonpath={.data.a}"]), "2");
    one.run(&["rollout", "status", "deployment/web", "--timeout=90s"]);
}

#[test]
fn etcd_that_cannot_be_used_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let check = |args: &[&str], expected: &str| {
        let output = Cluster::command(directory.path(), args).output().unwrap();
        assert!(!output.status.success());
        let log = std::fs::read_to_string(directory.path().join("cluster.log")).unwrap();
        assert!(log.contains(expected), "{args:?}: {log}");
    };
    check(&["--etcd-servers", "unix:///run/etcd"], "neither http nor https");
    check(&["--etcd-servers", "https://127.0.0.1:1"], "needs a file with its authority's certificate");
    check(&["--etcd-servers", "https://127.0.0.1:1", "--etcd-cafile", "/nonexistent"], "/nonexistent cannot be used");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"no certificate").unwrap();
    let path = file.path().to_str().unwrap();
    check(&["--etcd-servers", "https://127.0.0.1:1", "--etcd-cafile", path], "it has no certificate");
}
