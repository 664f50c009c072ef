//! Peers that are slow or silent cost nobody else anything, and are cut off.

use crate::cluster::Cluster;
use crate::kubectl::Kubectl;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const IDLE: usize = 200;
/// Longer than a handshake may take (10 s), with room for a loaded machine.
const CUT_OFF: Duration = Duration::from_secs(40);
/// How a TLS client begins: a handshake record of 512 bytes with a ClientHello in it.
const HELLO: [u8; 9] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc];

#[test]
fn slow_and_silent_peers_are_cut_off_and_hold_up_nobody() {
    let cluster = Cluster::start(&["--nodes", "0"]);
    let Some(kubectl) = Kubectl::find("1.32", &cluster) else { return };
    let address = cluster.server().trim_start_matches("https://").to_owned();
    let connect = || TcpStream::connect(&address).expect("the server accepts");
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| connect()).collect();
    let mut unfinished = connect();
    unfinished.write_all(&HELLO).expect("the server reads");
    let slow = connect();
    let trickle = slow.try_clone().expect("a second handle");
    let trickling = std::thread::spawn(move || trickle_until_cut_off(trickle));

    let start = Instant::now();
    assert_eq!(kubectl.run(&["get", "--raw", "/readyz"]), "ok");
    kubectl.run(&["create", "configmap", "meanwhile"]);
    assert!(start.elapsed() < Duration::from_secs(10), "others waited for {:?}", start.elapsed());

    for connection in idle.into_iter().chain([unfinished, slow]) {
        assert_cut_off(connection);
    }
    trickling.join().expect("the slow peer noticed");
    assert_eq!(kubectl.run(&["get", "--raw", "/readyz"]), "ok");
}

/// One byte a second: each byte arrives in time, the handshake as a whole does not.
fn trickle_until_cut_off(mut connection: TcpStream) {
    let start = Instant::now();
    let hello = HELLO.into_iter().chain(std::iter::repeat(0));
    for byte in hello {
        if connection.write_all(&[byte]).is_err() {
            return;
        }
        assert!(start.elapsed() < CUT_OFF, "a slow peer is not cut off");
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn assert_cut_off(mut connection: TcpStream) {
    connection.set_read_timeout(Some(CUT_OFF)).expect("a timeout can be set");
    match connection.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the peer is not cut off: {error}"),
    }
}
