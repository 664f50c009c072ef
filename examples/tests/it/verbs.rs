//! What people type: the other verbs of kubectl.

use crate::cluster::{Cluster, eventually};
use crate::kubectl::Kubectl;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_verbs_work_under_kubectl_1_27() {
    the_verbs_work("1.27");
}

#[test]
fn the_verbs_work_under_kubectl_1_32() {
    the_verbs_work("1.32");
}

#[test]
fn the_verbs_work_under_kubectl_1_33() {
    the_verbs_work("1.33");
}

fn the_verbs_work(version: &str) {
    let cluster = Cluster::start(&[]);
    let Some(kubectl) = Kubectl::find(version, &cluster) else { return };
    creates(&kubectl);
    changes(&kubectl);
    questions(&kubectl);
    nodes(&kubectl);
    watches(&kubectl);
    namespace_deletion_leaves_nothing(&kubectl);
}

fn creates(kubectl: &Kubectl) {
    kubectl.run(&["create", "ns", "team"]);
    kubectl.run(&["-n", "team", "create", "secret", "generic", "s", "--from-literal=password=hunter2"]);
    assert_eq!(kubectl.run(&["-n", "team", "get", "secret", "s", "-o", "jsonpath={.data.password}"]), "aHVudGVyMg==");
    kubectl.run(&["-n", "team", "create", "configmap", "c", "--from-literal=a=1"]);
    kubectl.run(&["-n", "team", "run", "p", "--image=busybox", "--labels=app=p"]);
    kubectl.run(&["-n", "team", "wait", "--for=condition=Ready", "pod/p", "--timeout=60s"]);
    kubectl.run(&["-n", "team", "expose", "pod", "p", "--port=80"]);
    let error = kubectl.fails(&["create", "ns", "team"]);
    assert!(error.contains(r#"Error from server (AlreadyExists): namespaces "team" already exists"#), "{error}");
}

fn changes(kubectl: &Kubectl) {
    let value = |path: &str| kubectl.run(&["-n", "team", "get", "cm", "c", "-o", &format!("jsonpath={path}")]);
    kubectl.run(&["-n", "team", "label", "cm", "c", "tier=one"]);
    assert_eq!(value("{.metadata.labels.tier}"), "one");
    assert!(kubectl.fails(&["-n", "team", "label", "cm", "c", "tier=two"]).contains("already has a value"));
    kubectl.run(&["-n", "team", "label", "cm", "c", "tier-"]);
    kubectl.run(&["-n", "team", "annotate", "cm", "c", "note=hello"]);
    assert_eq!(value("{.metadata.annotations.note}"), "hello");
    for (kind, patch, expected) in [
        ("merge", r#"{"data":{"b":"2"}}"#, "2"),
        ("json", r#"[{"op":"replace","path":"/data/b","value":"3"}]"#, "3"),
        ("strategic", r#"{"data":{"b":"4"}}"#, "4"),
    ] {
        kubectl.run(&["-n", "team", "patch", "cm", "c", "--type", kind, "-p", patch]);
        assert_eq!(value("{.data.b}"), expected, "{kind}");
    }
    let edited = kubectl
        .command(&["-n", "team", "edit", "cm", "c"])
        .env("KUBE_EDITOR", "sed -i s/\\\"4\\\"/\\\"5\\\"/")
        .output()
        .expect("kubectl runs");
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    assert_eq!(value("{.data.b}"), "5");
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied, namespace: team}\ndata: {a: '1'}\n";
    kubectl.run_with_input(&["apply", "-f", "-"], manifest);
    let diff = kubectl.output_with_input(&["diff", "-f", "-"], &manifest.replace("'1'", "'2'"));
    assert_eq!(diff.status.code(), Some(1), "{}", String::from_utf8_lossy(&diff.stderr));
    assert!(String::from_utf8_lossy(&diff.stdout).contains("+  a: \"2\""));
    assert_eq!(kubectl.output_with_input(&["diff", "-f", "-"], manifest).status.code(), Some(0));
    let applied = kubectl.run_with_input(&["apply", "--server-side", "-f", "-"], manifest);
    assert!(applied.contains("serverside-applied"), "{applied}");
}

fn questions(kubectl: &Kubectl) {
    let explained = kubectl.run(&["explain", "pod.spec.containers"]);
    assert!(explained.contains("List of containers belonging to the pod."), "{explained}");
    assert!(explained.contains("image") && explained.contains("<string>"), "{explained}");
    assert_eq!(kubectl.run(&["auth", "can-i", "create", "pods"]).trim(), "yes");
    let denied = kubectl.output(&["auth", "can-i", "create", "pods", "--as=nobody"]);
    assert_eq!(String::from_utf8_lossy(&denied.stdout).trim(), "no");
    let forbidden = kubectl.fails(&["get", "pods", "--as=nobody"]);
    let expected =
        r#"pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "default""#;
    assert!(forbidden.contains(expected), "{forbidden}");
    let resources = kubectl.run(&["api-resources"]);
    for line in [
        "deployments deploy apps/v1 true Deployment",
        "nodes no v1 false Node",
        "leases coordination.k8s.io/v1 true Lease",
    ] {
        let found = resources.lines().any(|row| row.split_whitespace().eq(line.split(' ')));
        assert!(found, "no line {line} in:\n{resources}");
    }
    assert!(kubectl.run(&["cluster-info"]).contains("Kubernetes control plane"));
    assert!(kubectl.run(&["version"]).contains("v1.36.0"));
}

fn nodes(kubectl: &Kubectl) {
    let ready = eventually("three nodes are ready", || {
        let text = kubectl.run(&["get", "nodes", "--no-headers"]);
        (text.lines().filter(|line| line.split_whitespace().nth(1) == Some("Ready")).count() == 3).then_some(text)
    });
    let node = ready.split_whitespace().next().expect("a node").to_owned();
    kubectl.run(&["taint", "nodes", &node, "dedicated=x:NoSchedule"]);
    kubectl.run(&["taint", "nodes", &node, "dedicated-"]);
    kubectl.run(&["create", "deployment", "spread", "--image=nginx", "--replicas=6"]);
    kubectl.run(&["rollout", "status", "deployment/spread", "--timeout=60s"]);
    kubectl.run(&["cordon", &node]);
    assert!(kubectl.run(&["get", "node", &node]).contains("SchedulingDisabled"));
    kubectl.run(&["drain", &node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s"]);
    eventually("a drained node's pods run elsewhere", || {
        let pods = kubectl.run(&["get", "pods", "-l", "app=spread", "-o", "wide", "--no-headers"]);
        let running = pods.lines().filter(|line| line.contains("Running") && !line.contains(&node)).count();
        (running == 6 && pods.lines().count() == 6).then_some(())
    });
    kubectl.run(&["uncordon", &node]);
    kubectl.run(&["delete", "deployment", "spread"]);
}

fn watches(kubectl: &Kubectl) {
    let mut watch = kubectl
        .command(&["get", "cm", "-w", "-o", "name"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl runs");
    let lines = BufReader::new(watch.stdout.take().expect("stdout was asked for")).lines();
    kubectl.run(&["create", "configmap", "seen", "--from-literal=a=1"]);
    let seen = lines.map_while(Result::ok).any(|line| line == "configmap/seen");
    watch.kill().expect("the watch still runs");
    watch.wait().expect("the watch ends");
    assert!(seen);
    kubectl.run(&["delete", "configmap", "seen"]);
}

fn namespace_deletion_leaves_nothing(kubectl: &Kubectl) {
    kubectl.run(&["delete", "namespace", "team", "--timeout=60s"]);
    let error = kubectl.fails(&["get", "namespace", "team"]);
    assert!(error.contains(r#"namespaces "team" not found"#), "{error}");
    for kind in ["pods", "secrets", "configmaps", "services", "endpointslices", "serviceaccounts", "events"] {
        let left =
            kubectl.run(&["get", kind, "-A", "-o", "jsonpath={.items[?(@.metadata.namespace=='team')].metadata.name}"]);
        assert_eq!(left, "", "{kind}");
    }
}
