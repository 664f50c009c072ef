//! Secrets at rest: no plain text of them in anything that a cluster or its etcd writes; keys that rotate while it runs.

use crate::cluster::{Cluster, eventually};
use crate::etcd::Etcd;
use crate::kubectl::Kubectl;
use std::path::Path;
use std::process::Command;

/// Long and unlike anything else, so that it is found wherever it stands; and as a Secret has it, in base64.
const PLAIN: &str = "correct-horse-battery-staple-51";
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZS01MQ==";

/// Every byte under a directory.
fn bytes(path: &Path) -> Vec<u8> {
    if !path.is_dir() {
        return std::fs::read(path).unwrap_or_default();
    }
    std::fs::read_dir(path).unwrap().flatten().flat_map(|entry| bytes(&entry.path())).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[track_caller]
fn check_nothing_is_readable(path: &Path) {
    let found = bytes(path);
    assert!(!found.is_empty() && !contains(&found, PLAIN) && !contains(&found, ENCODED), "{}", path.display());
}

fn create(kubectl: &Kubectl, name: &str) {
    kubectl.run(&["create", "secret", "generic", name, &format!("--from-literal=password={PLAIN}")]);
}

#[track_caller]
fn check_readable(kubectl: &Kubectl, name: &str) {
    assert_eq!(kubectl.run(&["get", "secret", name, "-o", "jsonpath={.data.password}"]), ENCODED);
}

/// A configuration whose first key writes.
fn configuration(keys: &[&str]) -> String {
    let secret = |name: &str| format!("{name:A<43}=");
    let keys: Vec<_> = keys.iter().map(|name| format!("{{name: {name}, secret: {}}}", secret(name))).collect();
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  \
         providers:\n  - aesgcm: {{keys: [{}]}}\n  - identity: {{}}\n",
        keys.join(", ")
    )
}

#[test]
fn secrets_are_encrypted_by_default() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start_in(directory.path(), &["--nodes", "0"]);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    create(&kubectl, "a");
    kubectl.run(&["create", "configmap", "a", "--from-literal=text=this-is-public"]);
    check_readable(&kubectl, "a");
    // Everything below: the directory with its log, the certificates, and what the process printed.
    check_nothing_is_readable(directory.path());
    assert!(contains(&bytes(&directory.path().join("data")), "this-is-public"), "the look would have found it");
    cluster.kill();
    let cluster = Cluster::start_in(directory.path(), &["--nodes", "0"]);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    check_readable(&kubectl, "a");

    // Without its key, the cluster does not start and says why.
    cluster.stop();
    let empty = directory.path().join("other.yaml");
    std::fs::write(&empty, configuration(&["other"])).unwrap();
    let args = ["--encryption-provider-config", empty.to_str().unwrap()];
    let output = Cluster::command(directory.path(), &args).output().unwrap();
    assert!(!output.status.success());
    let log = std::fs::read_to_string(directory.path().join("cluster.log")).unwrap();
    assert!(log.contains("k8s:enc:secretbox:v1:key1:") && log.contains("add the key back"), "{log}");
}

#[test]
fn keys_rotate_while_the_cluster_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("encryption.yaml");
    std::fs::write(&file, configuration(&["one"])).unwrap();
    let args = ["--nodes", "0", "--encryption-provider-config", file.to_str().unwrap()];
    let cluster = Cluster::start_in(directory.path(), &args);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    create(&kubectl, "a");
    let data = directory.path().join("data");
    assert!(contains(&bytes(&data), "k8s:enc:aesgcm:v1:one:"));

    // A file that cannot be used is said, and changes nothing.
    std::fs::write(&file, configuration(&["two", "one"]).replace("aesgcm", "rot13")).unwrap();
    eventually("the error is logged", || cluster.log().contains("the one before stays in use").then_some(()));
    check_readable(&kubectl, "a");

    std::fs::write(&file, configuration(&["two", "one"])).unwrap();
    eventually("the configuration is read anew", || cluster.log().contains("was read anew").then_some(()));
    check_readable(&kubectl, "a");
    let output = Command::new(env!("CARGO_BIN_EXE_cluster"))
        .args(["reencrypt", "--kubeconfig"])
        .arg(cluster.kubeconfig())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("nothing under an older one"), "{text}");
    let found = bytes(&data);
    assert!(contains(&found, "k8s:enc:aesgcm:v1:two:") && !contains(&found, "k8s:enc:aesgcm:v1:one:"));
    check_nothing_is_readable(directory.path());

    // The old key is not needed any more.
    std::fs::write(&file, configuration(&["two"])).unwrap();
    cluster.kill();
    let cluster = Cluster::start_in(directory.path(), &args);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    check_readable(&kubectl, "a");
}

#[test]
fn etcd_gets_no_plain_text_of_a_secret() {
    let Some(etcd) = Etcd::start() else { return };
    let cluster = Cluster::start(&["--nodes", "0", "--etcd-servers", &etcd.url()]);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    create(&kubectl, "a");
    kubectl.run(&["create", "configmap", "a", "--from-literal=text=this-is-public"]);
    check_readable(&kubectl, "a");
    check_nothing_is_readable(&etcd.data());
    assert!(contains(&bytes(&etcd.data()), "this-is-public"), "the look would have found it");
}
