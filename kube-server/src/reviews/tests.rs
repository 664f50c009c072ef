use super::*;
use crate::ApiServer;
use crate::keys;
use crate::pki::TokenKey;
use crate::request_info::RequestInfo;
use crate::tokens::Issuer;
use bytes::Bytes;
use kubekit_store::{Config, Extractor, Memory, Precondition, ReadAt, Store};

async fn server() -> Arc<Server> {
    let store: Arc<dyn Store> = Arc::new(Memory::new(Extractor::none(), Config::default()));
    let write = async |key: String, object: Value| {
        let value = kubekit_store::Value { bytes: object.to_string().into(), splice: 1 };
        store.put(&key, Precondition::None, value).await.unwrap();
    };
    let rbac = |plural: &str, namespace: &str, name: &str| {
        keys::object_key("rbac.authorization.k8s.io", plural, namespace, name)
    };
    write(
        rbac("clusterroles", "", "reader"),
        json!({
            "metadata": {"name": "reader"},
            "rules": [
                {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
                {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
            ],
        }),
    )
    .await;
    write(
        rbac("clusterrolebindings", "", "b"),
        json!({
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "User", "name": "alice"}, {"kind": "Group", "name": "dev"}],
        }),
    )
    .await;
    for (resource, name) in [("serviceaccounts", "robot"), ("serviceaccounts", "other"), ("secrets", "s")] {
        write(
            keys::object_key("", resource, "default", name),
            json!({"metadata": {"name": name, "uid": format!("{name}-uid")}}),
        )
        .await;
    }
    write(
        keys::object_key("", "pods", "default", "p"),
        json!({
            "metadata": {"name": "p", "uid": "p-uid"}, "spec": {"serviceAccountName": "robot", "nodeName": "n"},
        }),
    )
    .await;
    let issuer = Issuer::new("https://issuer", &TokenKey::generate().unwrap()).unwrap();
    let server = ApiServer::builder(store).token_issuer(Arc::new(issuer)).build().await.unwrap();
    Arc::clone(server.server())
}

fn request(user: UserInfo) -> Request {
    let parts = http::Request::new(()).into_parts().0;
    let info = RequestInfo { namespace: "default".to_owned(), ..RequestInfo::default() };
    Request::new(parts, info, user.into(), Bytes::new())
}

async fn review(server: &Arc<Server>, user: UserInfo, group: &str, plural: &str, spec: Value) -> Result<Value, String> {
    let resource = kubekit_core::catalog::find(group, "v1", plural).unwrap();
    create(server, &request(user), resource, json!({ "spec": spec }))
        .await
        .map(|object| object["status"].clone())
        .map_err(|error| error.message)
}

fn alice() -> UserInfo {
    UserInfo::new("alice", [] as [&str; 0])
}

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

#[tokio::test]
async fn may_i() {
    let server = server().await;
    let ask = async |spec: Value| review(&server, alice(), AUTHORIZATION, "selfsubjectaccessreviews", spec).await;
    let status =
        ask(json!({"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "a"}})).await.unwrap();
    assert_eq!(status["allowed"], true);
    assert_eq!(
        status["reason"],
        "RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"reader\" to User \"alice\""
    );
    let status = ask(json!({"resourceAttributes": {"verb": "delete", "resource": "pods"}})).await.unwrap();
    assert_eq!(status, json!({"allowed": false}));
    let status = ask(json!({"nonResourceAttributes": {"verb": "get", "path": "/metrics"}})).await.unwrap();
    assert_eq!(status["allowed"], true);
    let error = ask(json!({})).await.unwrap_err();
    assert!(error.contains("exactly one of nonResourceAttributes or resourceAttributes must be specified"), "{error}");
}

#[tokio::test]
async fn may_they() {
    let server = server().await;
    let pods = json!({"verb": "list", "resource": "pods"});
    let ask = async |spec: Value| review(&server, UserInfo::admin(), AUTHORIZATION, "subjectaccessreviews", spec).await;
    let status = ask(json!({"user": "bob", "groups": ["dev"], "resourceAttributes": pods})).await.unwrap();
    assert_eq!(status["allowed"], true);
    assert_eq!(ask(json!({"user": "bob", "resourceAttributes": pods})).await.unwrap()["allowed"], false);
    let error = ask(json!({"resourceAttributes": pods})).await.unwrap_err();
    assert!(error.contains("at least one of user or group must be specified"), "{error}");
    let local = async |namespace: &str| {
        let spec = json!({"user": "alice", "resourceAttributes": {"verb": "list", "resource": "pods", "namespace": namespace}});
        review(&server, UserInfo::admin(), AUTHORIZATION, "localsubjectaccessreviews", spec).await
    };
    assert_eq!(local("default").await.unwrap()["allowed"], true);
    for other in ["", "other"] {
        let text = format!(
            "LocalSubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \
             {other:?}: must match metadata.namespace"
        );
        assert_eq!(local(other).await.unwrap_err(), text);
    }
    let path = json!({"user": "alice", "nonResourceAttributes": {"verb": "get", "path": "/"}});
    let error = review(&server, UserInfo::admin(), AUTHORIZATION, "localsubjectaccessreviews", path).await.unwrap_err();
    assert!(error.ends_with("disallowed on this kind of request"), "{error}");
}

/// What is said of a review with this metadata.
async fn check_metadata(plural: &str, metadata: Value, expected: Option<&str>) {
    let resource = kubekit_core::catalog::find(AUTHORIZATION, "v1", plural).unwrap();
    let asked = json!({"verb": "list", "resource": "pods", "namespace": "default"});
    let object = json!({"metadata": metadata, "spec": {"user": "alice", "resourceAttributes": asked}});
    let error = create(&server().await, &request(alice()), resource, object).await.err().map(|error| error.message);
    let text = |detail: &str| {
        format!("{}.{AUTHORIZATION} \"\" is invalid: metadata: Invalid value: {metadata}: {detail}", resource.kind)
    };
    assert_eq!(error, expected.map(text), "{plural} {metadata}");
}

#[tokio::test]
async fn the_metadata_of_a_question_is_empty() {
    for plural in ["selfsubjectaccessreviews", "subjectaccessreviews"] {
        check_metadata(plural, json!({"creationTimestamp": null, "name": "", "labels": {}}), None).await;
        check_metadata(plural, json!({"managedFields": [{"manager": "m"}]}), None).await;
        check_metadata(plural, json!({"name": "a"}), Some("must be empty")).await;
        check_metadata(plural, json!({"namespace": "default"}), Some("must be empty")).await;
    }
    let local = "localsubjectaccessreviews";
    check_metadata(local, json!({"namespace": "default"}), None).await;
    check_metadata(local, json!({"labels": {"a": "b"}}), Some("must be empty except for namespace")).await;
}

#[tokio::test]
async fn what_may_i_and_who_am_i() {
    let server = server().await;
    let ask = async |spec: Value| review(&server, alice(), AUTHORIZATION, "selfsubjectrulesreviews", spec).await;
    let status = ask(json!({"namespace": "default"})).await.unwrap();
    assert_eq!(status["incomplete"], false);
    let pods = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]});
    assert!(status["resourceRules"].as_array().unwrap().contains(&pods));
    let metrics = json!({"verbs": ["get"], "nonResourceURLs": ["/metrics"]});
    assert!(status["nonResourceRules"].as_array().unwrap().contains(&metrics));
    assert_eq!(ask(json!({})).await.unwrap_err(), "no namespace on request");
    let status = review(&server, alice(), AUTHENTICATION, "selfsubjectreviews", Value::Null).await.unwrap();
    assert_eq!(status["userInfo"], json!({"username": "alice", "groups": ["system:authenticated"]}));
}

async fn token(server: &Arc<Server>, user: UserInfo, name: &str, spec: Value) -> Result<Value, String> {
    crate::token_request::create(server, &request(user), "default", name, json!({ "spec": spec }))
        .await
        .map_err(|error| format!("{} {}", error.code(), error.message))
}

#[tokio::test]
async fn a_token_is_issued_and_reviewed() {
    let server = server().await;
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p-uid"});
    let issued = token(&server, UserInfo::admin(), "robot", json!({"boundObjectRef": reference})).await.unwrap();
    assert_eq!(issued["spec"]["expirationSeconds"], 3600);
    assert_eq!(issued["spec"]["audiences"], json!(["https://issuer"]));
    let text = issued["status"]["token"].as_str().unwrap();
    let ask = async |spec: Value| review(&server, UserInfo::admin(), AUTHENTICATION, "tokenreviews", spec).await;
    let status = ask(json!({"token": text})).await.unwrap();
    assert_eq!(status["authenticated"], true);
    assert_eq!(status["user"]["username"], "system:serviceaccount:default:robot");
    assert_eq!(status["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
    assert_eq!(status["audiences"], json!(["https://issuer"]));
    let status = ask(json!({"token": text, "audiences": ["vault"]})).await.unwrap();
    assert_eq!(status, json!({"user": {}, "error": "invalid bearer token"}));
    assert_eq!(ask(json!({"token": "forged"})).await.unwrap()["error"], "invalid bearer token");
    assert!(ask(json!({})).await.is_err());
}

#[tokio::test]
async fn token_requests_are_checked() {
    let server = server().await;
    let check = async |user: UserInfo, name: &str, spec: Value, expected: &str| {
        let error = token(&server, user, name, spec).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let admin = UserInfo::admin;
    let pod = |uid: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid}});
    check(admin(), "none", json!({}), "404 serviceaccounts \"none\" not found").await;
    check(admin(), "robot", json!({"expirationSeconds": 599}), "422 TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes").await;
    check(admin(), "robot", json!({"expirationSeconds": 4_294_967_297_i64}), "larger than 2^32 seconds").await;
    check(
        admin(),
        "other",
        pod(""),
        "400 cannot bind token for serviceaccount \"other\" to pod running with different",
    )
    .await;
    check(admin(), "robot", pod("old"), "409 ").await;
    check(
        admin(),
        "robot",
        json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "x"}}),
        "404 pods \"x\"",
    )
    .await;
    check(
        admin(),
        "robot",
        json!({"boundObjectRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}}),
        "400 cannot bind token to object of type /v1, Kind=ConfigMap",
    )
    .await;
    let named = async |metadata: Value| {
        let asked = json!({"metadata": metadata, "spec": {}});
        let issued = crate::token_request::create(&server, &request(admin()), "default", "robot", asked).await;
        issued
            .map(|token| token["metadata"]["name"].clone())
            .map_err(|error| format!("{} {}", error.code(), error.message))
    };
    assert_eq!(named(json!({"name": "robot", "namespace": "default"})).await, Ok(json!("robot")));
    let text = "422 TokenRequest.authentication.k8s.io \"robot\" is invalid: metadata.name: Invalid value: \"other\": must \
                match the service account name if specified";
    assert_eq!(named(json!({"name": "other"})).await, Err(text.to_owned()));
    assert!(named(json!({"namespace": "other"})).await.is_err_and(|error| error.starts_with("400 ")));
    let node = |name: &str| UserInfo::new(format!("system:node:{name}"), ["system:nodes"]);
    assert!(token(&server, node("n"), "robot", pod("p-uid")).await.is_ok());
    check(node("m"), "robot", pod("p-uid"), "403 ").await;
    check(node("n"), "robot", json!({}), "node requested token not bound to a pod").await;
    let secret = json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s"}});
    assert!(token(&server, admin(), "robot", secret).await.is_ok());
}

#[tokio::test]
async fn in_a_namespace_that_goes_nobody_gets_tokens() {
    let server = server().await;
    let key = keys::object_key("", "namespaces", "", "default");
    let entry = server.store().get(&key, ReadAt::Latest).await.unwrap().unwrap();
    let mut namespace: Value = serde_json::from_slice(&entry.value.bytes).unwrap();
    namespace["status"] = json!({"phase": "Terminating"});
    let value = kubekit_store::Value { bytes: namespace.to_string().into(), splice: 1 };
    server.store().put(&key, Precondition::None, value).await.unwrap();
    let error = token(&server, UserInfo::admin(), "robot", json!({})).await.unwrap_err();
    let text = "403 serviceaccounts \"robot\" is forbidden: unable to create new content in namespace default because it is \
                being terminated";
    assert_eq!(error, text);
}
