//! A cluster of separate processes, one of whose nodes falls silent, comes back, and is killed.

use crate::cluster::{PATIENCE, eventually};
use crate::kubectl::Kubectl;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// A process that is killed when dropped.
struct Process(Child);

impl Process {
    fn start(program: &str, dir: &Path, log: &str, args: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(dir.join(log)).expect("a log");
        let mut command = Command::new(program);
        command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log);
        Self(command.spawn().expect("the program runs"))
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "kill {name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processes of a cluster.
struct Processes {
    kubelets: Vec<Process>,
    _control: [Process; 3],
    dir: tempfile::TempDir,
}

impl Processes {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = dir.path();
        let mut args = vec!["--listen", "127.0.0.1:0", "--quiet", "--data-dir", "data", "--kubeconfig-dir", "conf"];
        args.extend(NODES.iter().flat_map(|node| ["--node", node]));
        let apiserver = Process::start(env!("CARGO_BIN_EXE_apiserver"), at, "apiserver.log", &args);
        // The last file that it writes.
        wait_for(&at.join("conf/kubelet-node-3.key"), &at.join("apiserver.log"));
        let manager = [
            "--kubeconfig",
            "conf/controller-manager.conf",
            "--node-monitor-period",
            "500ms",
            "--node-monitor-grace-period",
            "5s",
        ];
        let manager = Process::start(env!("CARGO_BIN_EXE_controller-manager"), at, "manager.log", &manager);
        let scheduler = ["--kubeconfig", "conf/scheduler.conf"];
        let scheduler = Process::start(env!("CARGO_BIN_EXE_scheduler"), at, "scheduler.log", &scheduler);
        let kubelets = NODES.iter().map(|node| kubelet(at, node)).collect();
        Self { kubelets, _control: [apiserver, manager, scheduler], dir }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("conf/admin.conf")
    }
}

fn kubelet(dir: &Path, node: &str) -> Process {
    let kubeconfig = format!("conf/kubelet-{node}.conf");
    let mut args = vec!["--kubeconfig", &kubeconfig, "--node-name", node, "--root-dir", node, "--pod-logs-dir", "logs"];
    args.extend(["--listen", "127.0.0.1:0", "--node-lease-duration", "4s"]);
    Process::start(env!("CARGO_BIN_EXE_kubelet"), dir, &format!("{node}.log"), &args)
}

fn wait_for(file: &Path, log: &Path) {
    let start = Instant::now();
    while !file.exists() {
        let log = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(start.elapsed() < PATIENCE, "{} was not written: {}", file.display(), log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn deployment() -> Value {
    let toleration = |key: &str| {
        serde_json::json!({
            "key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1,
        })
    };
    serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 6,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "tolerations": [toleration("unreachable"), toleration("not-ready")],
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "web", "image": "nginx"}],
                },
            },
        },
    })
}

/// The nodes of the pods that are ready and not on their way out, in order.
fn places(kubectl: &Kubectl) -> Vec<String> {
    let pods = kubectl.json(&["get", "pods", "-l", "app=web"]);
    let ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True");
        ready && pod["metadata"]["deletionTimestamp"].is_null()
    };
    let pods = pods["items"].as_array().expect("a list");
    let mut places: Vec<String> =
        pods.iter().filter(ready).filter_map(|pod| pod["spec"]["nodeName"].as_str()).map(str::to_owned).collect();
    places.sort();
    places
}

fn readiness(kubectl: &Kubectl, node: &str) -> String {
    kubectl.run(&["get", "node", node, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"])
}

#[test]
fn a_node_that_falls_silent_is_replaced_and_used_again() {
    let mut processes = Processes::start();
    let Some(kubectl) = Kubectl::with("1.32", processes.kubeconfig()) else { return };
    for node in NODES {
        eventually("every node is ready", || {
            let output = kubectl.output(&["wait", "--for=condition=Ready", &format!("node/{node}"), "--timeout=5s"]);
            output.status.success().then_some(())
        });
    }
    kubectl.run_with_input(&["create", "-f", "-"], &deployment().to_string());
    kubectl.run(&["expose", "deployment/web", "--port=80"]);
    eventually("pods run on every node", || {
        let places = places(&kubectl);
        (places.len() == 6 && NODES.iter().all(|node| places.iter().any(|place| place == node))).then_some(())
    });
    assert_eq!(
        kubectl.run(&["exec", "deployment/web", "--", "echo", "through", "the", "agent"]),
        "through the agent\n"
    );

    processes.kubelets[2].signal("-STOP");
    falls_silent(&kubectl);
    processes.kubelets[2].signal("-CONT");
    comes_back(&kubectl);

    // A new process takes the place of one that was killed.
    processes.kubelets[2].signal("-KILL");
    processes.kubelets[2] = kubelet(processes.dir.path(), NODES[2]);
    eventually("all pods run after a kubelet was killed and started again", || {
        let pods = kubectl.run(&["get", "pods", "-l", "app=web", "-o", "name"]).lines().count();
        (places(&kubectl).len() == 8 && pods == 8 && readiness(&kubectl, NODES[2]) == "True").then_some(())
    });
}

fn falls_silent(kubectl: &Kubectl) {
    eventually("a silent node is not ready", || (readiness(kubectl, NODES[2]) == "Unknown").then_some(()));
    let row = kubectl.run(&["get", "node", NODES[2], "--no-headers"]);
    assert_eq!(row.split_whitespace().nth(1), Some("NotReady"), "{row}");
    eventually("its pods are replaced elsewhere", || {
        let places = places(kubectl);
        (places.len() == 6 && !places.iter().any(|place| place == NODES[2])).then_some(())
    });
    eventually("its pods get no traffic", || {
        let slices = kubectl.json(&["get", "endpointslices", "-l", "kubernetes.io/service-name=web"]);
        let endpoints = slices["items"].as_array()?.iter().flat_map(|slice| slice["endpoints"].as_array());
        let ready: Vec<&Value> = endpoints.flatten().filter(|one| one["conditions"]["ready"] == true).collect();
        (ready.len() == 6 && ready.iter().all(|one| one["nodeName"] != NODES[2])).then_some(())
    });
    let events = kubectl.run(&["get", "events", "-A"]);
    assert!(events.contains("NodeNotReady"), "{events}");
}

fn comes_back(kubectl: &Kubectl) {
    eventually("a node that is back is ready and has no taint", || {
        let taints = kubectl.run(&["get", "node", NODES[2], "-o", "jsonpath={.spec.taints}"]);
        (readiness(kubectl, NODES[2]) == "True" && ["", "[]"].contains(&taints.as_str())).then_some(())
    });
    eventually("the pods that it had are gone", || {
        (kubectl.run(&["get", "pods", "-l", "app=web", "-o", "name"]).lines().count() == 6).then_some(())
    });
    kubectl.run(&["cordon", NODES[0], NODES[1]]);
    kubectl.run(&["scale", "deployment/web", "--replicas=8"]);
    eventually("new pods run on the node that is back", || {
        let places = places(kubectl);
        (places.len() == 8 && places.iter().filter(|place| *place == NODES[2]).count() == 2).then_some(())
    });
    kubectl.run(&["uncordon", NODES[0], NODES[1]]);
}
