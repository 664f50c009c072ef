//! CertificateSigningRequests: who asks, who approves, who signs.

use crate::harness::Harness;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use kubekit_server::identity::UserInfo;
use rcgen::{CertificateParams, CertificateSigningRequest, DnType, KeyPair};
use serde_json::{Value, json};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// A request for a certificate of this group.
fn signed(group: &str) -> CertificateSigningRequest {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, group);
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap()
}

/// Its PEM in base64.
fn encoded(group: &str) -> String {
    STANDARD.encode(signed(group).pem().unwrap())
}

fn request(signer: &str, group: &str) -> Value {
    json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "r"},
        "spec": {"request": encoded(group), "usages": ["client auth"], "signerName": signer}})
}

/// Alice may change everything about requests, and do this verb with the signers of these names.
async fn alice(h: &Harness, verb: &str, signers: &[&str]) -> Harness {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let group = "certificates.k8s.io";
    let requests = ["certificatesigningrequests/approval", "certificatesigningrequests/status"];
    let rules = json!([{"verbs": ["*"], "apiGroups": [group], "resources": requests},
        {"verbs": [verb], "apiGroups": [group], "resources": ["signers"], "resourceNames": signers}]);
    h.made(ROLES, json!({"metadata": {"name": "signing"}, "rules": rules})).await;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "signing"});
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"});
    h.made(BINDINGS, json!({"metadata": {"name": "signing"}, "roleRef": role, "subjects": [subject]})).await;
    h.as_user(UserInfo::new("alice", ["people"]))
}

/// Whether Alice may approve a request for `example.com/mine`, who may approve for these signers.
async fn check_approval(signers: &[&str], allowed: bool) {
    let h = Harness::new().await;
    h.made(REQUESTS, request("example.com/mine", "people")).await;
    let alice = alice(&h, "approve", signers).await;
    let approval = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r"}]}});
    let answer = alice.patch(&format!("{REQUESTS}/r/approval"), "merge", &approval).await;
    if allowed {
        let condition = answer.ok()["status"]["conditions"][0].clone();
        assert!(condition["lastUpdateTime"].is_string() && condition["lastTransitionTime"].is_string(), "{condition}");
        let taken_back = alice.patch(&format!("{REQUESTS}/r/approval"), "merge", &json!({"status": null})).await;
        assert_eq!(taken_back.code, 422, "{}", taken_back.text);
    } else {
        answer.refused(
            403,
            "Forbidden",
            "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: user not permitted to approve requests with \
             signerName \"example.com/mine\"",
        );
    }
}

#[tokio::test]
async fn approving_needs_the_permission_for_the_signer() {
    check_approval(&["example.com/mine"], true).await;
    check_approval(&["example.com/*"], true).await;
    check_approval(&["example.com/other", "*", "example.org/*"], false).await;
}

#[tokio::test]
async fn signing_needs_the_permission_for_the_signer() {
    let h = Harness::new().await;
    h.made(REQUESTS, request("example.com/mine", "people")).await;
    let uri = &format!("{REQUESTS}/r/status");
    let failed = json!({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "r"}]}});
    let alice = alice(&h, "sign", &["example.com/other"]).await;
    let refused = alice.patch(uri, "merge", &failed).await;
    refused.refused(
        403,
        "Forbidden",
        "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: user not permitted to sign requests with \
         signerName \"example.com/mine\"",
    );
    h.patch(uri, "merge", &failed).await.ok();
}

#[tokio::test]
async fn nobody_asks_for_a_certificate_of_the_administrators() {
    const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
    let h = Harness::new().await;
    h.post(REQUESTS, &request(CLIENT, "system:masters")).await.refused(
        403,
        "Forbidden",
        "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: use of kubernetes.io/kube-apiserver-client \
         signer with system:masters group is not allowed",
    );
    assert_eq!(h.post(&format!("{REQUESTS}?dryRun=All"), &request(CLIENT, "people")).await.code, 201);
    assert_eq!(h.post(&format!("{REQUESTS}?dryRun=All"), &request("example.com/x", "system:masters")).await.code, 201);
}

/// What is said of a request for a client certificate whose PEM is this.
async fn check_pem(pem: &str, expected: &str) {
    let h = Harness::new().await;
    let mut asked = request("kubernetes.io/kube-apiserver-client", "people");
    asked["spec"]["request"] = json!(STANDARD.encode(pem));
    let refused = h.post(REQUESTS, &asked).await;
    assert_eq!(refused.code, 403, "{pem}: {}", refused.text);
    let message = refused.body["message"].as_str().unwrap_or_default();
    let forbidden = "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: ";
    assert!(message.strip_prefix(forbidden).is_some_and(|detail| detail.starts_with(expected)), "{pem}: {message}");
}

#[tokio::test]
async fn what_cannot_be_read_of_a_request_asks_for_everything() {
    let pem = |group: &str| String::from_utf8(STANDARD.decode(encoded(group)).unwrap()).unwrap();
    let (masters, people) = (pem("system:masters"), pem("people"));
    let used = "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
    check_pem("", "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST").await;
    check_pem("-----BEGIN CERTIFICATE REQUEST-----\n", "failed to parse CSR: ").await;
    // What others read in spite of a header, or after a block that ends as no block ends for them.
    check_pem(&masters.replacen("REQUEST-----\n", "REQUEST-----\nA: b\n\n", 1), "failed to parse CSR: ").await;
    check_pem(&format!("{}x\n{masters}", people.trim_end()), used).await;
    // A name of another type of text: UTF8String becomes T61String.
    let mut der = signed("system:masters").der().to_vec();
    let name = der.windows(14).position(|bytes| bytes == b"system:masters").unwrap();
    der[name - 2] = 20;
    let body = STANDARD.encode(der);
    let begin = "-----BEGIN CERTIFICATE REQUEST-----";
    check_pem(&format!("{begin}\n{body}\n-----END CERTIFICATE REQUEST-----\n"), "failed to parse CSR: ").await;
}

#[tokio::test]
async fn a_certificate_signing_request_says_who_asked() {
    let h = Harness::new().await;
    let request = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "r"},
        "spec": {"request": encoded("people"), "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client",
            "username": "system:admin", "groups": ["system:masters"], "uid": "7", "extra": {"a": ["b"]}}});
    let alice = UserInfo { uid: "1".to_owned(), ..UserInfo::new("alice", ["system:masters"]) };
    let made = h.as_user(alice).post(REQUESTS, &request).await.is(StatusCode::CREATED);
    assert_eq!((&made["spec"]["username"], &made["spec"]["uid"]), (&json!("alice"), &json!("1")));
    assert_eq!(made["spec"]["groups"], json!(["system:masters", "system:authenticated"]));
    assert_eq!(made["spec"].get("extra"), None);
    let mut changed = made.clone();
    changed["spec"]["username"] = json!("bob");
    changed["metadata"]["labels"] = json!({"a": "b"});
    let after = h.put(&format!("{REQUESTS}/r"), &changed).await.ok();
    assert_eq!((&after["spec"], &after["metadata"]["labels"]), (&made["spec"], &json!({"a": "b"})));
}
