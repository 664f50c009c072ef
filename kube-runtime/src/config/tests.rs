//! What a kubeconfig must have for a connection to be tried.

use super::*;

#[track_caller]
fn check(cluster: &str, user: &str, expected: &str) {
    let text = format!(
        "{{current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {cluster}}}], users: [{{name: u, user: {user}}}]}}"
    );
    let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
    let outcome =
        Client::from_kubeconfig(&kubeconfig).map_or_else(|error| error.to_string(), |_| "a client".to_owned());
    assert!(outcome.starts_with(expected), "{outcome:?} does not begin with {expected:?}");
}

#[test]
fn what_is_wrong_is_named() {
    check("{server: 'http://localhost:8080'}", "{}", "a client");
    check("{server: 'https://localhost', insecure-skip-tls-verify: true}", "{}", "a client");
    check("{server: 'https://[::1]:6443', insecure-skip-tls-verify: true}", "{token: abc}", "a client");
    check("{server: 'https://localhost'}", "{}", "the kubeconfig's cluster has no certificate-authority");
    check("{server: 'unix:///run/api.sock'}", "{}", "the kubeconfig's server \"unix:///run/api.sock\" is");
    check("{server: 'ftp://localhost'}", "{}", "the kubeconfig's server \"ftp://localhost\" is reached neither");
    check("{server: '/api'}", "{}", "the kubeconfig's server \"/api\" is no URL");
    check("{server: ''}", "{}", "the kubeconfig's server \"\" is no URL");
    check(
        "{server: 'https://x', certificate-authority-data: '!'}",
        "{}",
        "the kubeconfig's certificate-authority-data is no base64",
    );
    check(
        "{server: 'https://x', certificate-authority: /nowhere/ca}",
        "{}",
        "cannot read the kubeconfig's certificate-authority",
    );
    check(
        "{server: 'https://x', certificate-authority-data: Q0E=}",
        "{}",
        "the kubeconfig's certificate-authority has no certificate",
    );
    check(
        "{server: 'https://x', insecure-skip-tls-verify: true}",
        "{client-key-data: S0VZ}",
        "the kubeconfig's user has a client-certificate or a client-key without the other",
    );
    check(
        "{server: 'https://x', insecure-skip-tls-verify: true, certificate-authority-data: Q0E=}",
        "{}",
        "the kubeconfig's cluster has both a certificate-authority and insecure-skip-tls-verify",
    );
    check(
        "{server: 'http://x'}",
        "{auth-provider: {name: gcp}}",
        "the kubeconfig's user gets credentials from an auth",
    );
    check(
        "{server: 'http://x'}",
        "{as-groups: [admins]}",
        "the kubeconfig's user has as-uid, as-groups or as-user-extra",
    );
    check("{server: 'http://x', proxy-url: 'http://p'}", "{}", "the kubeconfig's cluster has a proxy-url");
    let exec =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: null, interactiveMode: Never}}";
    check("{server: 'http://x'}", exec, "a client");
    check("{server: 'http://x'}", "{exec: {command: aws}}", "the program \"aws\", which the kubeconfig's user gets");
    check("{server: 'http://x'}", "{token: \"a\\nb\"}", "cannot make the request: the credentials");
}

#[test]
fn the_path_of_the_server_comes_before_that_of_the_request() {
    let base = Base {
        scheme: Scheme::HTTPS,
        authority: Authority::from_static("x:6443"),
        path: "/k8s/clusters/c1".to_owned(),
    };
    let request = Request::builder().uri("/api/v1/pods?limit=1").body(Body::default()).unwrap();
    assert_eq!(base.complete(request).uri(), "https://x:6443/k8s/clusters/c1/api/v1/pods?limit=1");
}

#[track_caller]
fn check_base(server: &str, secure: bool, expected: &str) {
    let base = base(server, secure).unwrap();
    assert_eq!(format!("{}://{}{}", base.scheme, base.authority, base.path), expected);
}

#[test]
fn a_server_without_a_scheme_is_reached_by_tls_where_tls_is_spoken_of() {
    check_base("localhost:8080", false, "http://localhost:8080");
    check_base("localhost", false, "http://localhost");
    check_base("10.0.0.1:6443", true, "https://10.0.0.1:6443");
    check_base("http://localhost:8080", true, "http://localhost:8080");
    check_base("HTTPS://api.example/k8s/", false, "https://api.example/k8s");
}

const AUTHORITY: &str = "a certificate, were it one";

#[track_caller]
fn check_pod(host: &str, port: &str, with_authority: bool, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    if with_authority {
        std::fs::write(folder.path().join("ca.crt"), AUTHORITY).unwrap();
    }
    let variable = |name: &str| if name.ends_with("HOST") { host.to_owned() } else { port.to_owned() };
    let outcome = Client::in_pod(folder.path(), variable);
    let text = outcome.map_or_else(|error| error.to_string(), |_| "a client".to_owned());
    assert!(text.starts_with(expected), "{text:?} does not begin with {expected:?}");
}

#[test]
fn what_is_no_pod_is_told_apart() {
    check_pod("", "443", true, "the environment variable KUBERNETES_SERVICE_HOST is not set: this is not a Pod");
    check_pod("10.96.0.1", "", true, "the environment variable KUBERNETES_SERVICE_PORT is not set: this is not a Pod");
    check_pod("10.96.0.1", "443", false, "cannot read the service account's authority");
    check_pod("fd00::1", "443", true, "the kubeconfig's certificate-authority has no certificate");
}

#[tokio::test]
async fn a_token_comes_before_a_program_that_gives_one() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let text = format!(
        "{{current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {{server: 'http://{}'}}}}], users: [{{name: u, user: {{token: abc, \
         exec: {{apiVersion: client.authentication.k8s.io/v1, command: /nowhere/login}}}}}}]}}",
        listener.local_addr().unwrap()
    );
    let client = Client::from_kubeconfig(&Kubeconfig::from_yaml(&text).unwrap()).unwrap();
    let maps = crate::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(client, "default");
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(asked[..length].to_vec()).unwrap()
    };
    let asked = tokio::select! {
        asked = server => asked,
        answer = maps.get("a") => panic!("nothing was asked: {answer:?}"),
    };
    assert!(asked.contains("authorization: Bearer abc\r\n"), "{asked}");
}
