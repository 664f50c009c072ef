//! `pods/eviction`: a delete that respects disruption budgets.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use super::Registry;
use super::create::text;
use super::encode;
use super::kind::Kind;
use super::update::{Changed, Ownership};
use super::write::{Part, Subject};
use crate::keys;
use crate::options::{FieldValidation, WriteOptions};
use crate::request::Request;
use kubekit_core::decode::format_time;
use kubekit_core::deletion::Options;
use kubekit_core::field::Path;
use kubekit_core::selector::LabelSelector;
use kubekit_core::status::{ApiError, Cause};
use serde_json::{Value, json};

/// The largest number of Pods whose disruption a budget may be waiting to see. Source: `MaxDisruptedPodSize`.
const DISRUPTED_PODS_MAX: usize = 2000;

impl Registry {
    /// Evicts a Pod.
    ///
    /// # Errors
    /// 429 where a budget forbids it now.
    pub(crate) async fn evict(
        &self,
        request: &Request,
        namespace: &str,
        name: &str,
        eviction: &Value,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let named = text(&eviction["metadata"], "name");
        if !named.is_empty() && named != name {
            return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
        }
        let mut options = Options::parse(eviction.get("deleteOptions").unwrap_or(&json!({})))
            .map_err(|errors| ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &errors))?;
        options.dry_run |= dry_run;
        let kind = Kind::find("", "v1", "pods").expect("Pods are in the catalog");
        let subject = Subject { request, kind, namespace, name, part: Part::Main };
        let Some(entry) = self.entry(&subject.key()).await? else {
            return Err(subject.not_found());
        };
        let pod = encode::decode(&entry);
        if !ignores_budgets(&pod)
            && let Some(budget) = self.budget_of(namespace, &pod).await?
            && !may_go_unhealthy(&pod, &budget)
        {
            self.charge(request, namespace, name, &budget, options.dry_run).await?;
        }
        self.delete(subject, &options).await.map(drop)
    }

    async fn budget_of(&self, namespace: &str, pod: &Value) -> Result<Option<Value>, ApiError> {
        let mut found = Vec::new();
        for entry in self.all(keys::namespace_prefix("policy", "poddisruptionbudgets", namespace)).await? {
            let budget = encode::decode(&entry);
            let selects = budget["spec"].get("selector").is_some_and(|selector| {
                LabelSelector::from_object(selector, &Path::new("spec"))
                    .is_ok_and(|selector| selector.matches_object(&pod["metadata"]["labels"]))
            });
            if selects {
                found.push(budget);
            }
        }
        if found.len() > 1 {
            return Err(ApiError::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        Ok(found.pop())
    }

    /// Takes one disruption from a budget.
    async fn charge(
        &self,
        request: &Request,
        namespace: &str,
        pod: &str,
        budget: &Value,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let name = text(&budget["metadata"], "name");
        let kind = Kind::find("policy", "v1", "poddisruptionbudgets").expect("budgets are in the catalog");
        let subject = Subject { request, kind, namespace, name: &name, part: Part::Status };
        let options = WriteOptions {
            dry_run,
            manager: "kube-apiserver".to_owned(),
            validation: FieldValidation::Ignore,
            force: false,
        };
        let now = self.clock.now();
        self.modify(subject, &options, Ownership::Apart, |budget| {
            refuse(budget, &name)?;
            let mut object = budget.clone();
            let allowed = object["status"]["disruptionsAllowed"].as_i64().unwrap_or(0) - 1;
            object["status"]["disruptionsAllowed"] = json!(allowed);
            object["status"]["disruptedPods"][pod] = json!(format_time(now));
            if allowed == 0 {
                forbid(&mut object["status"], &format_time(now));
            }
            Ok(Changed { object, tracked: false })
        })
        .await
        .map(drop)
    }
}

/// Says by the condition that no disruption is allowed any more. Source: `pkg/controller/util/disruption`, `apimeta` of
/// `k8s.io/apimachinery`.
fn forbid(status: &mut Value, now: &str) {
    const TYPE: &str = "DisruptionAllowed";
    let generation = status["observedGeneration"].clone();
    let mut condition = json!({
        "type": TYPE, "status": "False", "reason": "InsufficientPods", "message": "", "lastTransitionTime": now,
        "observedGeneration": generation,
    });
    let Some(conditions) = status.as_object_mut().map(|status| status.entry("conditions").or_insert_with(|| json!([])))
    else {
        return;
    };
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|known| known["type"] == TYPE) {
        Some(known) => {
            if known["status"] == "False" {
                condition["lastTransitionTime"] = known["lastTransitionTime"].take();
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
}

/// Pods that do not run, or are going, disrupt nothing when they go.
fn ignores_budgets(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"))
        || pod["metadata"].get("deletionTimestamp").is_some()
}

/// Whether a Pod that is not ready may go whatever the budget says. Source: KEP-3017.
fn may_go_unhealthy(pod: &Value, budget: &Value) -> bool {
    let ready = pod["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    if ready {
        return false;
    }
    let count = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (count("currentHealthy") >= count("desiredHealthy") && count("desiredHealthy") > 0)
}

fn refuse(budget: &Value, name: &str) -> Result<(), ApiError> {
    let count = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    if count("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        return Err(not_now(format!("The disruption budget {name} is still being processed by the server."), 10));
    }
    let forbidden = |detail: &str| Err(ApiError::forbidden("policy", "poddisruptionbudgets", name, detail));
    if count("disruptionsAllowed") < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if budget["status"]["disruptedPods"].as_object().is_some_and(|pods| pods.len() > DISRUPTED_PODS_MAX) {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if count("disruptionsAllowed") == 0 {
        let (desired, current) = (count("desiredHealthy"), count("currentHealthy"));
        return Err(not_now(
            format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently"),
            0,
        ));
    }
    Ok(())
}

fn not_now(cause: String, retry_after_seconds: u32) -> ApiError {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut error = ApiError::too_many_requests(text, retry_after_seconds);
    error.details.causes = vec![Cause { reason: "DisruptionBudget".to_owned(), message: cause, field: String::new() }];
    error
}
