//! Directories that a cluster does not take: somebody else's, damaged ones, and those of another version.

use crate::cluster::Cluster;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn a_second_process_on_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let output = Cluster::command(dir.path(), &["--nodes", "0"]).stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("another process"), "{text}");
}

#[test]
fn a_kubeconfig_of_somebody_else_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kubeconfig"), "apiVersion: v1\nkind: Config\n").unwrap();
    let output = Cluster::command(dir.path(), &["--nodes", "0"]).stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("kubeconfig"), "{text}");
    assert_eq!(std::fs::read_to_string(dir.path().join("kubeconfig")).unwrap(), "apiVersion: v1\nkind: Config\n");
}

#[test]
fn a_damaged_log_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    Cluster::start_in(dir.path(), &["--nodes", "0"]).stop();
    let files = files_below(&dir.path().join("data"));
    let largest = files.iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(largest, bytes).unwrap();
    let output = Cluster::command(dir.path(), &["--nodes", "0"]).stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(largest.file_name().unwrap().to_str().unwrap()), "{text}");
}

#[test]
fn a_directory_of_another_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    Cluster::start_in(dir.path(), &["--nodes", "0"]).stop();
    let data = dir.path().join("data");
    let logs: Vec<_> = files_below(&data.join("store")).into_iter().filter(|path| is_log(path)).collect();
    assert!(!logs.is_empty());
    for log in &logs {
        let mut bytes = std::fs::read(log).unwrap();
        bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..28].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(log, bytes).unwrap();
    }
    let before = contents(dir.path());
    let mut apiserver = Command::new(env!("CARGO_BIN_EXE_apiserver"));
    apiserver.args(["--listen", "127.0.0.1:0", "--quiet", "--data-dir"]).arg(&data).stdin(Stdio::null());
    for mut command in [Cluster::command(dir.path(), &["--nodes", "0"]), apiserver] {
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: "), "{text}");
        assert!(text.contains("format version 9; this build reads version"), "{text}");
        assert!(text.contains(logs[0].file_name().unwrap().to_str().unwrap()), "{text}");
        assert_eq!(contents(dir.path()), before, "nothing was changed");
    }
}

fn is_log(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log-"))
}

/// Every file below a directory, with what is in it; the lock names the process that tried last.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(dir).into_iter().filter(|path| !path.ends_with("store/lock"));
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}
