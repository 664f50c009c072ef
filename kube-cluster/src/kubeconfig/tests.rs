//! Whose file is written over, and whose is not.

use super::*;
use kubekit_server::pki::Credential;

fn kubeconfig(server: &str) -> Kubeconfig {
    Kubeconfig {
        cluster: "kubernetes".into(),
        server: server.into(),
        authority: "CA".into(),
        user: "admin".into(),
        credential: Credential { certificate: "CERT".into(), key: "KEY".into() },
    }
}

#[test]
fn its_own_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/kubeconfig");
    write(&path, &kubeconfig("https://a")).unwrap();
    write(&path, &kubeconfig("https://b")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(MARKER) && text.contains("https://b"), "{text}");
    let parsed = kubekit_runtime::Kubeconfig::from_file(&path).unwrap();
    assert_eq!(parsed.current().unwrap().cluster.server, "https://b");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    write(&path, &kubeconfig("https://a")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[track_caller]
fn check_kept(content: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, content).unwrap();
    let error = write(&path, &kubeconfig("https://a")).unwrap_err();
    assert!(matches!(error, Error::ForeignKubeconfig { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
}

#[test]
fn somebody_elses_file_is_kept() {
    check_kept("apiVersion: v1\nkind: Config\n");
    check_kept("# Written by kube");
    check_kept("x");
}

#[test]
fn an_empty_file_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, "").unwrap();
    write(&path, &kubeconfig("https://a")).unwrap();
}
