//! StatefulSet. Source: `pkg/apis/apps/v1/defaults.go`, `pkg/apis/apps/validation`, `pkg/registry/apps/statefulset`.

use super::access::{default_text, default_to, each_mut, get, int, list, made, set, text};
use super::{NameRule, Rules, format, persistent_volume_claim, pod, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of StatefulSets.
#[derive(Debug)]
pub struct StatefulSet;

/// What an update of the spec may change, as the error lists it.
const UPDATABLE: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                         'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                         'minReadySeconds' are forbidden";

impl Rules for StatefulSet {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_text(spec, "podManagementPolicy", "OrderedReady");
        if let Some(strategy) = made(spec, "updateStrategy") {
            if text(strategy, "type").is_empty() {
                set(strategy, "type", "RollingUpdate");
                made(strategy, "rollingUpdate");
            }
            if text(strategy, "type") == "RollingUpdate"
                && let Some(rolling) = strategy.get_mut("rollingUpdate").filter(|r| r.is_object())
            {
                default_to(rolling, "partition", 0);
            }
        }
        if let Some(policy) = made(spec, "persistentVolumeClaimRetentionPolicy") {
            default_text(policy, "whenDeleted", "Retain");
            default_text(policy, "whenScaled", "Retain");
        }
        default_to(spec, "replicas", 1);
        default_to(spec, "revisionHistoryLimit", 10);
        for claim in each_mut(spec, "volumeClaimTemplates") {
            default_text(claim, "apiVersion", "v1");
            default_text(claim, "kind", "PersistentVolumeClaim");
            persistent_volume_claim::PersistentVolumeClaim.default(claim);
            if let Some(status) = made(claim, "status") {
                default_text(status, "phase", "Pending");
            }
        }
        pod::defaults::template(spec);
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({"replicas": 0, "availableReplicas": 0}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        check_policies(&mut errors, &path, spec);
        format::check_non_negative(&mut errors, &path, spec, "replicas");
        format::check_non_negative(&mut errors, &path, spec, "minReadySeconds");
        if let Some(ordinals) = get(spec, "ordinals") {
            format::check_non_negative(&mut errors, &path.child("ordinals"), ordinals, "start");
        }
        let name = text(spec, "serviceName");
        if !name.is_empty() {
            format::check_subdomain(&mut errors, &path.child("serviceName"), name);
        }
        selector::check_required(&mut errors, &path, spec, "empty selector is invalid for statefulset");
        if selector::check_parsed(&mut errors, &path, spec) {
            selector::check_template_of_stateful_set(&mut errors, &path, spec);
        }
        format::check_non_negative(&mut errors, &path, spec, "revisionHistoryLimit");
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let mut kept = new["spec"].clone();
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "minReadySeconds",
            "persistentVolumeClaimRetentionPolicy",
            "revisionHistoryLimit",
        ] {
            super::copy_field(&mut kept, &old["spec"], field);
        }
        if kept != old["spec"] {
            errors.push(Error::forbidden(&Path::new("spec"), UPDATABLE));
        }
        errors
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status");
        let status = &new["status"];
        for field in [
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ] {
            format::check_non_negative(&mut errors, &path, status, field);
        }
        for field in ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
            format::check_at_most(
                &mut errors,
                &path,
                status,
                field,
                "replicas",
                "cannot be greater than status.replicas",
            );
        }
        let text = "cannot be greater than status.readyReplicas";
        format::check_at_most(&mut errors, &path, status, "availableReplicas", "readyReplicas", text);
        format::check_not_decremented(&mut errors, &path, &new["status"], &old["status"], "collisionCount");
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let mut warnings = pod::warnings::of_template(object, "spec.template");
        for (index, claim) in list(&object["spec"], "volumeClaimTemplates").iter().enumerate() {
            let path = format!("spec.volumeClaimTemplates[{index}]");
            warnings.extend(persistent_volume_claim::warnings_of_spec(&path, &claim["spec"]));
        }
        if int(&object["spec"], "revisionHistoryLimit").is_some_and(|limit| limit < 0) {
            warnings.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
        }
        warnings
    }

    fn has_status(&self) -> bool {
        true
    }

    /// The name is the head of its pods' host names.
    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }
}

fn check_policies(errors: &mut ErrorList, path: &Path, spec: &Value) {
    match text(spec, "podManagementPolicy") {
        "" => errors.push(Error::required(&path.child("podManagementPolicy"), "")),
        "OrderedReady" | "Parallel" => {}
        other => errors.push(Error::invalid(
            &path.child("podManagementPolicy"),
            &other.into(),
            "must be 'OrderedReady' or 'Parallel'",
        )),
    }
    let strategy_path = path.child("updateStrategy");
    let strategy = &spec["updateStrategy"];
    match text(strategy, "type") {
        "" => errors.push(Error::required(&strategy_path, "")),
        "OnDelete" => {
            if get(strategy, "rollingUpdate").is_some() {
                errors.push(Error::invalid(
                    &strategy_path.child("rollingUpdate"),
                    &strategy["rollingUpdate"],
                    "only allowed for updateStrategy 'RollingUpdate'",
                ));
            }
        }
        "RollingUpdate" => {
            if let Some(rolling) = get(strategy, "rollingUpdate") {
                format::check_non_negative(errors, &strategy_path.child("rollingUpdate"), rolling, "partition");
                if let Some(unavailable) = get(rolling, "maxUnavailable") {
                    let path = strategy_path.child("rollingUpdate");
                    format::check_int_or_percent(errors, &path, rolling, "maxUnavailable");
                    if format::int_or_percent_value(rolling, "maxUnavailable") == 0 {
                        errors.push(Error::invalid(&path.child("maxUnavailable"), unavailable, "cannot be 0"));
                    }
                    format::check_not_above_100_percent(errors, &path, rolling, "maxUnavailable");
                }
            }
        }
        _ => errors.push(Error::invalid(&strategy_path, strategy, "must be 'RollingUpdate' or 'OnDelete'")),
    }
    let retention = path.child("persistentVolumeClaimRetentionPolicy");
    if let Some(policy) = get(spec, "persistentVolumeClaimRetentionPolicy") {
        for field in ["whenDeleted", "whenScaled"] {
            format::check_supported(errors, &retention, policy, field, &["Delete", "Retain"]);
        }
    }
}
