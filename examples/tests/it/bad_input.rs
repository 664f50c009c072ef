//! Bad input over a real socket: the code, the reason and the words that Kubernetes gives, and nothing is changed.

use crate::cluster::Cluster;
use http::{Method, Request};
use kubekit_runtime::client::Client;
use kubekit_runtime::{Error, Kubeconfig};
use serde_json::{Value, json};

const JSON: &str = "application/json";

async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::from_file(&cluster.kubeconfig()).expect("the cluster wrote it");
    Client::from_kubeconfig(&kubeconfig).expect("it is complete")
}

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<bytes::Bytes>,
) -> Result<Value, Error> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(body.into())
        .expect("a valid request");
    client.request(request).await
}

/// What a request is refused with: code, reason, and a part of the message.
#[track_caller]
fn check(answer: Result<Value, Error>, code: u16, reason: &str, part: &str) {
    let error = answer.expect_err("this must be refused");
    let status = error.status().unwrap_or_else(|| panic!("no Status: {}", error.chain()));
    assert_eq!((status.code(), status.reason.as_str()), (code, reason), "{}", status.message);
    assert!(status.message.contains(part), "{part:?} is not in {:?}", status.message);
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_and_changes_nothing() {
    let cluster = Cluster::start(&["--nodes", "1"]);
    let client = client(&cluster).await;
    bodies(&client).await;
    fields(&client).await;
    versions(&client).await;
    questions(&client).await;
    credentials(&client, &cluster).await;
    let left: Value = send(&client, Method::GET, CONFIG_MAPS, JSON, "").await.expect("a list");
    let names: Vec<&str> =
        left["items"].as_array().expect("items").iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["good", "kube-root-ca.crt"]);
}

async fn bodies(client: &Client) {
    let post =
        |content_type: &'static str, body: bytes::Bytes| send(client, Method::POST, CONFIG_MAPS, content_type, body);
    check(post(JSON, "{".into()).await, 400, "BadRequest", "");
    check(post(JSON, "".into()).await, 400, "BadRequest", "");
    check(post(JSON, "[1]".into()).await, 400, "BadRequest", "");
    check(post(JSON, "\u{0}\u{1}".into()).await, 400, "BadRequest", "");
    check(post("application/yaml", "a: [".into()).await, 400, "BadRequest", "");
    check(post("application/vnd.kubernetes.protobuf", "k8s\u{0}nonsense".into()).await, 400, "BadRequest", "");
    check(post("application/vnd.kubernetes.protobuf", "not protobuf".into()).await, 400, "BadRequest", "");
    check(post("text/csv", "a,b".into()).await, 415, "UnsupportedMediaType", "");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(post(JSON, deep.into()).await, 400, "BadRequest", "");
    let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"a": "x".repeat(4 << 20)}});
    check(post(JSON, large.to_string().into()).await, 413, "RequestEntityTooLarge", "limit is 3145728");
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\n{}",
        (b'b'..=b'j')
            .map(|c| format!(
                "{}: &{} [{}]\n",
                c as char,
                c as char,
                vec![format!("*{}", (c - 1) as char); 9].join(",")
            ))
            .collect::<String>()
    );
    check(post("application/yaml", bomb.into()).await, 400, "BadRequest", "");
    let wrong = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}});
    check(post(JSON, wrong.to_string().into()).await, 400, "BadRequest", "cannot be handled as a ConfigMap");
    let unknown = json!({"apiVersion": "v7", "kind": "ConfigMap", "metadata": {"name": "x"}});
    check(post(JSON, unknown.to_string().into()).await, 400, "BadRequest", "");
}

async fn fields(client: &Client) {
    let post = |path: &'static str, body: Value| send(client, Method::POST, path, JSON, body.to_string());
    check(
        post(CONFIG_MAPS, config_map("Upper")).await,
        422,
        "Invalid",
        r#"ConfigMap "Upper" is invalid: metadata.name: Invalid value: "Upper""#,
    );
    let mut labelled = config_map("x");
    labelled["metadata"]["labels"] = json!({"-a": "b"});
    check(post(CONFIG_MAPS, labelled).await, 422, "Invalid", "metadata.labels: Invalid value");
    let pod = |resources: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}});
    check(
        post(PODS, pod(json!({"requests": {"cpu": "lots"}}))).await,
        400,
        "BadRequest",
        "quantities must match the regular expression",
    );
    check(
        post(PODS, pod(json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}))).await,
        422,
        "Invalid",
        "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
    );
    check(
        post(PODS, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}))
            .await,
        422,
        "Invalid",
        "spec.containers: Required value",
    );
    check(
        post(
            PODS,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": "none"}}),
        )
        .await,
        400,
        "BadRequest",
        "spec.containers",
    );
    let strict = "/api/v1/namespaces/default/configmaps?fieldValidation=Strict";
    let mut unknown = config_map("x");
    unknown["spce"] = json!({});
    check(post(strict, unknown).await, 400, "BadRequest", r#"strict decoding error: unknown field "spce""#);
    let duplicate = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}"#;
    check(send(client, Method::POST, strict, JSON, duplicate).await, 400, "BadRequest", r#"duplicate field "data.a""#);
    check(
        post("/api/v1/namespaces/nowhere/configmaps", config_map("x")).await,
        404,
        "NotFound",
        r#"namespaces "nowhere" not found"#,
    );
}

async fn versions(client: &Client) {
    let created =
        send(client, Method::POST, CONFIG_MAPS, JSON, config_map("good").to_string()).await.expect("this one is good");
    check(
        send(client, Method::POST, CONFIG_MAPS, JSON, config_map("good").to_string()).await,
        409,
        "AlreadyExists",
        r#"configmaps "good" already exists"#,
    );
    let path = format!("{CONFIG_MAPS}/good");
    let mut changed = created.clone();
    changed["data"]["a"] = json!("2");
    let updated = send(client, Method::PUT, &path, JSON, changed.to_string()).await.expect("a fresh version");
    check(
        send(client, Method::PUT, &path, JSON, changed.to_string()).await,
        409,
        "Conflict",
        "the object has been modified; please apply your changes to the latest version and try again",
    );
    let mut stranger = updated.clone();
    stranger["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    check(send(client, Method::PUT, &path, JSON, stranger.to_string()).await, 409, "Conflict", "UID");
    let mut renamed = updated;
    renamed["metadata"]["name"] = json!("other");
    check(
        send(client, Method::PUT, &path, JSON, renamed.to_string()).await,
        400,
        "BadRequest",
        "the name of the object",
    );
    check(send(client, Method::PATCH, &path, "text/plain", "{}").await, 415, "UnsupportedMediaType", "");
    let patch = r#"[{"op":"test","path":"/data/a","value":"9"}]"#;
    check(send(client, Method::PATCH, &path, "application/json-patch+json", patch).await, 422, "Invalid", "");
}

async fn questions(client: &Client) {
    check(
        send(client, Method::GET, &format!("{CONFIG_MAPS}/missing"), JSON, "").await,
        404,
        "NotFound",
        r#"configmaps "missing" not found"#,
    );
    check(
        send(client, Method::GET, "/apis/apps/v9/deployments", JSON, "").await,
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
    check(
        send(client, Method::GET, &format!("{CONFIG_MAPS}?labelSelector=a+in+("), JSON, "").await,
        400,
        "BadRequest",
        "",
    );
    check(
        send(client, Method::GET, &format!("{CONFIG_MAPS}?fieldSelector=data.a%3D1"), JSON, "").await,
        400,
        "BadRequest",
        "is not a known field selector",
    );
    check(
        send(client, Method::GET, &format!("{CONFIG_MAPS}?limit=1&continue=nonsense"), JSON, "").await,
        400,
        "BadRequest",
        "continue",
    );
}

async fn credentials(client: &Client, cluster: &Cluster) {
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig()).expect("a kubeconfig");
    let authority = kubeconfig.lines().find(|line| line.contains("certificate-authority-data")).expect("an authority");
    let with_token = |token: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters:\n- name: c\n  cluster:\n    server: {}\n    {}\n\
             users:\n- name: u\n  user: {{token: {token}}}\n\
             contexts:\n- name: c\n  context: {{cluster: c, user: u}}\n",
            cluster.server(),
            authority.trim(),
        );
        let parsed = Kubeconfig::from_yaml(&text).expect("a kubeconfig");
        Client::from_kubeconfig(&parsed).expect("it is complete")
    };
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6a3ViZS1zeXN0ZW06ZGVmYXVsdCJ9.";
    for token in ["nonsense", forged] {
        check(send(&with_token(token), Method::GET, CONFIG_MAPS, JSON, "").await, 401, "Unauthorized", "Unauthorized");
    }
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let issued = loop {
        // The service account of a namespace comes a moment after it.
        match send(client, Method::POST, path, JSON, request.to_string()).await {
            Ok(issued) => break issued,
            Err(error) if error.is_not_found() => tokio::task::yield_now().await,
            Err(error) => panic!("{}", error.chain()),
        }
    };
    let token = issued["status"]["token"].as_str().expect("a token");
    let forbidden = send(&with_token(token), Method::GET, CONFIG_MAPS, JSON, "").await;
    check(
        forbidden,
        403,
        "Forbidden",
        r#"User "system:serviceaccount:default:default" cannot list resource "configmaps""#,
    );
    let mut broken: Vec<char> = token.chars().collect();
    let last = broken.len() - 10;
    broken[last] = if broken[last] == 'A' { 'B' } else { 'A' };
    let broken: String = broken.into_iter().collect();
    check(send(&with_token(&broken), Method::GET, CONFIG_MAPS, JSON, "").await, 401, "Unauthorized", "Unauthorized");
}
