//! Lifetimes over etcd, whose leases end behind the store's back.

use super::cluster::{Cluster, available};
use super::{store, value};
use kubekit_store::{Error, Op, Precondition, Store, Txn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One call of etcd's JSON gateway; gives the answer, header and all.
async fn call(address: &str, path: &str, body: &str) -> String {
    let host = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Ends every lease that there is.
async fn end_leases(address: &str) {
    let leases = call(address, "/v3/lease/leases", "{}").await;
    for id in leases.split("\"ID\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        call(address, "/v3/lease/revoke", &format!("{{\"ID\":\"{id}\"}}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_lease_has_ended_gets_another() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(1);
    let (store, address) = (store(&cluster).await, cluster.addresses().remove(0));
    let ending = tokio::spawn(async move {
        loop {
            end_leases(&address).await;
        }
    });
    let mut written = 0;
    for i in 0..300 {
        let op = Op::Put { value: value("x"), attributes: None, ttl_seconds: Some(60) };
        match store.txn(Txn { key: format!("/p/{i}"), precondition: Precondition::None, op }).await {
            Ok(_) => written += 1,
            // The other lease may have ended, too.
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("write {i}: {error}"),
        }
    }
    assert!(!ending.is_finished() && written > 0, "{written} were written");
    ending.abort();
}
