//! Real manifests, applied twice: the second time nothing changes.

use crate::cluster::{Cluster, data, eventually};
use crate::kubectl::Kubectl;

#[test]
fn manifests_apply_and_apply_again_unchanged() {
    let Some(manifests) = data("manifests") else { return };
    let cluster = Cluster::start(&[]);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    let mut files: Vec<_> = std::fs::read_dir(manifests).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert_eq!(files.len(), 9);
    for file in &files {
        let path = file.to_str().unwrap();
        let first = kubectl.run(&["apply", "-f", path]);
        assert!(first.lines().all(|line| line.ends_with(" created")), "{path}: {first}");
    }
    let versions = || {
        let generation = kubectl.json(&["get", "pod", "testcm3-pod"])["metadata"]["generation"].clone();
        (kubectl.json(&["get", "secret", "my-secret"])["metadata"]["resourceVersion"].clone(), generation)
    };
    eventually("every pod is on a node", || {
        let pods = kubectl.json(&["get", "pods"]);
        pods["items"].as_array()?.iter().all(|pod| pod["spec"]["nodeName"].is_string()).then_some(())
    });
    let before = versions();
    for file in &files {
        let path = file.to_str().unwrap();
        let second = kubectl.run(&["apply", "-f", path]);
        for line in second.lines() {
            // stringData is never in what the server gives back, so that kubectl always sends it again. And a pod with
            // volumes has one more than its manifest, the token's, for which kubectl sends the order of the others.
            let sent_again = line.starts_with("secret/my-secret ") || line.starts_with("pod/testcm3-pod ");
            let expected = if sent_again { " configured" } else { " unchanged" };
            assert!(line.ends_with(expected), "{path}: {second}");
        }
    }
    assert_eq!(versions(), before, "a patch that changes nothing moves no resourceVersion");
    eventually("nginx-deployment has 3 of 3", || {
        let text = kubectl.run(&["get", "deploy", "nginx-deployment"]);
        text.contains("3/3").then_some(())
    });
    for file in &files {
        kubectl.run(&["delete", "-f", file.to_str().unwrap(), "--wait=true"]);
    }
    eventually("no owned object survives its owner", || {
        let left = kubectl.run(&["get", "deploy,rs,pods", "-o", "name"]);
        left.is_empty().then_some(())
    });
}
