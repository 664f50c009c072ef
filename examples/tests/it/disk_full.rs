//! A disk without space: writes are refused, reads go on, and with space everything goes on.

use crate::cluster::{Cluster, eventually, skip};
use crate::kubectl::Kubectl;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "small"]).arg(&at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        skip("this test mounts a file system, which takes root");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(dir.path().join("data")) else { return };
    let cluster = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    kubectl.run(&["create", "configmap", "before", "--from-literal=a=1"]);
    let filler = small.0.join("filler");
    fill(&filler);
    let payload = dir.path().join("payload");
    std::fs::write(&payload, "x".repeat(500_000)).unwrap();
    let from = format!("--from-file={}", payload.display());
    // What was allocated before may still take some.
    let refusal = (0..100).find_map(|number| {
        let output = kubectl.output(&["create", "configmap", &format!("large-{number}"), &from]);
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    });
    let refusal = refusal.expect("a full disk takes no more");
    assert!(refusal.contains("the server has no space left to store the object"), "{refusal}");
    assert_eq!(kubectl.run(&["get", "configmap", "before", "-o", "jsonpath={.data.a}"]), "1");

    std::fs::remove_file(&filler).unwrap();
    eventually("with space, writes work again", || {
        kubectl.output(&["create", "configmap", "after"]).status.success().then_some(())
    });
    let count = |kubectl: &Kubectl| kubectl.run(&["get", "configmaps", "-o", "name"]).lines().count();
    let before = count(&kubectl);
    cluster.kill();
    let cluster = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let kubectl = Kubectl::find("1.32", &cluster).expect("it was there before");
    assert_eq!(count(&kubectl), before, "what was acknowledged is there after a restart, and nothing else");
    drop(cluster);
}

fn fill(file: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(file).expect("a file");
    while file.write_all(&[0; 4096]).is_ok() {}
}
