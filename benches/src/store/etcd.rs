//! The rival: a real etcd of one member on the same disk, through our backend for it.

use super::config;
use anyhow::Context;
use kubekit_store::etcd::EtcdConfig;
use kubekit_store::{Etcd, Extractor};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A member that runs until this is dropped.
pub(super) struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts etcd; `None` where none is installed.
pub(super) fn start(directory: &Path) -> anyhow::Result<Option<(Member, String)>> {
    let installed = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !installed {
        return Ok(None);
    }
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [client, peer] = listeners.map(|listener| listener.local_addr().map(|address| format!("http://{address}")));
    let (client, peer) = (client?, peer?);
    let member = Command::new("etcd")
        .arg("--data-dir")
        .arg(directory.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--name", "one", "--initial-cluster", &format!("one={peer}"), "--log-level", "error"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting etcd")?;
    Ok(Some((Member(member), client)))
}

/// The store over it.
pub(super) async fn store(address: &str) -> anyhow::Result<Etcd> {
    let settings = EtcdConfig::new([address]).compaction_interval(None).start_timeout(Duration::from_secs(30));
    Ok(Etcd::connect(settings, Extractor::none(), config()).await?)
}
