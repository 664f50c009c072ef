use super::*;
use crate::authentication::{Authenticator, ClientCertificates, PeerCertificates};
use crate::identity::UserInfo;
use kubekit_core::environment::WallClock;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug)]
struct At(i64);

impl WallClock for At {
    fn now(&self) -> Timestamp {
        at(self.0)
    }
}

const NOW: i64 = 1_800_000_000;
const YEAR: i64 = 365 * 24 * 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("kubernetes", at(NOW)).unwrap()
}

/// Whom the certificate makes of its bearer, at a time.
async fn user(trusted: &CertificateAuthority, credential: &Credential, time: i64) -> Option<UserInfo> {
    let authenticator = ClientCertificates::new(trusted.certificate(), Arc::new(At(time))).unwrap();
    let leaf = CertificateDer::from_pem_slice(credential.certificate.as_bytes()).unwrap();
    let mut parts = http::Request::new(()).into_parts().0;
    parts.extensions.insert(PeerCertificates(vec![leaf.to_vec()].into()));
    authenticator.authenticate(&parts).await.map_or_else(
        |error| {
            assert_eq!((error.code(), error.message.as_str()), (401, "Unauthorized"));
            None
        },
        |user| Some(user.expect("a certificate is a credential")),
    )
}

#[tokio::test]
async fn a_client_certificate_names_user_and_group() {
    let authority = authority();
    let node = authority.client(&Subject::node("n1"), at(NOW)).unwrap();
    let found = user(&authority, &node, NOW).await.unwrap();
    assert_eq!(found.name, "system:node:n1");
    assert_eq!(found.groups, ["system:nodes", "system:authenticated"]);
    assert!(found.extra["authentication.kubernetes.io/credential-id"][0].starts_with("X509SHA256="));
    let scheduler = authority.client(&Subject::scheduler(), at(NOW)).unwrap();
    assert_eq!(user(&authority, &scheduler, NOW).await.unwrap().groups, ["system:authenticated"]);
}

#[tokio::test]
async fn certificates_of_others_of_servers_and_out_of_time_are_refused() {
    let ours = authority();
    let administrator = ours.client(&Subject::administrator(), at(NOW)).unwrap();
    assert!(user(&ours, &administrator, NOW).await.is_some());
    assert!(user(&ours, &administrator, NOW + YEAR - 1).await.is_some());
    assert!(user(&ours, &administrator, NOW + YEAR + 1).await.is_none(), "expired");
    assert!(user(&ours, &administrator, NOW - 3600).await.is_none(), "not valid yet");
    assert!(user(&authority(), &administrator, NOW).await.is_none(), "another authority of the same name");
    let server = ours.serving(&Subject::administrator(), &["localhost".into()], at(NOW)).unwrap();
    assert!(user(&ours, &server, NOW).await.is_none(), "a server's certificate is none of a client");
}

#[test]
fn serving_names_hold_each_address_once() {
    let names = ServingNames {
        addresses: vec!["127.0.0.1".parse().unwrap(), "0.0.0.0".parse().unwrap(), "192.0.2.7".parse().unwrap()],
        names: vec!["api.example".into()],
        ..ServingNames::default()
    };
    assert_eq!(
        names.all(),
        [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "api.example",
            "127.0.0.1",
            "::1",
            "10.96.0.1",
            "192.0.2.7",
        ]
    );
}

fn load(directory: &Path, names: &ServingNames, second: i64) -> Pki {
    Pki::load_or_create(directory, names, at(second)).unwrap()
}

#[test]
fn a_directory_keeps_what_is_good_and_renews_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let names = ServingNames::default();
    let first = load(directory.path(), &names, NOW);
    let again = load(directory.path(), &names, NOW + 100);
    assert_eq!(again.authority.certificate(), first.authority.certificate());
    assert_eq!((&again.serving, &again.kubelet_client), (&first.serving, &first.kubelet_client));
    assert_eq!(again.token_key, first.token_key);

    let wider = ServingNames { addresses: vec!["192.0.2.7".parse().unwrap()], ..names.clone() };
    let renamed = load(directory.path(), &wider, NOW);
    assert_ne!(renamed.serving, first.serving, "a new address needs a new certificate");
    assert_eq!(renamed.kubelet_client, first.kubelet_client);

    let late = load(directory.path(), &wider, NOW + YEAR - 29 * 24 * 3600);
    assert_ne!(late.serving, renamed.serving, "about to expire");
    assert_ne!(late.kubelet_client, first.kubelet_client);
    assert_eq!(late.authority.certificate(), first.authority.certificate());
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let pki = load(directory.path(), &ServingNames::default(), NOW);
    let kubeconfig = directory.path().join("kubeconfig");
    pki.kubeconfig(&Subject::administrator(), "https://127.0.0.1:6443", at(NOW)).unwrap().write(&kubeconfig).unwrap();
    let mut names: Vec<String> = Vec::new();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with(".crt") { 0o644 } else { 0o600 }, "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "apiserver-kubelet-client.crt",
            "apiserver-kubelet-client.key",
            "apiserver.crt",
            "apiserver.key",
            "ca.crt",
            "ca.key",
            "kubeconfig",
            "sa.key",
        ]
    );
}

#[test]
fn a_key_of_another_certificate_is_replaced_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let names = ServingNames::default();
    let first = load(directory.path(), &names, NOW);
    // As after a crash between the key and the certificate of a renewal.
    let next = first.authority.serving(&Subject::new("kube-apiserver", ""), &names.all(), at(NOW)).unwrap();
    for name in ["apiserver.key", "apiserver-kubelet-client.key"] {
        std::fs::write(directory.path().join(name), &next.key).unwrap();
    }
    let again = load(directory.path(), &names, NOW);
    crate::serve::Transport::tls(&again.serving, again.authority.certificate()).unwrap();
    crate::node::OverTls::new(again.authority.certificate(), &again.kubelet_client).unwrap();

    std::fs::write(directory.path().join("ca.key"), &next.key).unwrap();
    let error = Pki::load_or_create(directory.path(), &names, at(NOW)).unwrap_err();
    assert!(error.to_string().contains("ca.key is the key of another certificate"), "{error}");
}

#[test]
fn half_an_authority_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    load(directory.path(), &ServingNames::default(), NOW);
    std::fs::remove_file(directory.path().join("ca.key")).unwrap();
    let error = Pki::load_or_create(directory.path(), &ServingNames::default(), at(NOW)).unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    std::fs::rename(directory.path().join("ca.crt"), directory.path().join("elsewhere")).unwrap();
    std::fs::write(directory.path().join("ca.key"), "nonsense").unwrap();
    let error = Pki::load_or_create(directory.path(), &ServingNames::default(), at(NOW)).unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "the key is not replaced: {error}");
    assert_eq!(std::fs::read_to_string(directory.path().join("ca.key")).unwrap(), "nonsense");
    std::fs::rename(directory.path().join("elsewhere"), directory.path().join("ca.crt")).unwrap();
    let error = Pki::load_or_create(directory.path(), &ServingNames::default(), at(NOW)).unwrap_err();
    assert!(error.to_string().contains("restore it, or remove it"), "{error}");
}

#[test]
fn a_kubeconfig_embeds_its_data_and_debug_shows_no_key() {
    let pki = Pki::generate(&ServingNames::default(), at(NOW)).unwrap();
    let kubeconfig = pki.kubeconfig(&Subject::administrator(), "https://127.0.0.1:6443", at(NOW)).unwrap();
    let yaml = kubeconfig.to_yaml();
    for line in [
        "current-context: \"kubernetes-admin@kubernetes\"",
        "    server: \"https://127.0.0.1:6443\"",
        "    user: \"kubernetes-admin\"",
    ] {
        assert!(yaml.lines().any(|l| l == line), "{line}");
    }
    let debug = format!("{pki:?} {kubeconfig:?}");
    assert!(!debug.contains("PRIVATE KEY"));
}
