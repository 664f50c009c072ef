//! Real containers on this machine, through a containerd of the test's own and the kernel's nftables.

use crate::cluster::{Cluster, PATIENCE, eventually, skip};
use crate::kubectl::Kubectl;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const IMAGE: &str = "localhost/busybox:1";
/// Where Debian has the CNI plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// Two web servers that say who they are, ready while a file is there.
const WEB: &str = r#"{
  "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
  "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
      "name": "web", "image": "localhost/busybox:1",
      "command": ["sh", "-c", "mkdir -p /www; hostname > /www/index.html; touch /tmp/ready; exec httpd -f -p 8080 -h /www"],
      "readinessProbe": {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    }]}
  }}
}"#;

/// A running containerd; what it runs ends with it.
struct Containerd {
    process: Child,
    dir: tempfile::TempDir,
}

/// The addresses that the bridge's plugin has given to pods.
fn addresses() -> String {
    sh("ls /var/lib/cni/networks/kubekit 2>/dev/null | grep '^10[.]' || true")
}

fn missing() -> Option<String> {
    if sh("id -u") != "0\n" {
        return Some("root".to_owned());
    }
    let programs = ["containerd", "ctr", "runc", "busybox", "ip", "nft", "script", "unshare"];
    let program = programs.into_iter().find(|program| sh(&format!("command -v {program} || true")).is_empty());
    program.map(str::to_owned).or_else(|| (!Path::new(PLUGINS).join("bridge").exists()).then(|| PLUGINS.to_owned()))
}

/// Runs a script that must succeed; gives what it printed.
#[track_caller]
fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().expect("a shell");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Containerd {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = dir.path().display();
        std::fs::create_dir(dir.path().join("cni")).expect("a directory");
        let config = format!(
            r#"version = 2
root = "{at}/root"
state = "{at}/state"
[grpc]
address = "{at}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:1"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{at}/cni"
"#
        );
        std::fs::write(dir.path().join("config.toml"), config).expect("written");
        let log = std::fs::File::create(dir.path().join("containerd.log")).expect("a log");
        let mut command = Command::new("containerd");
        command.arg("--config").arg(dir.path().join("config.toml")).stdout(Stdio::null()).stderr(log);
        let started = Self { process: command.spawn().expect("containerd runs"), dir };
        let socket = started.socket();
        let start = Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < PATIENCE, "containerd did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        started.import();
        started
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("containerd.sock")
    }

    /// Makes an image of a static busybox, and one for sandboxes, and imports both.
    fn import(&self) {
        sh(&format!(
            r#"mkdir -p {at}/image; cd {at}/image; mkdir -p rootfs/bin rootfs/tmp rootfs/proc rootfs/etc
            cp $(command -v busybox) rootfs/bin/busybox
            for a in $(rootfs/bin/busybox --list); do [ $a = busybox ] || ln -s busybox rootfs/bin/$a; done
            echo root:x:0:0:root:/:/bin/sh > rootfs/etc/passwd
            tar -C rootfs -cf layer.tar .
            sum=$(sha256sum layer.tar | cut -d' ' -f1)
            case $(uname -m) in aarch64) arch=arm64;; *) arch=amd64;; esac
            image() {{
              printf '{{"architecture":"%s","os":"linux","config":{{"Cmd":[%s],"Env":["PATH=/bin"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:%s"]}}}}' $arch "$2" $sum > config.json
              printf '[{{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}}]' $1 > manifest.json
              tar -cf image.tar manifest.json config.json layer.tar
              for n in $(seq 20); do
                ctr -a {socket} -n k8s.io images import --snapshotter native image.tar && return 0; sleep 0.3
              done; return 1
            }}
            image {IMAGE} '"/bin/sh"'
            image localhost/pause:1 '"/bin/sleep","1000000000"'"#,
            at = self.dir.path().display(),
            socket = self.socket().display(),
        ));
    }

    /// The containers that run, sandboxes among them.
    fn running(&self) -> BTreeSet<String> {
        let list = sh(&format!("ctr -a {} -n k8s.io tasks ls -q", self.socket().display()));
        list.lines().map(str::to_owned).collect()
    }

    fn cluster(&self) -> Cluster {
        let endpoint = format!("unix://{}", self.socket().display());
        let network = self.dir.path().join("cni").display().to_string();
        let args = ["--runtime", "containerd", "--runtime-endpoint", &endpoint, "--cni-conf-dir", &network];
        Cluster::start_in(self.dir.path(), &args)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let (socket, at) = (self.socket(), self.dir.path().display());
        let script = format!(
            "for t in $(ctr -a {0} -n k8s.io tasks ls -q); do ctr -a {0} -n k8s.io tasks kill -s 9 $t || true; done; sleep 0.5",
            socket.display()
        );
        let quietly = |script: &str| {
            let _ = Command::new("sh").args(["-c", script]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        };
        quietly(&script);
        let _ = self.process.kill();
        let _ = self.process.wait();
        quietly(&format!("grep -o '{at}[^ ]*' /proc/mounts | sort -ru | xargs -r -n1 umount -l"));
    }
}

/// Whether this process has network and mounts of its own, so that no other run on this machine, whether it runs now or was
/// cut off before, can meet its bridge, its addresses and its rules. Else `test` is run once more in a process that has them:
/// an interface that leads nowhere gives the node an address, and the plugins keep what they note in memory.
#[track_caller]
fn alone(test: &str) -> bool {
    const ALONE: &str = "KUBEKIT_TEST_ALONE";
    const NETWORK: &str = r#"
        ip link set lo up
        ip link add eth0 type veth peer name world; ip link set world up; ip address add 198.51.100.10/24 dev eth0
        ip link set eth0 up; ip route add default dev eth0
        mkdir -p /var/lib/cni /run/netns
        mount -t tmpfs tmpfs /var/lib/cni; mount -t tmpfs tmpfs /run/netns
        exec "$0" --exact "$1" --nocapture"#;
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--propagation", "private", "--", "sh", "-ec", NETWORK]);
    command.arg(std::env::current_exe().expect("the tests")).arg(test).env(ALONE, "1").stdin(Stdio::null());
    let output = command.output().expect("unshare runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{test} did not run: {}", text(&output.stdout));
    false
}

#[test]
fn pods_are_real_containers() {
    if let Some(what) = missing() {
        return skip(&format!("{what} is missing"));
    }
    if !alone("containerd::pods_are_real_containers") {
        return;
    }
    let containerd = Containerd::start();
    let cluster = containerd.cluster();
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    kubectl.run(&["wait", "--for=create", "node/node-1", "--timeout=60s"]);
    kubectl.run(&["wait", "--for=condition=Ready", "node/node-1", "--timeout=60s"]);
    access(&kubectl);
    crash_loop(&kubectl);
    service(&kubectl);
    let (cluster, kubectl) = restart(&containerd, cluster);
    kubectl.run(&["delete", "deployment,service,pod", "--all", "--timeout=60s"]);
    nothing_is_left(&containerd, &kubectl);
    cluster.stop();
}

fn access(kubectl: &Kubectl) {
    let image = format!("--image={IMAGE}");
    let ticks = "i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done";
    kubectl.run(&["run", "a", &image, "--", "sh", "-c", ticks]);
    kubectl.run(&["wait", "--for=condition=Ready", "pod/a", "--timeout=60s"]);
    let follow = "kubectl=$0; shift 0; \"$kubectl\" logs -f a | head -n 8 | tail -n 1";
    let program = kubectl.command(&[]).get_program().to_owned();
    let script = |script: &str| {
        let mut command = kubectl.command(&[]);
        let variables: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
        command = Command::new("timeout");
        command.args(["60", "sh", "-ec", script]).arg(&program).envs(variables).stdin(Stdio::null());
        let output = command.output().expect("a shell");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(script(follow), "tick 8\n");
    let output = kubectl.output(&["exec", "a", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"out\n"[..]));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("err\n"));
    assert_eq!(script("echo in | \"$0\" exec -i a -- sh -c 'read line; echo got $line'"), "got in\n");
    let terminal = script("script -qec \"$0 exec -it a -- sh -c 'tty; echo done'\" /dev/null");
    assert!(terminal.contains("/dev/pts/") && terminal.contains("done"), "{terminal}");
}

fn crash_loop(kubectl: &Kubectl) {
    kubectl.run(&["run", "crash", &format!("--image={IMAGE}"), "--", "sh", "-c", "echo boom; exit 3"]);
    eventually("a container that crashes waits before it is started again", || {
        let row = kubectl.run(&["get", "pod", "crash", "--no-headers"]);
        let restarts =
            kubectl.run(&["get", "pod", "crash", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"]);
        (row.contains("CrashLoopBackOff") && restarts.parse::<u32>().is_ok_and(|restarts| restarts >= 1)).then_some(())
    });
    assert_eq!(kubectl.run(&["logs", "crash", "--previous"]), "boom\n");
    kubectl.run(&["delete", "pod", "crash", "--timeout=60s"]);
}

/// The names that a few connections to this address reach.
fn reached(address: &str) -> BTreeSet<String> {
    let answers = (0..10).filter_map(|_| {
        let url = format!("http://{address}/");
        let output = Command::new("timeout").args(["5", "busybox", "wget", "-qO-", &url]).output().expect("wget runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    answers.collect()
}

fn service(kubectl: &Kubectl) {
    kubectl.run_with_input(&["create", "-f", "-"], WEB);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    kubectl.run(&["expose", "deployment/web", "--port=80", "--target-port=8080", "--type=NodePort"]);
    let names = || -> BTreeSet<String> {
        let names = kubectl.run(&["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"]);
        names.split_whitespace().map(str::to_owned).collect()
    };
    let both = names();
    let value = |kind: &str, path: &str| kubectl.run(&["get", kind, "-o", &format!("jsonpath={path}")]);
    let cluster_ip = value("svc/web", "{.spec.clusterIP}");
    let node_ip = value("node/node-1", "{.status.addresses[0].address}");
    let node_port = format!("{node_ip}:{}", value("svc/web", "{.spec.ports[0].nodePort}"));
    for address in [&cluster_ip, &node_port] {
        eventually("both pods are reached through the service", || (reached(address) == both).then_some(()));
    }
    let first = both.first().expect("two pods").clone();
    kubectl.run(&["exec", &first, "--", "rm", "/tmp/ready"]);
    let others: BTreeSet<String> = both.iter().skip(1).cloned().collect();
    eventually("a pod that is not ready gets no traffic", || (reached(&cluster_ip) == others).then_some(()));
    kubectl.run(&["exec", &first, "--", "touch", "/tmp/ready"]);
    eventually("a pod that is ready again gets traffic", || (reached(&cluster_ip) == both).then_some(()));
    kubectl.run(&["delete", "pod", &first, "--wait=false"]);
    eventually("a pod that was deleted is replaced behind the service", || {
        let now = names();
        (now.len() == 2 && !now.contains(&first) && reached(&cluster_ip) == now).then_some(())
    });
}

/// The cluster's process dies; its containers do not notice.
fn restart(containerd: &Containerd, cluster: Cluster) -> (Cluster, Kubectl) {
    let before = containerd.running();
    cluster.kill();
    let cluster = containerd.cluster();
    let kubectl = Kubectl::find("1.32", &cluster).expect("it was there before");
    kubectl.run(&["wait", "--for=condition=Ready", "node/node-1", "--timeout=60s"]);
    kubectl.run(&["wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"]);
    // Work after the restart that every pod's worker has to get through.
    kubectl.run(&["exec", "a", "--", "true"]);
    assert_eq!(containerd.running(), before, "a restart of the cluster touches no running container");
    (cluster, kubectl)
}

fn nothing_is_left(containerd: &Containerd, kubectl: &Kubectl) {
    eventually("no pod is left", || kubectl.run(&["get", "pods", "-A", "-o", "name"]).is_empty().then_some(()));
    let socket = containerd.socket();
    eventually("no container and no sandbox is left", || {
        let left = sh(&format!("ctr -a {} -n k8s.io containers ls -q", socket.display()));
        (left.is_empty() && containerd.running().is_empty()).then_some(())
    });
    eventually("no network interface is left", || {
        sh("ip -o link show master kubekit0 2>/dev/null || true").is_empty().then_some(())
    });
    eventually("no address is taken", || addresses().is_empty().then_some(()));
    eventually("no rule of the service is left", || (!sh("nft list ruleset").contains("default/web")).then_some(()));
}
