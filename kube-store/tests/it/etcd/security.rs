//! TLS with client certificates, and users with passwords.

use super::cluster::{Cluster, available};
use super::{get, put, settings, store_with};
use kubekit_store::etcd::{EtcdConfig, TlsFiles};
use kubekit_store::{Config, Error, Etcd, Extractor, Store};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An authority and what it has signed, as PEM files.
struct Files {
    directory: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { directory: tempfile::tempdir().unwrap(), authority };
        std::fs::write(files.path("ca.crt"), files.authority.pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for `127.0.0.1`, good for both sides.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let paths = (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn refused(config: EtcdConfig) -> Error {
    let config = config.start_timeout(Duration::from_millis(300));
    Etcd::connect(config, Extractor::none(), Config::default()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_client_certificates() {
    if !available() {
        return;
    }
    let (files, others) = (Files::new(), Files::new());
    let (certificate, key) = files.issue("server");
    let ca = files.path("ca.crt");
    let arguments =
        ["--client-cert-auth", "--trusted-ca-file", text(&ca), "--cert-file", text(&certificate), "--key-file"];
    let cluster = Cluster::start_with(1, "https", &[&arguments[..], &[text(&key)]].concat());
    let with = |ca: &Path, client: Option<(PathBuf, PathBuf)>| {
        let (certificate, key) = client.unzip();
        settings(&cluster).tls(TlsFiles { ca: Some(ca.to_owned()), certificate, key })
    };
    let store = store_with(with(&ca, Some(files.issue("client")))).await;
    put(&store, "/p/a", "x").await;
    assert_eq!(get(&store, "/p/a").await.as_deref(), Some("x"));
    assert!(store.health().await.is_ok());

    let error = refused(with(&others.path("ca.crt"), Some(files.issue("client")))).await;
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    // By TLS 1.3, a client learns that its certificate is refused by a connection that closes.
    for config in [with(&ca, None), with(&ca, Some(others.issue("client")))] {
        let error = refused(config).await;
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
    }
    let half = TlsFiles { ca: Some(ca.clone()), certificate: Some(ca), key: None };
    let error = refused(settings(&cluster).tls(half)).await;
    assert!(error.to_string().contains("the key is missing"), "{error}");
}

/// Asks etcd through its gateway for JSON, which administrators' tools use; tries until it answers.
fn administer(cluster: &Cluster, path: &str, body: &str) {
    let address = cluster.addresses().remove(0).trim_start_matches("http://").to_owned();
    for attempt in 0.. {
        let answer = ask(&address, path, body).unwrap_or_default();
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        assert!(attempt < 100, "{path}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn ask(address: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "POST /v3/auth/{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_with_passwords() {
    if !available() {
        return;
    }
    let cluster = Cluster::start_with(1, "http", &["--auth-token-ttl", "1"]);
    for (path, body) in [
        ("user/add", r#"{"name":"root","password":"secret-of-root"}"#),
        ("role/add", r#"{"name":"root"}"#),
        ("user/grant", r#"{"user":"root","role":"root"}"#),
        ("user/add", r#"{"name":"kube","password":"secret-of-kube"}"#),
        ("role/add", r#"{"name":"kube"}"#),
        // From `/registry/` up to `/registry0`, in base64.
        (
            "role/grant",
            r#"{"name":"kube","perm":{"permType":"READWRITE","key":"L3JlZ2lzdHJ5Lw==","range_end":"L3JlZ2lzdHJ5MA=="}}"#,
        ),
        ("user/grant", r#"{"user":"kube","role":"kube"}"#),
        ("enable", "{}"),
    ] {
        administer(&cluster, path, body);
    }

    // A user with rights to the prefix, and to nothing else, is enough.
    let ours = || settings(&cluster).prefix("/registry", "/");
    let store = store_with(ours().credentials("kube", "secret-of-kube")).await;
    put(&store, "/p/a", "x").await;
    // Tokens end, and are fetched anew.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(get(&store, "/p/a").await.as_deref(), Some("x"));
        put(&store, "/p/a", "x").await;
    }
    assert!(store.health().await.is_ok());

    for config in
        [ours().credentials("kube", "wrong"), ours(), settings(&cluster).credentials("kube", "secret-of-kube")]
    {
        let shown = format!("{config:?}");
        let error = refused(config).await;
        let text = format!("{shown} {error}");
        assert!(!text.contains("secret-of-kube") && !text.contains("wrong"), "a password is shown: {text}");
    }
}
