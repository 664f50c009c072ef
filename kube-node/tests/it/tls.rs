//! Who may use the node's server over TLS.

use std::sync::Arc;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use kubekit_node::{NodeServer, tls};
use kubekit_server::pki::{CertificateAuthority, Credential, Subject};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn key(credential: &Credential) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(credential.key.as_bytes()).expect("a key")
}

/// A client that trusts this authority and shows this credential.
fn client(authority: &CertificateAuthority, own: Option<&Credential>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority.certificate())).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    match own {
        Some(own) => {
            builder.with_client_auth_cert(vec![certificate(&own.certificate)], key(own)).expect("a credential")
        }
        None => builder.with_no_client_auth(),
    }
}

/// The code of the answer; none where the connection was refused.
async fn get(port: u16, client: ClientConfig, path: &str) -> Option<u16> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request =
        http::Request::get(path).header("Host", "node").body(Empty::<bytes::Bytes>::new()).expect("a request");
    Some(sender.send_request(request).await.ok()?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_api_server_and_administrators_may_use_it() {
    let now = jiff::Timestamp::now();
    let authority = CertificateAuthority::generate("kubernetes", now).expect("an authority");
    let stranger = CertificateAuthority::generate("stranger", now).expect("an authority");
    let own = authority.serving(&Subject::node("n1"), &["localhost".into()], now).expect("a certificate");
    let trusted = [certificate(authority.certificate())];
    let config = tls::server_config(vec![certificate(&own.certificate)], key(&own), trusted).expect("a configuration");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let server = tokio::spawn(async move { NodeServer::default().serve(listener, Arc::new(config), stop).await });

    let issued = |authority: &CertificateAuthority, subject: Subject| authority.client(&subject, now).expect("issued");
    let masters = issued(&authority, Subject::new("somebody", "system:masters"));
    for (who, credential, pods, health) in [
        ("the API server", Some(issued(&authority, Subject::apiserver_kubelet_client())), Some(200), Some(200)),
        ("an administrator", Some(masters), Some(200), Some(200)),
        ("another user", Some(issued(&authority, Subject::new("alice", "developers"))), Some(403), Some(200)),
        ("another node", Some(issued(&authority, Subject::node("n2"))), Some(403), Some(200)),
        ("another cluster", Some(issued(&stranger, Subject::apiserver_kubelet_client())), None, None),
        ("nobody", None, None, None),
    ] {
        for (path, expected) in [("/pods", pods), ("/healthz", health)] {
            assert_eq!(get(port, client(&authority, credential.as_ref()), path).await, expected, "{who}: {path}");
        }
    }
    shutdown.cancel();
    server.await.expect("it ends").expect("in peace");
}
