//! Evictions: what budgets say to them, and what they say on the Pod.

use crate::harness::{Harness, PODS, pod};
use crate::interposed::{Happening, Interposed};
use async_trait::async_trait;
use kubekit_core::status::ApiError;
use kubekit_server::admission::{Admission, AdmissionRequest, Operation};
use kubekit_server::identity::UserInfo;
use kubekit_store::{Result, Store, Txn, TxnOutcome};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

fn eviction(options: Value) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x"}, "deleteOptions": options})
}

/// A Pod `x` on a node, in a phase; ready or not.
async fn running(h: &Harness, phase: &str, ready: &str) -> Value {
    let mut running = pod("x");
    running["spec"]["nodeName"] = json!("n");
    h.made(PODS, running).await;
    let status = json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}});
    h.patch(&format!("{PODS}/x/status"), "merge", &status).await.ok()
}

/// A budget over the Pods that are called `x`, with this status.
async fn budget(h: &Harness, name: &str, status: Value) {
    let made = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}});
    h.made(BUDGETS, made).await;
    let mut whole = json!({"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1,
        "expectedPods": 1});
    whole.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    h.patch(&format!("{BUDGETS}/{name}/status"), "merge", &json!({"status": whole})).await.ok();
}

#[tokio::test]
async fn evictions_respect_budgets() {
    let h = Harness::new().await;
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    h.made(
        budgets,
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}),
    )
    .await;
    let mut running = pod("x");
    running["spec"]["nodeName"] = json!("n");
    h.made(PODS, running).await;
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    h.patch(&format!("{PODS}/x/status"), "merge", &status).await.ok();
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x"}});
    let uri = &format!("{PODS}/x/eviction");
    let refused = h.post(uri, &eviction).await;
    refused.refused(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.");
    let set = |allowed: i64| {
        json!({"status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 1,
            "desiredHealthy": 1, "expectedPods": 1, "conditions": [{"type": "DisruptionAllowed", "status": "True",
            "reason": "SufficientPods", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
    };
    h.patch(&format!("{budgets}/b/status"), "merge", &set(0)).await.ok();
    let refused = h.post(uri, &eviction).await;
    assert_eq!(refused.code, 429);
    assert_eq!(
        refused.body["details"]["causes"][0],
        json!({"reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 1 currently"})
    );
    h.patch(&format!("{budgets}/b/status"), "merge", &set(1)).await.ok();
    assert_eq!(h.post(uri, &eviction).await.code, 201);
    assert!(h.get(&format!("{PODS}/x")).await.ok()["metadata"]["deletionTimestamp"].is_string());
    let budget = h.get(&format!("{budgets}/b")).await.ok();
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    assert!(budget["status"]["disruptedPods"]["x"].is_string());
    let condition = &budget["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("DisruptionAllowed"), &json!("False")));
    assert_eq!((&condition["reason"], &condition["observedGeneration"]), (&json!("InsufficientPods"), &json!(1)));
    assert_ne!(condition["lastTransitionTime"], "2026-01-01T00:00:00Z");
    assert_eq!(budget["status"]["conditions"].as_array().map(Vec::len), Some(1), "{budget}");
}

#[tokio::test]
async fn an_evicted_pod_says_why_it_goes() {
    let h = Harness::new().await;
    let before = running(&h, "Running", "True").await;
    assert_eq!(h.post(&format!("{PODS}/x/eviction?dryRun=All"), &eviction(json!({}))).await.code, 201);
    assert_eq!(h.get(&format!("{PODS}/x")).await.ok(), before, "a dry run says nothing");
    assert_eq!(h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await.code, 201);
    let evicted = h.get(&format!("{PODS}/x")).await.ok();
    let mut target = evicted["status"]["conditions"][1].clone();
    assert!(target["lastTransitionTime"].take().is_string(), "{evicted}");
    assert_eq!(
        target,
        json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": null, "observedGeneration": 1})
    );
    assert!(evicted["metadata"]["deletionTimestamp"].is_string());
    // To evict it again gives it no other time.
    assert_eq!(h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await.code, 201);
    let again = h.get(&format!("{PODS}/x")).await.ok();
    assert_eq!(again["metadata"]["deletionTimestamp"], evicted["metadata"]["deletionTimestamp"]);
    assert_eq!(again["status"]["conditions"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_eviction_keeps_its_delete_options() {
    let h = Harness::new().await;
    let uid = running(&h, "Running", "True").await["metadata"]["uid"].clone();
    let uri = &format!("{PODS}/x/eviction");
    let stale = h.post(uri, &eviction(json!({"preconditions": {"resourceVersion": "1"}}))).await;
    assert_eq!(stale.code, 409, "{}", stale.text);
    let other = h.post(uri, &eviction(json!({"preconditions": {"uid": "u"}}))).await;
    assert_eq!(other.code, 409, "{}", other.text);
    assert_eq!(h.post(uri, &eviction(json!({"dryRun": ["All"]}))).await.code, 201);
    assert_eq!(h.get(&format!("{PODS}/x")).await.ok()["status"]["conditions"].as_array().map(Vec::len), Some(1));
    let mine = json!({"preconditions": {"uid": uid}, "gracePeriodSeconds": 0});
    assert_eq!(h.post(uri, &eviction(mine)).await.code, 201);
    assert_eq!(h.get(&format!("{PODS}/x")).await.code, 404);
    h.post(uri, &eviction(json!({}))).await.refused(404, "NotFound", "pods \"x\" not found");
}

/// What the budget's cause says of an eviction that its status does not allow.
async fn check_denial(status: Value, retry: Option<u64>, expected: &str) {
    let h = Harness::new().await;
    running(&h, "Running", "True").await;
    budget(&h, "b", status).await;
    let refused = h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await;
    refused.refused(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.");
    let details = &refused.body["details"];
    assert_eq!((&details["causes"][0]["message"], details["retryAfterSeconds"].as_u64()), (&json!(expected), retry));
}

#[tokio::test]
async fn a_budget_says_what_keeps_it_from_giving_a_pod_up() {
    let condition = |reason: &str, message: &str| {
        json!([{"type": "DisruptionAllowed", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    };
    check_denial(json!({}), None, "The disruption budget b needs 1 healthy pods and has 1 currently").await;
    check_denial(
        json!({"conditions": condition("SyncFailed", "found no controllers for pod \"x\"")}),
        None,
        "The disruption budget b does not allow evicting pods currently because it failed sync: found no controllers for \
         pod \"x\"",
    )
    .await;
    check_denial(
        json!({"currentHealthy": 4, "conditions": condition("Held", "not on Fridays")}),
        None,
        "The disruption budget b does not allow evicting pods currently (Held): not on Fridays",
    )
    .await;
    check_denial(json!({"currentHealthy": 4}), None, "The disruption budget b does not allow evicting pods currently")
        .await;
    check_denial(
        json!({"observedGeneration": 0}),
        Some(10),
        "The disruption budget b is still being processed by the server.",
    )
    .await;
}

#[tokio::test]
async fn clients_of_before_evict_too() {
    let h = Harness::new().await;
    running(&h, "Running", "True").await;
    let mut old = eviction(json!({}));
    old["apiVersion"] = json!("policy/v2");
    assert_eq!(h.post(&format!("{PODS}/x/eviction"), &old).await.code, 400);
    old["apiVersion"] = json!("policy/v1beta1");
    let evicted = h.post(&format!("{PODS}/x/eviction"), &old).await;
    assert_eq!(evicted.code, 201, "{}", evicted.text);
}

#[tokio::test]
async fn one_budget_a_pod() {
    let h = Harness::new().await;
    running(&h, "Running", "True").await;
    budget(&h, "a", json!({"disruptionsAllowed": 1})).await;
    budget(&h, "b", json!({"disruptionsAllowed": 1})).await;
    h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await.refused(
        500,
        "InternalError",
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
}

/// Whether a Pod in this state is evicted though its budget, of this policy and status, allows no disruption.
async fn check_leave(phase: &str, policy: Option<&str>, status: Value, goes: bool) {
    let h = Harness::new().await;
    running(&h, phase, "False").await;
    budget(&h, "b", status.clone()).await;
    if let Some(policy) = policy {
        let change = json!({"spec": {"unhealthyPodEvictionPolicy": policy}});
        h.patch(&format!("{BUDGETS}/b"), "merge", &change).await.ok();
        h.patch(&format!("{BUDGETS}/b/status"), "merge", &json!({"status": {"observedGeneration": 2}})).await.ok();
    }
    let answer = h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await;
    assert_eq!(answer.code, if goes { 201 } else { 429 }, "{phase} {policy:?} {status}: {}", answer.text);
    assert_eq!(h.get(&format!("{BUDGETS}/b")).await.ok()["status"].get("disruptedPods"), None);
}

#[tokio::test]
async fn pods_that_serve_nobody_need_no_leave() {
    let (healthy, unhealthy) = (json!({}), json!({"currentHealthy": 0}));
    for phase in ["Pending", "Succeeded", "Failed"] {
        check_leave(phase, None, unhealthy.clone(), true).await;
    }
    check_leave("Running", None, healthy.clone(), true).await;
    check_leave("Running", None, unhealthy.clone(), false).await;
    check_leave("Running", None, json!({"currentHealthy": 0, "desiredHealthy": 0}), false).await;
    check_leave("Running", Some("IfHealthyBudget"), unhealthy.clone(), false).await;
    check_leave("Running", Some("AlwaysAllow"), unhealthy, true).await;
}

#[tokio::test]
async fn in_a_namespace_that_goes_nobody_evicts_or_binds() {
    let h = Harness::new().await;
    h.made("/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    h.made("/api/v1/namespaces/n/serviceaccounts", json!({"metadata": {"name": "default"}})).await;
    h.made("/api/v1/namespaces/n/pods", pod("x")).await;
    h.delete("/api/v1/namespaces/n").await.ok();
    let pods = "/api/v1/namespaces/n/pods";
    let binding = json!({"metadata": {"name": "x"}, "target": {"kind": "Node", "name": "y"}});
    for (action, body) in [("eviction", eviction(json!({}))), ("binding", binding)] {
        let refused = h.post(&format!("{pods}/x/{action}"), &body).await;
        let text =
            "pods \"x\" is forbidden: unable to create new content in namespace n because it is being terminated";
        refused.refused(403, "Forbidden", text);
        // By this cause `kubectl drain` knows that the Pod goes anyway.
        assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    }
}

#[tokio::test]
async fn a_node_evicts_its_own_pods() {
    let h = Harness::new().await;
    running(&h, "Running", "True").await;
    let node = |name: &str| h.as_user(UserInfo::new(format!("system:node:{name}"), ["system:nodes"]));
    // Also where a role lets it evict what it likes.
    let rules = json!([{"verbs": ["create"], "apiGroups": [""], "resources": ["pods/eviction"]}]);
    h.made("/apis/rbac.authorization.k8s.io/v1/clusterroles", json!({"metadata": {"name": "evict"}, "rules": rules}))
        .await;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "evict"});
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:node:other"});
    let binding = json!({"metadata": {"name": "evict"}, "roleRef": role, "subjects": [subject]});
    h.made("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding).await;
    let uri = &format!("{PODS}/x/eviction");
    let before = h.get(&format!("{PODS}/x")).await.ok();
    node("other").post(uri, &eviction(json!({}))).await.refused(
        403,
        "Forbidden",
        "pods \"x\" is forbidden: node \"other\" can only evict pods with spec.nodeName set to itself",
    );
    assert_eq!(h.get(&format!("{PODS}/x")).await.ok(), before, "what is refused says nothing on the Pod");
    let evicted = node("n").post(uri, &eviction(json!({}))).await;
    assert_eq!(evicted.code, 201, "{}", evicted.text);
}

/// A plugin without which nothing is deleted.
#[derive(Debug)]
struct Keep;

impl Admission for Keep {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> std::result::Result<(), ApiError> {
        let refused = || ApiError::forbidden(request.resource.group, request.resource.plural, request.name, "kept");
        if request.operation == Operation::Delete { Err(refused()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn an_eviction_is_admitted_as_what_it_is_and_not_as_a_delete() {
    let h = Harness::with(|builder| builder.admission(Arc::new(Keep))).await;
    running(&h, "Running", "True").await;
    assert_eq!(h.delete(&format!("{PODS}/x")).await.code, 403);
    let evicted = h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await;
    assert_eq!(evicted.code, 201, "{}", evicted.text);
    assert!(h.get(&format!("{PODS}/x")).await.ok()["metadata"]["deletionTimestamp"].is_string());
}

#[tokio::test]
async fn an_eviction_names_its_pod() {
    let h = Harness::new().await;
    running(&h, "Running", "True").await;
    for metadata in [json!({}), json!({"name": "y"})] {
        let mut other = eviction(json!({}));
        other["metadata"] = metadata;
        let refused = h.post(&format!("{PODS}/x/eviction"), &other).await;
        refused.refused(400, "BadRequest", "name in URL does not match name in Eviction object");
    }
}

/// Somebody else comes first with a change of the Pod `x`: before how many writes of it its status changes, and to what.
#[derive(Debug, Default)]
struct Race(Mutex<Option<(usize, Value)>>);

impl Race {
    /// The status that somebody gives the Pod before this key is written.
    fn due(&self, key: &str) -> Option<Value> {
        let mut change = self.0.lock();
        if key == "/core/pods/default/x" {
            change.iter_mut().for_each(|(writes, _)| *writes -= 1);
        }
        change.take_if(|(writes, _)| *writes == 0).map(|(_, status)| status)
    }
}

#[async_trait]
impl Happening for Race {
    async fn before_write(&self, store: &Arc<dyn Store>, txn: &Txn) -> Option<Result<TxnOutcome>> {
        if let Some(status) = self.due(&txn.key) {
            let other = Harness::over(Arc::clone(store), |builder| builder).await;
            other.patch(&format!("{PODS}/x/status"), "merge", &status).await.ok();
        }
        None
    }
}

/// What becomes of the eviction of a Pod that is in this phase and not ready, and runs and is ready just before the server's
/// write of this number: why its budget keeps it, if it does.
async fn check_race(phase: &str, write: usize, allowed: i64, kept: Option<&str>) {
    let raced = Interposed::new(Race::default());
    let h = Harness::over(raced.clone(), |builder| builder).await;
    running(&h, phase, "False").await;
    budget(&h, "b", json!({"disruptionsAllowed": allowed})).await;
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    *raced.happening.0.lock() = Some((write, ready));
    let answer = h.post(&format!("{PODS}/x/eviction"), &eviction(json!({}))).await;
    assert!(raced.happening.0.lock().is_none(), "the Pod was not written so often: {}", answer.text);
    let goes = h.get(&format!("{PODS}/x")).await.ok()["metadata"].get("deletionTimestamp").is_some();
    let cause = answer.body["details"]["causes"][0]["message"].as_str();
    let expected = (if kept.is_some() { 429 } else { 201 }, kept.is_none(), kept);
    assert_eq!((answer.code, goes, cause), expected, "{phase} {write}: {}", answer.text);
    let charged = h.get(&format!("{BUDGETS}/b")).await.ok()["status"]["disruptedPods"]["x"].is_string();
    assert_eq!(charged, kept.is_none());
}

#[tokio::test]
async fn a_pod_that_becomes_ready_while_it_is_evicted_is_not_lost_to_its_budget() {
    let unready = "The disruption budget b is still being processed by the server.";
    let needed = "The disruption budget b needs 1 healthy pods and has 1 currently";
    // First the reason is written, then the mark of deletion.
    for write in [1, 2] {
        check_race("Running", write, 0, Some(unready)).await;
        check_race("Pending", write, 0, Some(needed)).await;
        check_race("Pending", write, 1, None).await;
    }
}
