//! A Kubernetes API server over a store in memory: prints where its kubeconfig is, and serves until it is killed.
//!
//! `cargo run --example memory -- DIRECTORY`, then `kubectl --kubeconfig DIRECTORY/kubeconfig get namespaces`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use jiff::Timestamp;
use kubekit_core::environment::WallClock;
use kubekit_server::authentication::ClientCertificates;
use kubekit_server::pki::{Pki, ServingNames, Subject};
use kubekit_server::serve::{Transport, serve};
use kubekit_server::tokens::Issuer;
use kubekit_server::{ApiServer, extractor};
use kubekit_store::{Config, Memory};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: memory DIRECTORY")?);
    let pki = Pki::load_or_create(&directory, &ServingNames::default(), Timestamp::now())?;
    let issuer = Issuer::new("https://kubernetes.default.svc.cluster.local", &pki.token_key)?;
    let certificates = ClientCertificates::new(pki.authority.certificate(), Arc::new(SystemClock))?;
    let server = ApiServer::builder(Arc::new(Memory::new(extractor(), Config::default())))
        .authenticator(Arc::new(certificates))
        .token_issuer(Arc::new(issuer))
        .build()
        .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let kubeconfig = directory.join("kubeconfig");
    let url = format!("https://{}", listener.local_addr()?);
    pki.kubeconfig(&Subject::administrator(), &url, Timestamp::now())?.write(&kubeconfig)?;
    println!("{url}: kubectl --kubeconfig {} get namespaces", kubeconfig.display());
    let transport = Transport::tls(&pki.serving, pki.authority.certificate())?;
    serve(listener, transport, server, CancellationToken::new()).await?;
    Ok(())
}
