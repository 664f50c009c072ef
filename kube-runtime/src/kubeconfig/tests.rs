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
