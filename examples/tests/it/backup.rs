//! A backup of a running cluster, and another cluster that is made from it.

use crate::cluster::Cluster;
use crate::crash::{client, config_map};
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::{Api, ListParams};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

fn run(args: &[&str], file: &Path, more: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.args(args).arg(file);
    for (name, path) in more {
        command.arg(name).arg(path);
    }
    command.output().expect("the cluster binary runs")
}

async fn versions(api: &Api<ConfigMap>) -> BTreeMap<String, String> {
    let found = api.list(&ListParams::default()).await.unwrap().items;
    let of = |object: ConfigMap| object.metadata.name.zip(object.metadata.resource_version);
    found.into_iter().filter_map(of).filter(|(name, _)| name.starts_with("c-")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_cluster_is_backed_up_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let old = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let api: Api<ConfigMap> = Api::namespaced(client(&old), "default");
    for i in 0..200 {
        api.create(&config_map(&format!("c-{i}"))).await.unwrap();
    }
    let before = versions(&api).await;
    assert_eq!(before.len(), 200);
    let writer = tokio::spawn(async move {
        for i in 0.. {
            if api.create(&config_map(&format!("later-{i}"))).await.is_err() {
                return i;
            }
        }
        unreachable!("the cluster is killed")
    });
    let file = dir.path().join("backup");
    let output = run(&["backup"], &file, &[("--kubeconfig", &old.kubeconfig())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("objects at revision"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Into the directory of the running cluster, and into one with a store that is stopped: refused.
    let data = dir.path().join("data");
    let output = run(&["restore"], &file, &[("--data-dir", &data)]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("has it open"), "{text}");
    tokio::task::spawn_blocking(move || old.kill()).await.unwrap();
    assert!(writer.await.unwrap() > 0, "writes went on");
    let output = run(&["restore"], &file, &[("--data-dir", &data)]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("holds a store already"), "{text}");

    let other = tempfile::tempdir().unwrap();
    let output = run(&["restore"], &file, &[("--data-dir", &other.path().join("data"))]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let new = Cluster::start_in(other.path(), &["--nodes", "0"]);
    let api: Api<ConfigMap> = Api::namespaced(client(&new), "default");
    assert_eq!(versions(&api).await, before, "every object, and with the version that it had");
    let created = api.create(&config_map("c-new")).await.unwrap();
    let revision: u64 = created.metadata.resource_version.unwrap().parse().unwrap();
    assert!(revision > 1_000_000, "{revision}");
}

#[test]
fn a_backup_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    std::fs::write(&file, "apiVersion: v1\nkind: Config\nThis is long enough for a header.\n").unwrap();
    let output = run(&["restore"], &file, &[("--data-dir", &dir.path().join("data"))]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no backup") && text.contains("backup"), "{text}");
}
