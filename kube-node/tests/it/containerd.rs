//! A containerd of the test's own, with an image made on the spot. Needs root, containerd, runc, the CNI plugins and a static
//! busybox; a test that finds one missing says so and is skipped, unless `CI=true`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kubekit_node::Config;
use kubekit_node::logs::rotation::Limits;
use kubekit_node::runtime::conformance;
use kubekit_node::runtime::cri::Cri;
use kubekit_node::runtime::{ContainerRuntime, Filter, LogOptions};
use kubekit_runtime::{Api, DeleteParams, Patch};
use serde_json::json;

use crate::agent::{self, Fixture};

/// The image that the tests run.
pub(crate) const IMAGE: &str = "localhost/busybox:1";

/// A running containerd; it is ended with the value.
#[derive(Debug)]
pub(crate) struct Containerd {
    process: Child,
    pub(crate) root: tempfile::TempDir,
    pub(crate) bridge: String,
    /// The addresses of its pods.
    pub(crate) range: String,
}

/// A range of addresses for the pods of one of a few tests: one of the 65,536 of 64 addresses within 100.64.0.0/10. Hardly
/// another run on this machine uses it (the numbers of their processes would have to agree modulo 16,384), whether it runs
/// now or was cut off before and has left its bridge behind.
fn range(number: u32) -> String {
    let base = 0x6440_0000 + ((std::process::id() * 4 + number) % 65_536) * 64;
    format!("{}/26", std::net::Ipv4Addr::from(base))
}

fn missing() -> Option<String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root {
        return Some("root".into());
    }
    for program in ["containerd", "ctr", "runc", "busybox", "ip"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(program.into());
        }
    }
    (!Path::new("/usr/lib/cni/bridge").exists()).then(|| "/usr/lib/cni/bridge".into())
}

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().expect("a shell");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

impl Containerd {
    /// Starts the one of the test with this number, less than four; none when something is missing.
    #[expect(clippy::print_stdout, reason = "who runs the tests should see what was skipped")]
    pub(crate) async fn start(number: u32) -> Option<Self> {
        if let Some(what) = missing() {
            assert!(std::env::var("CI").is_err(), "{what} is missing");
            println!("skipped: this test needs {what}");
            return None;
        }
        let root = tempfile::tempdir().expect("a directory");
        let path = |name: &str| root.path().join(name).display().to_string();
        let (bridge, range) = (format!("kk{}-{number}", std::process::id()), range(number));
        let network = format!(
            r#"{{"cniVersion":"0.4.0","name":"test","plugins":[{{"type":"bridge","bridge":"{bridge}","isGateway":true,
            "ipMasq":false,"ipam":{{"type":"host-local","dataDir":"{}","ranges":[[{{"subnet":"{range}"}}]]}}}}]}}"#,
            path("ipam")
        );
        fs::create_dir(root.path().join("cni")).expect("a directory");
        fs::write(root.path().join("cni/10-test.conflist"), network).expect("written");
        let config = format!(
            r#"version = 2
root = "{root}"
state = "{state}"
[grpc]
address = "{socket}"
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
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}"
"#,
            root = path("root"),
            state = path("state"),
            socket = path("containerd.sock"),
            cni = path("cni"),
        );
        fs::write(root.path().join("config.toml"), config).expect("written");
        let log = fs::File::create(root.path().join("log")).expect("a file");
        let process = Command::new("containerd")
            .args(["--config", &path("config.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd");
        let started = Self { process, root, bridge, range };
        started.import();
        Some(started)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root.path().join("containerd.sock")
    }

    /// Makes an image of a static busybox, and one for sandboxes, and imports both.
    fn import(&self) {
        let directory = self.root.path().join("image");
        sh(&format!(
            r#"mkdir -p {d}/rootfs/bin {d}/rootfs/tmp {d}/rootfs/proc {d}/rootfs/etc; cd {d}
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
              for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
                ctr -a {socket} -n k8s.io images import --snapshotter native image.tar && return 0; sleep 0.3
              done; return 1
            }}
            image {IMAGE} '"/bin/sh"'
            image localhost/pause:1 '"/bin/sleep","1000000000"'"#,
            d = directory.display(),
            socket = self.socket().display(),
        ));
    }

    /// Network interfaces that hang on the test's bridge.
    pub(crate) fn interfaces(&self) -> Vec<String> {
        let output = Command::new("ip").args(["-o", "link", "show", "master", &self.bridge]).output().expect("ip");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let socket = self.socket().display().to_string();
        let script = format!(
            "for t in $(ctr -a {socket} -n k8s.io tasks ls -q); do ctr -a {socket} -n k8s.io tasks kill -s 9 $t || true; done; sleep 0.5"
        );
        let _ = Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
        let root = self.root.path().display();
        let script = format!(
            "grep -o '{root}[^ ]*' /proc/mounts | sort -ru | xargs -r -n1 umount -l; ip link delete {} || true",
            self.bridge
        );
        let _ = Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Waits until the runtime says that it can work.
pub(crate) async fn ready(runtime: &Cri) {
    for _ in 0..100 {
        if runtime
            .status()
            .await
            .is_ok_and(|status| status.runtime_problem.is_none() && status.network_problem.is_none())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("containerd is not ready: {:?}", runtime.status().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(containerd) = Containerd::start(0).await else { return };
    let runtime = Cri::new(&containerd.socket().display().to_string());
    ready(&runtime).await;
    let logs = containerd.root.path().join("logs").display().to_string();
    conformance::run(&conformance::Fixture { runtime: &runtime, image: IMAGE, log_root: &logs }).await;
    assert!(containerd.interfaces().is_empty(), "an interface is left");
}

fn config(containerd: &Containerd) -> Config {
    let mut config = Config::new("real");
    config.addresses = vec!["127.0.0.1".into()];
    config.root_directory = containerd.root.path().join("node");
    config.log_directory = containerd.root.path().join("logs");
    config.volume_refresh = Duration::from_secs(1);
    config.pod_cidr = Some(containerd.range.clone());
    config.container_logs = Limits { bytes_max: 20_000, files_max: 3, interval: Duration::from_millis(200) };
    config
}

fn id_of(pod: &Pod) -> String {
    let id = agent::first(pod).container_id.expect("an identifier");
    id.strip_prefix("containerd://").expect("of containerd").to_owned()
}

/// Writes ten times as much as a log may hold; who follows it misses no line.
async fn a_long_log_is_rotated_while_it_is_followed(fixture: &Fixture, logs: &Path) {
    const LINES: usize = 5_000;
    let command = format!(
        "sleep 1; i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); [ $((i%100)) != 0 ] || sleep 0.05; done; sleep 3600"
    );
    fixture.create("loud", pod(&command)).await;
    let id = id_of(&fixture.until("loud", "ready", agent::is_ready).await);
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let log = fixture.runtime.logs(&id, &options).await.expect("a log");
    let lines: Vec<String> = log
        .take(LINES)
        .map(|entry| String::from_utf8_lossy(&entry.expect("an entry").text).into_owned())
        .collect()
        .await;
    let lost = lines.iter().enumerate().find(|(number, line)| **line != format!("line {number}\n"));
    assert_eq!(lost, None);
    let mut files = Vec::new();
    for directory in fs::read_dir(logs).expect("logs").flatten() {
        if directory.file_name().to_string_lossy().starts_with("default_loud_") {
            files.extend(fs::read_dir(directory.path().join("a")).expect("a log").flatten());
        }
    }
    assert!((2..=3).contains(&files.len()), "{files:?}");
}

/// A link that one container writes must not give the next one the node.
async fn a_sub_path_does_not_lead_out_of_its_volume(fixture: &Fixture) {
    let mut spec = pod("sleep 3600");
    let main = &mut spec["containers"][0];
    let mut init = main.clone();
    main["volumeMounts"] = json!([{"name": "v", "mountPath": "/mnt", "subPath": "out"}]);
    init["name"] = json!("init");
    init["command"] = json!(["ln", "-s", "/", "/v/out"]);
    init["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    spec["initContainers"] = json!([init]);
    spec["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    fixture.create("escapes", spec).await;
    let pod = fixture.until("escapes", "refused", |pod| agent::waiting(pod) == "CreateContainerConfigError").await;
    let waiting = agent::first(&pod).state.and_then(|state| state.waiting).and_then(|waiting| waiting.message);
    let message = waiting.expect("a message");
    assert!(message.starts_with("failed to prepare subPath for volumeMount \"v\" of container \"a\""), "{message}");
}

fn pod(command: &str) -> serde_json::Value {
    json!({"terminationGracePeriodSeconds": 2, "containers": [{
        "name": "a", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", command],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"limits": {"memory": "64Mi"}},
        "volumeMounts": [{"name": "cm", "mountPath": "/cm"}, {"name": "mem", "mountPath": "/mem"}],
    }], "volumes": [{"name": "cm", "configMap": {"name": "cm"}}, {"name": "mem", "emptyDir": {"medium": "Memory"}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_in_real_containers() {
    let Some(containerd) = Containerd::start(1).await else { return };
    let runtime = Cri::new(&containerd.socket().display().to_string());
    ready(&runtime).await;
    let runtime: Arc<dyn ContainerRuntime> = Arc::new(runtime);
    let fixture = Fixture::start(agent::client().await, Arc::clone(&runtime), config(&containerd)).await;
    let config_maps = Api::<ConfigMap>::namespaced(fixture.client.clone(), "default");
    let config_map = |text: &str| -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"name": "cm"}, "data": {"text": text}})).expect("a ConfigMap")
    };
    config_maps.create(&config_map("first")).await.expect("created");

    fixture.create("real", pod("echo at $IP; cat /cm/text; echo; sleep 3600")).await;
    let started = fixture.until("real", "ready", agent::is_ready).await;
    let ip = started.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
    let id = id_of(&started);
    // The container is ready as soon as it runs; what it says comes after.
    let lines: Vec<String> = runtime
        .logs(&id, &LogOptions { follow: true, ..LogOptions::default() })
        .await
        .expect("a log")
        .take(2)
        .map(|entry| String::from_utf8_lossy(&entry.expect("an entry").text).trim().to_owned())
        .collect()
        .await;
    assert_eq!(lines, [format!("at {ip}"), "first".to_owned()]);
    let hosts = runtime.exec_sync(&id, &["cat".into(), "/etc/hosts".into()], None).await.expect("exec");
    assert!(String::from_utf8_lossy(&hosts.stdout).contains(&format!("{ip}\treal")));
    let memory = runtime.exec_sync(&id, &["grep".into(), " /mem ".into(), "/proc/mounts".into()], None).await;
    assert!(String::from_utf8_lossy(&memory.expect("exec").stdout).contains("tmpfs"));

    // A ConfigMap changes in the running container.
    config_maps
        .patch("cm", &Default::default(), &Patch::Merge(json!({"data": {"text": "second"}})))
        .await
        .expect("patched");
    let mut seen = Vec::new();
    for _ in 0..300 {
        seen = runtime.exec_sync(&id, &["cat".into(), "/cm/text".into()], None).await.expect("exec").stdout.to_vec();
        if seen == b"second" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(String::from_utf8_lossy(&seen), "second");

    // A crash is restarted, then waits.
    fixture.create("crash", pod("exit 3")).await;
    let crashed = fixture.until("crash", "in a crash loop", |pod| agent::waiting(pod) == "CrashLoopBackOff").await;
    let last = agent::first(&crashed).last_state.and_then(|state| state.terminated).expect("an end");
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));

    a_long_log_is_rotated_while_it_is_followed(&fixture, &containerd.root.path().join("logs")).await;
    a_sub_path_does_not_lead_out_of_its_volume(&fixture).await;

    // The agent goes and comes back; the container does not notice.
    let (client, runtime, config) = fixture.stop().await;
    let fixture = Fixture::start(client, runtime, config).await;
    let after = fixture.until("real", "ready", agent::is_ready).await;
    assert_eq!(agent::first(&after).container_id, agent::first(&started).container_id);

    for name in ["real", "crash", "loud", "escapes"] {
        fixture.pods().delete(name, &DeleteParams::default()).await.expect("deleted");
        fixture.until_gone(name).await;
    }
    assert!(fixture.runtime.list_sandboxes(&Filter::default()).await.expect("a list").is_empty(), "a sandbox is left");
    assert!(
        fixture.runtime.list_containers(&Filter::default()).await.expect("a list").is_empty(),
        "a container is left"
    );
    assert!(containerd.interfaces().is_empty(), "an interface is left");
    let left = |path: PathBuf| fs::read_dir(path).map_or(0, Iterator::count);
    assert_eq!(left(containerd.root.path().join("logs")), 0, "logs are left");
    assert_eq!(left(containerd.root.path().join("node/pods")), 0, "volumes are left");
    fixture.stop().await;
}
