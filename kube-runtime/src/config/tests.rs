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
    check("{server: localhost}", "{}", "the kubeconfig's server \"localhost\" has no scheme");
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
    check("{server: 'http://x', proxy-url: 'http://p'}", "{}", "the kubeconfig's cluster has a proxy-url");
    check("{server: 'http://x'}", "{exec: {command: aws}}", "the kubeconfig's user gets credentials from a program");
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
