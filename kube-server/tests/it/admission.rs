//! The built-in admission plugins, and what a cluster starts with.

use crate::harness::{CONFIG_MAPS, Harness, PODS, config_map, pod, request};
use http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;

#[tokio::test]
async fn a_cluster_starts_with_these() {
    let h = Harness::new().await;
    for uri in [
        "/api/v1/namespaces/default",
        "/api/v1/namespaces/kube-system",
        "/api/v1/namespaces/kube-public",
        "/api/v1/namespaces/kube-node-lease",
        "/api/v1/namespaces/default/serviceaccounts/default",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin",
    ] {
        let object = h.get(uri).await.ok();
        assert!(object["metadata"]["uid"].is_string() && object["metadata"]["creationTimestamp"].is_string(), "{uri}");
    }
    let service = h.get("/api/v1/namespaces/default/services/kubernetes").await.ok();
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1");
    h.server.publish_address("192.0.2.1:6443".parse().unwrap()).await.unwrap();
    h.server.publish_address("192.0.2.2:7443".parse().unwrap()).await.unwrap();
    let slice = h.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").await.ok();
    assert_eq!(
        (&slice["endpoints"][0]["addresses"][0], &slice["ports"][0]["port"]),
        (&json!("192.0.2.2"), &json!(7443))
    );
    let before = h.store.revision().await.unwrap();
    let again = Harness::over(h.store.clone(), |builder| builder).await;
    assert_eq!(again.store.revision().await.unwrap(), before, "a restart writes nothing");
}

#[tokio::test]
async fn some_namespaces_stay() {
    let h = Harness::new().await;
    for name in ["default", "kube-system", "kube-public"] {
        h.delete(&format!("/api/v1/namespaces/{name}")).await.refused(
            403,
            "Forbidden",
            &format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted"),
        );
    }
}

fn volume(pod: &Value) -> Option<&Value> {
    pod["spec"]["volumes"]
        .as_array()?
        .iter()
        .find(|v| v["name"].as_str().is_some_and(|n| n.starts_with("kube-api-access-")))
}

#[tokio::test(start_paused = true)]
async fn pods_get_an_account_and_its_token() {
    let h = Harness::new().await;
    let made = h.made(PODS, pod("a")).await;
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    let token = volume(&made).unwrap_or_else(|| panic!("{made}"));
    assert_eq!(
        token["projected"]["sources"][0]["serviceAccountToken"],
        json!({"expirationSeconds": 3607, "path": "token"})
    );
    let mount = &made["spec"]["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["name"], token["name"]);
    assert_eq!(mount["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    let mut without = pod("b");
    without["spec"]["automountServiceAccountToken"] = json!(false);
    assert!(volume(&h.made(PODS, without).await).is_none());
    let mut other = pod("c");
    other["spec"]["serviceAccountName"] = json!("nobody");
    h.post(PODS, &other).await.refused(
        403,
        "Forbidden",
        "pods \"c\" is forbidden: error looking up service account default/nobody: serviceaccount \"nobody\" not found",
    );
}

#[tokio::test]
async fn an_account_speaks_for_its_pods_unless_they_speak_for_themselves() {
    let h = Harness::new().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    for (name, fields) in [
        ("quiet", json!({})),
        ("shy", json!({"automountServiceAccountToken": false})),
        ("puller", json!({"imagePullSecrets": [{"name": "s"}]})),
    ] {
        let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        account.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        h.made(accounts, account).await;
    }
    let run_as = async |name: &str, account: &str, fields: Value| {
        let mut pod = pod(name);
        pod["spec"]["serviceAccountName"] = json!(account);
        pod["spec"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        h.made(PODS, pod).await
    };
    assert!(volume(&run_as("a", "quiet", json!({})).await).is_some());
    assert!(volume(&run_as("b", "shy", json!({})).await).is_none());
    assert!(volume(&run_as("c", "shy", json!({"automountServiceAccountToken": true})).await).is_some());
    let pulling = run_as("d", "puller", json!({})).await;
    assert_eq!(pulling["spec"]["imagePullSecrets"], json!([{"name": "s"}]));
    let own = run_as("e", "puller", json!({"imagePullSecrets": [{"name": "t"}]})).await;
    assert_eq!(own["spec"]["imagePullSecrets"], json!([{"name": "t"}]));
    // What an account says later holds for the pods after that.
    h.patch(&format!("{accounts}/quiet"), "merge", &json!({"automountServiceAccountToken": false})).await.ok();
    assert!(volume(&run_as("f", "quiet", json!({})).await).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_a_moment_for_the_account_of_a_new_namespace() {
    let h = Harness::new().await;
    h.made("/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    let pods = "/api/v1/namespaces/n/pods";
    let create = h.post(pods, &pod("a")).await;
    assert_eq!(create.code, 403, "{}", create.text);
    let (late, _) = tokio::join!(h.made("/api/v1/namespaces/n/pods", pod("a")), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        h.post("/api/v1/namespaces/n/serviceaccounts", &json!({"metadata": {"name": "default"}})).await
    });
    assert_eq!(late["spec"]["serviceAccountName"], "default");
}

#[tokio::test]
async fn pods_tolerate_lost_nodes_for_five_minutes() {
    let h = Harness::new().await;
    let made = h.made(PODS, pod("a")).await;
    let tolerations = made["spec"]["tolerations"].as_array().unwrap();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let found = tolerations.iter().find(|t| t["key"] == key).unwrap();
        assert_eq!((&found["effect"], &found["tolerationSeconds"]), (&json!("NoExecute"), &json!(300)));
    }
}

#[tokio::test]
async fn priority_classes_become_numbers() {
    let h = Harness::new().await;
    let made = h.made(PODS, pod("a")).await;
    assert_eq!(
        (&made["spec"]["priority"], &made["spec"]["preemptionPolicy"]),
        (&json!(0), &json!("PreemptLowerPriority"))
    );
    let mut critical = pod("b");
    critical["spec"]["priorityClassName"] = json!("system-node-critical");
    assert_eq!(h.made(PODS, critical).await["spec"]["priority"], 2_000_001_000);
    let mut unknown = pod("c");
    unknown["spec"]["priorityClassName"] = json!("nope");
    h.post(PODS, &unknown).await.refused(
        403,
        "Forbidden",
        "pods \"c\" is forbidden: no PriorityClass with name nope was found",
    );
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    h.made(classes, json!({"metadata": {"name": "mine"}, "value": 7, "globalDefault": true})).await;
    assert_eq!(h.made(PODS, pod("d")).await["spec"]["priority"], 7);
    let second = h.post(classes, &json!({"metadata": {"name": "other"}, "value": 8, "globalDefault": true})).await;
    assert_eq!(second.code, 403, "{}", second.text);
}

#[tokio::test]
async fn new_nodes_take_no_pods() {
    let h = Harness::new().await;
    let node = h.made("/api/v1/nodes", json!({"metadata": {"name": "n"}})).await;
    assert_eq!(node["spec"]["taints"], json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]));
}

#[tokio::test]
async fn plugins_can_be_switched_off() {
    let h = Harness::with(|builder| {
        builder.configure(|config| {
            config.disabled_admission.insert("ServiceAccount".to_owned());
        })
    })
    .await;
    h.made("/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    let made = h.post("/api/v1/namespaces/n/pods", &pod("a")).await.is(StatusCode::CREATED);
    assert!(volume(&made).is_none());
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_are_told_to_come_back() {
    let h = Harness::with(|builder| builder.configure(|config| config.read_only_in_flight_max = 0)).await;
    let user = kubekit_server::identity::UserInfo::new("alice", ["nobody"]);
    let refused = h.as_user(user).get(CONFIG_MAPS).await;
    refused.refused(429, "TooManyRequests", "Too many requests, please try again later.");
    assert_eq!(refused.headers["retry-after"], "1");
    h.made(CONFIG_MAPS, config_map("admins-are-exempt")).await;
}

#[tokio::test]
async fn who_is_not_known_or_not_allowed() {
    let h = Harness::new().await;
    let as_admin = [("impersonate-user", "admin"), ("impersonate-group", "system:masters")];
    for (uri, plain, impersonating) in [(CONFIG_MAPS, 401, 401), ("/livez", 200, 403)] {
        for (headers, code) in [(&[][..], plain), (&as_admin, impersonating)] {
            let anonymous = request(http::Method::GET, uri, headers, "");
            assert_eq!(h.server.clone().oneshot(anonymous).await.unwrap().status(), code, "{uri} {headers:?}");
        }
    }
    let alice = h.as_user(kubekit_server::identity::UserInfo::new("alice", ["nobody"]));
    alice.get(CONFIG_MAPS).await.refused(
        403,
        "Forbidden",
        "configmaps is forbidden: User \"alice\" cannot list resource \"configmaps\" in API group \"\" in the namespace \
         \"default\"",
    );
}
