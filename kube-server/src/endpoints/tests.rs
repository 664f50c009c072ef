use crate::ApiServer;
use crate::identity::UserInfo;
use crate::pki::TokenKey;
use crate::tokens::Issuer;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use kubekit_store::{Config, Extractor, Memory};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

async fn server() -> ApiServer {
    let store = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let issuer = Issuer::new("https://issuer", &TokenKey::generate().unwrap()).unwrap();
    ApiServer::builder(store).token_issuer(Arc::new(issuer)).build().await.unwrap()
}

async fn send(method: &str, target: &str, headers: &[(&str, &str)]) -> http::Response<Bytes> {
    send_as(UserInfo::new("alice", [] as [&str; 0]), method, target, headers).await
}

async fn send_as(user: UserInfo, method: &str, target: &str, headers: &[(&str, &str)]) -> http::Response<Bytes> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let service = server().await.as_user(user);
    let response = service.oneshot(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    http::Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[track_caller]
fn check(response: &http::Response<Bytes>, code: u16, text: &str) {
    assert_eq!((response.status().as_u16(), std::str::from_utf8(response.body()).unwrap()), (code, text));
}

#[tokio::test]
async fn health_check_by_check() {
    for endpoint in ["healthz", "livez", "readyz"] {
        check(&send("GET", &format!("/{endpoint}"), &[]).await, 200, "ok");
        let checks = "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]poststarthook/rbac/bootstrap-roles ok\n";
        let verbose = send("GET", &format!("/{endpoint}?verbose"), &[]).await;
        check(&verbose, 200, &format!("{checks}{endpoint} check passed\n"));
    }
    check(&send("GET", "/livez/etcd", &[]).await, 200, "ok");
    check(&send("GET", "/livez/nothing", &[]).await, 404, "404 page not found\n");
    let excluded = send("GET", "/readyz?verbose&exclude=etcd", &[]).await;
    assert!(std::str::from_utf8(excluded.body()).unwrap().contains("[+]etcd excluded: ok\n"));
    check(&send("GET", "/readyz?exclude=b", &[]).await, 200, "ok");
    let unknown = send("GET", "/readyz?verbose&exclude=b&exclude=log&exclude=a&exclude=b", &[]).await;
    let end = "[+]poststarthook/rbac/bootstrap-roles ok\nwarn: some health checks cannot be excluded: no matches for \
               \"a\",\"b\"\nreadyz check passed\n";
    let text = std::str::from_utf8(unknown.body()).unwrap();
    assert!(text.ends_with(end), "{text}");
}

#[tokio::test]
async fn version_with_and_without_slash() {
    for target in ["/version", "/version/"] {
        let response = send("GET", target, &[]).await;
        assert_eq!(response.status(), 200);
        let version: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((&version["major"], &version["minor"]), (&"1".into(), &"36".into()));
        assert_eq!(version["gitVersion"], "v1.36.0");
        assert!(response.body().starts_with(b"{\n  \""), "indented, whoever asks");
    }
    assert_eq!(send("POST", "/version", &[]).await.status(), 405);
}

#[tokio::test]
async fn the_root_lists_what_is_served() {
    assert_eq!(send("GET", "/", &[]).await.status(), 403, "not everybody may see it, as in Kubernetes");
    let response = send_as(UserInfo::admin(), "GET", "/", &[]).await;
    assert_eq!(response.status(), 200);
    let index: Value = serde_json::from_slice(response.body()).unwrap();
    let paths: Vec<&str> = index["paths"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    for path in ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/livez", "/openapi/v3", "/version"] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let (get, head) = (send("GET", "/version", &[]).await, send("HEAD", "/version", &[]).await);
    assert_eq!(head.status(), 200);
    assert!(head.body().is_empty());
    assert_eq!(head.headers()["content-length"], get.body().len().to_string());
    assert_eq!(head.headers()["content-type"], get.headers()["content-type"]);
}

#[tokio::test]
async fn a_backup_is_for_administrators() {
    for user in [
        UserInfo::new("alice", ["system:authenticated"]),
        UserInfo::anonymous(),
        UserInfo::new("system:kube-controller-manager", ["system:authenticated"]),
        UserInfo::new("system:node:a", ["system:nodes", "system:authenticated"]),
    ] {
        let name = user.name.clone();
        let response = send_as(user, "GET", "/backup", &[]).await;
        assert_eq!(response.status(), 403, "{name}");
    }
    let admin = || UserInfo::new("admin", ["system:masters", "system:authenticated"]);
    let response = send_as(admin(), "GET", "/backup", &[]).await;
    assert_eq!(response.status(), 200);
    let contents = kubekit_store::backup::verify(std::io::Cursor::new(response.into_body()), "the answer").unwrap();
    assert!(contents.entries > 50, "the default roles are in it: {contents:?}");
    assert_eq!(send_as(admin(), "GET", "/backup/more", &[]).await.status(), 404);
    assert_eq!(send_as(admin(), "POST", "/backup", &[]).await.status(), 405);
}

#[tokio::test]
async fn reencrypting_is_for_administrators() {
    let stranger = send_as(UserInfo::new("alice", ["system:authenticated"]), "POST", "/reencrypt", &[]).await;
    assert_eq!(stranger.status(), 403);
    let admin = || UserInfo::new("admin", ["system:masters", "system:authenticated"]);
    assert_eq!(send_as(admin(), "GET", "/reencrypt", &[]).await.status(), 405);
    let done = send_as(admin(), "POST", "/reencrypt", &[]).await;
    assert_eq!(done.status(), 200);
    let status: Value = serde_json::from_slice(done.body()).unwrap();
    assert_eq!((&status["status"], &status["details"]["count"]), (&"Success".into(), &0.into()));
}
