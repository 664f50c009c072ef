//! `pods/eviction`: a delete that respects disruption budgets.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use super::create::text;
use super::kind::Kind;
use super::update::{Changed, Ownership};
use super::write::{Part, Subject};
use super::{Registry, condition, encode};
use crate::admission;
use crate::keys;
use crate::options::{FieldValidation, WriteOptions};
use crate::request::Request;
use jiff::Timestamp;
use kubekit_core::decode::format_time;
use kubekit_core::deletion::Options;
use kubekit_core::field::Path;
use kubekit_core::selector::LabelSelector;
use kubekit_core::status::{ApiError, Cause, Reason};
use serde_json::{Value, json};

/// The largest number of Pods whose disruption a budget may be waiting to see. Source: `MaxDisruptedPodSize`.
const DISRUPTED_PODS_MAX: usize = 2000;

/// The condition of a budget that says whether it allows a disruption.
const ALLOWED: &str = "DisruptionAllowed";

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
        mut eviction: Value,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let named = text(&eviction["metadata"], "name");
        if named != name {
            return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
        }
        let kind = Kind::find("", "v1", "pods").expect("Pods are in the catalog");
        let subject = Subject { request, kind, namespace, name, part: Part::Internal };
        let pod = self.entry(&subject.key()).await?.ok_or_else(|| subject.not_found())?;
        let pod = encode::decode(&pod);
        admission::admit_action(self, subject, "eviction", &mut eviction, Some(&pod), dry_run).await?;
        let mut options = Options::parse(eviction.get("deleteOptions").unwrap_or(&json!({})))
            .map_err(|errors| ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &errors))?;
        options.dry_run |= dry_run;
        loop {
            let Some(entry) = self.entry(&subject.key()).await? else {
                return Err(subject.not_found());
            };
            let pod = encode::decode(&entry);
            options.check_preconditions(&pod, "")?;
            let leave = self.leave(subject, &pod, options.dry_run).await?;
            let mut pinned = options.clone();
            if leave != Leave::Given {
                // Had the Pod changed meanwhile, it might need a leave after all.
                pinned.resource_version.get_or_insert_with(|| entry.revision.to_string());
            }
            let conflict = match self.disrupt(subject, pinned).await {
                Err(error) if error.reason == Reason::Conflict && options.resource_version.is_none() => error,
                other => return other,
            };
            match leave {
                Leave::Given => return Err(conflict),
                Leave::Pending => {}
                Leave::Unready(budget) => return Err(still_processed(&budget)),
            }
        }
    }

    /// Whether, and why, a Pod may go.
    async fn leave(&self, subject: Subject<'_>, pod: &Value, dry_run: bool) -> Result<Leave, ApiError> {
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        // Pods that have ended, or are going, disrupt nothing when they go.
        if matches!(phase, "Succeeded" | "Failed") || pod["metadata"].get("deletionTimestamp").is_some() {
            return Ok(Leave::Given);
        }
        if phase == "Pending" {
            return Ok(Leave::Pending);
        }
        let Some(budget) = self.budget_of(subject.namespace, pod).await? else { return Ok(Leave::Given) };
        if may_go_unhealthy(pod, &budget) {
            return Ok(Leave::Unready(text(&budget["metadata"], "name")));
        }
        self.charge(subject.request, subject.namespace, subject.name, &budget, dry_run).await?;
        Ok(Leave::Given)
    }

    /// Says on the Pod why it goes, and deletes it. Source: KEP-3329.
    async fn disrupt(&self, subject: Subject<'_>, mut options: Options) -> Result<(), ApiError> {
        if !options.dry_run {
            let (now, write) = (self.clock.now(), own_write(false));
            let told = self.modify(subject, &write, Ownership::Apart, |pod| {
                options.check_preconditions(pod, "")?;
                let mut object = pod.clone();
                let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API: evicting"});
                condition::set_on_pod(&mut object, condition, now);
                Ok(Changed { object, tracked: true })
            });
            let told = told.await?;
            if options.resource_version.is_some() {
                options.resource_version = Some(told.revision.to_string());
            }
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
            let text =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(ApiError::new(Reason::InternalError, text));
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
        let options = own_write(dry_run);
        let now = self.clock.now();
        self.modify(subject, &options, Ownership::Apart, |budget| {
            refuse(budget, &name)?;
            let mut object = budget.clone();
            let allowed = object["status"]["disruptionsAllowed"].as_i64().unwrap_or(0) - 1;
            object["status"]["disruptionsAllowed"] = json!(allowed);
            object["status"]["disruptedPods"][pod] = json!(format_time(now));
            if allowed == 0 {
                forbid(&mut object["status"], now);
            }
            Ok(Changed { object, tracked: false })
        })
        .await
        .map(drop)
    }
}

/// Why a Pod may go.
#[derive(Debug, PartialEq, Eq)]
enum Leave {
    /// Its budget gave it one, or it needs none.
    Given,
    /// It does not run yet.
    Pending,
    /// It is not ready, and the budget of this name does not count it.
    Unready(String),
}

/// A write that the server makes by itself.
fn own_write(dry_run: bool) -> WriteOptions {
    WriteOptions { dry_run, manager: "kube-apiserver".to_owned(), validation: FieldValidation::Ignore, force: false }
}

/// Says by the condition that no disruption is allowed any more. Source: `pkg/controller/util/disruption`.
fn forbid(status: &mut Value, now: Timestamp) {
    let condition = json!({"type": ALLOWED, "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": status["observedGeneration"]});
    condition::set(status, condition, now);
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
        return Err(still_processed(name));
    }
    let forbidden = |detail: &str| Err(ApiError::forbidden("policy", "poddisruptionbudget", name, detail));
    if count("disruptionsAllowed") < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if budget["status"]["disruptedPods"].as_object().is_some_and(|pods| pods.len() > DISRUPTED_PODS_MAX) {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if count("disruptionsAllowed") == 0 {
        return Err(not_now(denial(&budget["status"], name), 0));
    }
    Ok(())
}

/// Why a budget allows no disruption. After a failed sync its numbers cannot be trusted.
fn denial(status: &Value, name: &str) -> String {
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let (desired, current) = (count("desiredHealthy"), count("currentHealthy"));
    let known = status["conditions"].as_array().into_iter().flatten().find(|known| known["type"] == ALLOWED);
    let told =
        known.filter(|known| known["status"] == "False").map(|known| (text(known, "reason"), text(known, "message")));
    let not_now = format!("The disruption budget {name} does not allow evicting pods currently");
    match told.filter(|(_, message)| !message.is_empty()) {
        Some((reason, message)) if reason == "SyncFailed" => format!("{not_now} because it failed sync: {message}"),
        _ if current <= desired => {
            format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently")
        }
        Some((reason, message)) => format!("{not_now} ({reason}): {message}"),
        None => not_now,
    }
}

fn still_processed(budget: &str) -> ApiError {
    not_now(format!("The disruption budget {budget} is still being processed by the server."), 10)
}

fn not_now(cause: String, retry_after_seconds: u32) -> ApiError {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut error = ApiError::too_many_requests(text, retry_after_seconds);
    error.details.causes = vec![Cause { reason: "DisruptionBudget".to_owned(), message: cause, field: String::new() }];
    error
}
