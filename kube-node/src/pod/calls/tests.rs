//! Endpoints on the loopback interface.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::pod::fixture::{container, pod};
use crate::runtime::container::ContainerConfig;
use crate::runtime::sandbox::SandboxConfig;
use crate::runtime::simulated::{Config, Simulated};

/// A listener that answers every request with this status.
async fn listener(status: &'static str) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1_024];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    (port, task)
}

async fn probe(json: &str) -> Outcome {
    let runtime: Arc<dyn ContainerRuntime> =
        Arc::new(Simulated::new(Config::default(), Arc::new(kubekit_runtime::environment::SystemClock)));
    let (pod, container) = (pod("Always", vec![], vec![]), container("a"));
    let target = Target::new(&*runtime, &pod, &container, "absent", Some("127.0.0.1"), None);
    target.probe(ProbeKind::Readiness, &serde_json::from_str(json).expect("a probe")).await
}

#[tokio::test]
async fn http_and_tcp() {
    let (port, task) = listener("204 No Content").await;
    assert_eq!(probe(&format!(r#"{{"httpGet":{{"port":{port},"path":"healthz"}}}}"#)).await, Outcome::Success);
    assert_eq!(probe(&format!(r#"{{"tcpSocket":{{"port":{port}}}}}"#)).await, Outcome::Success);
    task.abort();
    let (port, task) = listener("500 Broken").await;
    let failure = Outcome::Failure("HTTP probe failed with statuscode: 500".into());
    assert_eq!(probe(&format!(r#"{{"httpGet":{{"port":{port}}}}}"#)).await, failure);
    task.abort();
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(probe(&format!(r#"{{"tcpSocket":{{"port":{port}}}}}"#)).await, Outcome::Failure(refused.clone()));
    let http = Outcome::Failure(format!("Get \"http://127.0.0.1:{port}/\": {refused}"));
    assert_eq!(probe(&format!(r#"{{"httpGet":{{"port":{port}}}}}"#)).await, http);
}

#[test]
fn ports_by_name() {
    let ports = [ContainerPort { name: Some("web".into()), container_port: 8080, ..ContainerPort::default() }];
    assert_eq!(port(&IntOrString::String("web".into()), &ports), Ok(8080));
    assert_eq!(port(&IntOrString::Int(80), &ports), Ok(80));
    assert!(port(&IntOrString::String("gone".into()), &ports).is_err());
    assert!(port(&IntOrString::Int(70_000), &ports).is_err());
}

/// What an HTTP endpoint is asked by a probe or a hook with this action, and what they make of its answer.
async fn asked(kind: Option<ProbeKind>, status: &'static str, action: &str) -> (String, Result<(), String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answering = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut request).await.expect("readable") > 0);
        }
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nbody");
        stream.write_all(answer.as_bytes()).await.expect("written");
        String::from_utf8(request).expect("text")
    };
    let runtime = runtime();
    let (pod, container) = (pod("Always", vec![], vec![]), container("a"));
    let target = Target::new(&runtime, &pod, &container, "absent", Some("127.0.0.1"), None);
    let action = format!(r#"{{"httpGet":{{"port":{port}{action}}}}}"#);
    let asking = async {
        match kind {
            Some(kind) => match target.probe(kind, &serde_json::from_str(&action).expect("a probe")).await {
                Outcome::Success => Ok(()),
                Outcome::Failure(problem) => Err(problem),
            },
            None => target.hook(&serde_json::from_str(&action).expect("a hook"), Duration::from_secs(5)).await,
        }
    };
    let (request, outcome) = futures::join!(answering, asking);
    (request.replace(&port.to_string(), "PORT"), outcome)
}

#[tokio::test]
async fn what_an_endpoint_is_asked() {
    let probe = Some(ProbeKind::Liveness);
    let (request, outcome) = asked(probe, "200 OK", "").await;
    assert_eq!(outcome, Ok(()));
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    for header in ["accept: */*", "user-agent: kube-probe/1.36", "host: 127.0.0.1:PORT", "connection: close"] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header} is missing: {request}");
    }
    let own = r#","path":"up?x=1","httpHeaders":[{"name":"Host","value":"web"},{"name":"User-Agent","value":"me"},{"name":"X","value":"1"},{"name":"X","value":"2"}]"#;
    let (request, _) = asked(probe, "200 OK", own).await;
    assert!(request.starts_with("GET /up?x=1 HTTP/1.1\r\n"), "{request}");
    for (header, count) in [("host: web", 1), ("user-agent: me", 1), ("host:", 1), ("user-agent:", 1), ("x: ", 2)] {
        assert_eq!(request.matches(&format!("\r\n{header}")).count(), count, "{header}: {request}");
    }
    let (request, _) = asked(None, "200 OK", "").await;
    assert!(request.contains("user-agent: kube-lifecycle/1.36"), "{request}");
}

#[tokio::test]
async fn a_probe_heeds_the_code_and_a_hook_does_not() {
    let probe = Some(ProbeKind::Readiness);
    for (status, code) in [
        ("200 OK", None),
        ("204 Gone", None),
        ("302 Elsewhere", None),
        ("399 X", None),
        ("404 No", Some(404)),
        ("500 Bad", Some(500)),
    ] {
        let expected = code.map_or(Ok(()), |code| Err(format!("HTTP probe failed with statuscode: {code}")));
        assert_eq!(asked(probe, status, "").await.1, expected, "{status}");
        assert_eq!(asked(None, status, "").await.1, Ok(()), "{status}");
    }
}

fn runtime() -> Simulated {
    Simulated::new(Config::default(), Arc::new(kubekit_runtime::environment::SystemClock))
}

/// A container that runs; its identifier.
async fn running(runtime: &Simulated) -> String {
    runtime.set_pod_cidr("10.7.0.0/24").await.expect("a range");
    let sandbox = SandboxConfig::default();
    let id = runtime.run_sandbox(&sandbox).await.expect("a sandbox");
    let image = runtime.pull_image("busybox:1", None, &sandbox).await.expect("an image");
    let config = ContainerConfig { image, command: vec!["sleep".into(), "3600".into()], ..ContainerConfig::default() };
    let id = runtime.create_container(&id, &config, &sandbox).await.expect("a container");
    runtime.start_container(&id).await.expect("started");
    id
}

/// What a command finds as a probe, in a container with the variables `A=1`, `A=2` and one from elsewhere.
async fn command(script: &str, timeout_seconds: i32) -> Outcome {
    let runtime = runtime();
    let id = running(&runtime).await;
    let mut container = container("a");
    let env = r#"[{"name":"A","value":"1"},{"name":"A","value":"2"},{"name":"B","valueFrom":{}}]"#;
    container.env = Some(serde_json::from_str(env).expect("variables"));
    let pod = pod("Always", vec![], vec![container.clone()]);
    let target = Target::new(&runtime, &pod, &container, &id, None, None);
    let exec = k8s_openapi::api::core::v1::ExecAction { command: Some(["sh", "-c", script].map(str::to_owned).into()) };
    let probe = Probe { exec: Some(exec), timeout_seconds: Some(timeout_seconds), ..Probe::default() };
    target.probe(ProbeKind::Readiness, &probe).await
}

#[tokio::test(start_paused = true)]
async fn commands_as_probes() {
    let failure = |text: &str| Outcome::Failure(text.into());
    assert_eq!(command("exit 0", 1).await, Outcome::Success);
    assert_eq!(command("echo out; echo err >&2; exit 3", 1).await, failure("out\nerr\n"));
    assert_eq!(command("echo $(A); exit 1", 1).await, failure("2\n"), "the last of a name counts");
    assert_eq!(command("sleep 3; exit 0", 5).await, Outcome::Success);
    let late = r#"command timed out: ["sh", "-c", "sleep 3; exit 0"] timed out after 2s"#;
    assert_eq!(command("sleep 3; exit 0", 2).await, failure(late));
}

#[tokio::test(start_paused = true)]
async fn hooks_sleep_no_longer_than_they_may() {
    let (runtime, container) = (runtime(), container("a"));
    let pod = pod("Always", vec![], vec![]);
    let target = Target::new(&runtime, &pod, &container, "absent", None, None);
    for (seconds, expected) in [(3, 3), (60, 10), (-1, 0)] {
        let hook = serde_json::from_str(&format!(r#"{{"sleep":{{"seconds":{seconds}}}}}"#)).expect("a hook");
        let began = tokio::time::Instant::now();
        target.hook(&hook, Duration::from_secs(10)).await.expect("slept");
        assert_eq!(began.elapsed().as_secs(), expected);
    }
}

#[tokio::test]
async fn a_command_as_a_hook_tells_how_it_failed() {
    let runtime = runtime();
    let id = running(&runtime).await;
    let (pod, container) = (pod("Always", vec![], vec![]), container("a"));
    let target = Target::new(&runtime, &pod, &container, &id, None, None);
    let hook = async |script: &str| {
        let hook = format!(r#"{{"exec":{{"command":["sh","-c","{script}"]}}}}"#);
        target.hook(&serde_json::from_str(&hook).expect("a hook"), Duration::from_secs(5)).await
    };
    assert_eq!(hook("exit 0").await, Ok(()));
    assert_eq!(hook("echo why; exit 7").await, Err("command 'sh -c echo why; exit 7' exited with 7: why\n".into()));
    assert_eq!(target.hook(&LifecycleHandler::default(), Duration::ZERO).await, Ok(()), "nothing is asked of it");
}

/// Where a probe of a pod goes.
#[track_caller]
fn check_address(host_network: bool, pod_ip: Option<&str>, expected: &str) {
    let mut pod = pod("Always", vec![], vec![]);
    pod.spec.as_mut().expect("spec").host_network = Some(host_network);
    let (runtime, container) = (runtime(), container("a"));
    let target = Target::new(&runtime, &pod, &container, "id", pod_ip, Some("192.0.2.1"));
    let call = target.tcp(&serde_json::from_str(r#"{"port":80}"#).expect("an action")).expect("a call");
    assert_eq!(call, NetworkCall::Tcp { host: expected.into(), port: 80 });
    let call = target.tcp(&serde_json::from_str(r#"{"port":80,"host":"db"}"#).expect("an action")).expect("a call");
    assert_eq!(call, NetworkCall::Tcp { host: "db".into(), port: 80 });
}

#[test]
fn probes_go_to_the_pod_or_its_node() {
    check_address(false, Some("10.0.0.2"), "10.0.0.2");
    check_address(true, Some("10.0.0.2"), "192.0.2.1");
    check_address(true, None, "192.0.2.1");
    assert_eq!(join("fd00::2", 80), "[fd00::2]:80");
}
