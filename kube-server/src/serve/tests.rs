use super::*;
use crate::authentication::ClientCertificates;
use crate::environment::SystemClock;
use crate::pki::{CertificateAuthority, Credential, Pki, ServingNames, Subject};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use kubekit_store::{Config, Extractor, Memory};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Running {
    pki: Pki,
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

async fn start() -> Running {
    let now = Timestamp::now();
    let pki = Pki::generate(&ServingNames::default(), now).unwrap();
    let certificates = ClientCertificates::new(pki.authority.certificate(), Arc::new(SystemClock)).unwrap();
    let store = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let server = ApiServer::builder(store).authenticator(Arc::new(certificates)).build().await.unwrap();
    let transport = Transport::tls(&pki.serving, pki.authority.certificate()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, transport, server, shutdown.clone()));
    Running { pki, address, shutdown, task }
}

impl Running {
    async fn connect(&self, credential: Option<&Credential>, alpn: &[u8]) -> TlsStream<TcpStream> {
        let roots = crate::authentication::roots(self.pki.authority.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match credential {
            None => builder.with_no_client_auth(),
            Some(credential) => {
                let chain = vec![CertificateDer::from_pem_slice(credential.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(credential.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::from(self.address.ip());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// The code and the text of `GET path`.
    async fn get(&self, credential: Option<&Credential>, alpn: &[u8], path: &str) -> (u16, String) {
        let io = TokioIo::new(self.connect(credential, alpn).await);
        let request = http::Request::get(format!("https://{}{path}", self.address))
            .header("host", "localhost")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = if alpn == tls::HTTP2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn certificates_open_the_door_over_both_protocols() {
    let running = start().await;
    let now = Timestamp::now();
    let administrator = running.pki.authority.client(&Subject::administrator(), now).unwrap();
    let stranger = CertificateAuthority::generate("kubernetes", now).unwrap();
    let stranger = stranger.client(&Subject::administrator(), now).unwrap();
    for alpn in [tls::HTTP2, b"http/1.1"] {
        let (code, text) = running.get(Some(&administrator), alpn, "/nowhere").await;
        assert_eq!((code, text.as_str()), (404, "404 page not found\n"));
        let (code, text) = running.get(Some(&stranger), alpn, "/nowhere").await;
        assert_eq!(code, 401, "{text}");
        assert!(text.contains(r#""message":"Unauthorized""#), "{text}");
        assert_eq!(running.get(None, alpn, "/nowhere").await.0, 401);
        assert_eq!(running.get(None, alpn, "/livez").await, (200, "ok".to_owned()), "probes need no credentials");
    }
    running.shutdown.cancel();
    running.task.await.unwrap().unwrap();
}

/// What comes until a connection ends, which it does soon, however it does.
async fn end_of(connection: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    const SOON: Duration = Duration::from_secs(30);
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, connection.read_to_end(&mut rest)).await.expect("the connection ends");
    rest
}

#[tokio::test]
async fn it_stops_while_peers_hold_connections() {
    let running = start().await;
    let mut half_open = TcpStream::connect(running.address).await.unwrap();
    half_open.write_all(&[22, 3, 1]).await.unwrap();
    let mut slow = running.connect(None, b"http/1.1").await;
    slow.write_all(b"GET /livez HTTP/1.1\r\nhos").await.unwrap();
    running.shutdown.cancel();
    running.task.await.unwrap().unwrap();
    end_of(&mut slow).await;
    assert!(TcpStream::connect(running.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn connections_end_with_the_future_that_serves_them() {
    let running = start().await;
    let mut idle = running.connect(None, b"http/1.1").await;
    running.task.abort();
    assert!(end_of(&mut idle).await.is_empty(), "nothing was asked");
}

#[tokio::test]
async fn plain_text_is_for_loopback_only() {
    let store = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let server = ApiServer::builder(store).build().await.unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = serve(listener, Transport::PlainText, server, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("use TLS"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_let_go() {
    let store = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let server = ApiServer::builder(store).build().await.unwrap();
    let (mut client, stream) = tokio::io::duplex(1024);
    let served = tokio::spawn(serve_connection(stream, None, server, CancellationToken::new()));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    served.await.unwrap();
}
