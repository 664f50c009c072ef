//! Streams to containers, by every protocol that a `kubectl` speaks: 1.27 and 1.29 SPDY for commands and ports, 1.30
//! WebSocket for commands, 1.31 and later SPDY within WebSocket for ports too.

use crate::cluster::{Cluster, eventually};
use crate::kubectl::Kubectl;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};

#[test]
fn commands_and_ports_by_every_protocol() {
    let cluster = Cluster::start(&["--nodes", "1"]);
    for version in ["1.27", "1.29", "1.30", "1.31", "1.33"] {
        let Some(kubectl) = Kubectl::find(version, &cluster) else { continue };
        let pod = &format!("p{}", version.replace('.', "-"));
        kubectl.run(&["run", pod, "--image=busybox", "--port=80"]);
        kubectl.run(&["wait", "--for=condition=Ready", &format!("pod/{pod}"), "--timeout=60s"]);
        commands(&kubectl, pod);
        ports(&kubectl, pod);
    }
}

fn commands(kubectl: &Kubectl, pod: &str) {
    assert_eq!(kubectl.run(&["exec", pod, "--", "echo", "hi"]), "hi\n");
    assert_eq!(kubectl.run_with_input(&["exec", "-i", pod, "--", "cat"], "one\ntwo\n"), "one\ntwo\n");
    let failed = kubectl.output(&["exec", pod, "--", "sh", "-c", "echo no >&2; exit 3"]);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!((failed.status.code(), said.starts_with("no\n")), (Some(3), true), "{said}");
    let large = "0123456789abcdef".repeat(20_000);
    assert!(kubectl.run_with_input(&["exec", "-i", pod, "--", "cat"], &large) == large, "320,000 bytes come back");
}

/// A `kubectl port-forward`; killed when dropped.
struct Forwarding {
    child: Child,
    port: u16,
    /// It would not survive that nobody reads what it says.
    _said: BufReader<ChildStdout>,
}

impl Forwarding {
    fn start(kubectl: &Kubectl, target: &str, port: &str) -> Self {
        let mut child = kubectl.command(&["port-forward", target, port]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split_once(' '));
        let port = port.and_then(|(port, _)| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("no port in {line:?}")), _said: said }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).expect("kubectl listens")
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ports(kubectl: &Kubectl, pod: &str) {
    let forwarding = Forwarding::start(kubectl, &format!("pod/{pod}"), ":80");
    // Several connections at once, and one after the other.
    let mut first = forwarding.connect();
    let mut second = forwarding.connect();
    for connection in [&mut first, &mut second, &mut forwarding.connect()] {
        connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    for connection in [&mut first, &mut second] {
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(&format!("default/{pod}\n")), "{answer}");
    }
    let mut echo = forwarding.connect();
    let large = vec![b'x'; 1 << 20];
    let mut writing = echo.try_clone().unwrap();
    let sent = large.clone();
    let writer = std::thread::spawn(move || writing.write_all(&sent).unwrap());
    let mut received = vec![0; large.len()];
    echo.read_exact(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received == large, "a mebibyte comes back");
    drop(echo);
    eventually("it still forwards after a connection was cut", || {
        let mut connection = forwarding.connect();
        connection.write_all(b"GET / HTTP/1.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        answer.contains("200 OK").then_some(())
    });
}
