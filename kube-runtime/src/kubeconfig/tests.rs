//! Kubeconfigs as kubectl writes them, and broken ones.

use super::*;

const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: admin@kubekit
contexts:
- name: admin@kubekit
  context: {cluster: kubekit, user: admin, namespace: work}
- name: lost
  context: {cluster: nowhere, user: admin}
- name: nobody
  context: {cluster: kubekit, user: ghost}
clusters:
- name: kubekit
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority-data: Q0E=
users:
- name: admin
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
    token: secret-token
preferences: {}
";

#[test]
fn what_the_current_context_names() {
    let kubeconfig = Kubeconfig::from_yaml(GOOD).unwrap();
    let selected = kubeconfig.current().unwrap();
    assert_eq!(selected.context.namespace, "work");
    assert_eq!(selected.cluster.server, "https://127.0.0.1:6443");
    assert_eq!(selected.cluster.certificate_authority_data, "Q0E=");
    assert_eq!(selected.user.unwrap().client_key_data, "S0VZ");
}

#[test]
fn no_secret_is_shown() {
    let shown = format!("{:?}", Kubeconfig::from_yaml(GOOD).unwrap());
    assert!(!shown.contains("secret-token") && !shown.contains("S0VZ"), "{shown}");
}

#[test]
fn no_secret_is_shown_of_a_malformed_file_either() {
    let text = GOOD.replace("    token: secret-token", "    token: secret-token\n    as-groups: 7");
    let error = Kubeconfig::from_yaml(&text).unwrap_err().chain();
    assert!(error.contains("line 23") || error.contains("line 24"), "it says where: {error}");
    assert!(!error.contains("secret-token") && !error.contains("S0VZ"), "{error}");
}

#[track_caller]
fn check(context: &str, expected: &str) {
    let error = Kubeconfig::from_yaml(GOOD).unwrap().select(context).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_missing_is_named() {
    check("none", "the kubeconfig has no context \"none\"");
    check("lost", "context \"lost\" of the kubeconfig names the cluster \"nowhere\", which is not in it");
    check("nobody", "context \"nobody\" of the kubeconfig names the user \"ghost\", which is not in it");
    let error = Kubeconfig::from_yaml("kind: Config").unwrap().current().unwrap_err();
    assert!(error.to_string().contains("no current-context"), "{error}");
}

#[test]
fn files_that_are_none() {
    let folder = std::env::temp_dir().join("kubekit-no-such-folder");
    let error = Kubeconfig::from_file(&folder.join("config")).unwrap_err();
    assert!(error.to_string().starts_with("cannot read the kubeconfig"), "{error}");
    assert!(Kubeconfig::from_yaml("clusters: 7").unwrap_err().chain().starts_with("the kubeconfig is malformed: "));
}

#[track_caller]
fn check_user(user: &str, expected: &User) {
    let text = format!("users: [{{name: u, user: {user}}}]");
    let read = Kubeconfig::from_yaml(&text).unwrap_or_else(|error| panic!("{user}: {}", error.chain()));
    assert!(read.users[0].user == *expected, "{user}");
}

#[test]
fn credentials_of_every_form() {
    let anonymous = User::default();
    check_user("{}", &anonymous);
    check_user("null", &anonymous);
    check_user("{token: null, exec: null, auth-provider: null, as-groups: null}", &anonymous);
    check_user("{token: abc}", &User { token: "abc".into(), ..User::default() });
    // kubectl takes numbers where texts are meant.
    check_user(
        "{token: 123456, username: 7}",
        &User { token: "123456".into(), username: "7".into(), ..User::default() },
    );
    check_user("{tokenFile: /run/token}", &User { token_file: "/run/token".into(), ..User::default() });
    check_user(
        "{as: jane, as-uid: u1, as-groups: [a, b], as-user-extra: {scopes: [x]}}",
        &User {
            impersonate: "jane".into(),
            impersonate_uid: "u1".into(),
            impersonate_groups: vec!["a".into(), "b".into()],
            impersonate_extra: BTreeMap::from([("scopes".into(), vec!["x".into()])]),
            ..User::default()
        },
    );
}

#[test]
fn what_kubectl_leaves_of_an_empty_file() {
    let text = "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n";
    for text in [text, "", "{}", "apiVersion: v1\nclusters:\nusers:\ncurrent-context:\n"] {
        let read = Kubeconfig::from_yaml(text).unwrap_or_else(|error| panic!("{text:?}: {}", error.chain()));
        assert_eq!(read, Kubeconfig::default());
    }
}

#[test]
fn json_is_a_kubeconfig_too() {
    let text = r#"{"kind":"Config","apiVersion":"v1","current-context":"c","clusters":[{"name":"k","cluster":{"server":"https://x","tls-server-name":"y","insecure-skip-tls-verify":true,"extensions":[{"name":"e","extension":{"a":1}}]}}],"contexts":[{"name":"c","context":{"cluster":"k","user":""}}]}"#;
    let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
    let selected = kubeconfig.current().unwrap();
    assert_eq!((selected.cluster.tls_server_name.as_str(), selected.cluster.insecure_skip_tls_verify), ("y", true));
    assert!(selected.user.is_none());
}

#[test]
fn relative_files_start_from_the_folder_of_the_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = "{current-context: c, contexts: [{name: c, context: {cluster: k}}], \
         clusters: [{name: k, cluster: {server: 'https://x', certificate-authority: pki/ca.crt}}]}";
    std::fs::write(&path, text).unwrap();
    std::fs::create_dir(folder.path().join("pki")).unwrap();
    std::fs::write(folder.path().join("pki/ca.crt"), "PEM").unwrap();
    let kubeconfig = Kubeconfig::from_file(&path).unwrap();
    assert_eq!(kubeconfig.certificate_authority().unwrap().as_deref(), Some("PEM"));
}
