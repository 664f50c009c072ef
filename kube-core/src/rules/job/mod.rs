//! Job. Source: `pkg/apis/batch/v1/defaults.go`, `pkg/apis/batch/validation`, `pkg/registry/batch/job`.

mod failure_policy;
mod indexes;
mod status;
mod success_policy;

use super::access::{
    at, child_mut, count, default_text, default_to, each_mut, get, int, is_true, made, set, text, text_at,
};
use super::{Rules, copy_field, format, pod, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of Jobs.
#[derive(Debug)]
pub struct Job;

const ONLY_INDEXED: &str = "requires indexed completion mode";
/// Up to so many indexes of a Job may fail without a word in advance.
const COMPLETIONS_SOFT_MAX: i64 = 100_000;
/// The most pods at a time of a Job with more completions than that.
const PARALLELISM_SOFT_MAX: i64 = 10_000;
/// The most failed indexes of such a Job.
const FAILED_SOFT_MAX: i64 = 10_000;
const MANAGER_BYTES_MAX: usize = 63;
/// The label that a Job's pods carry, with the Job's uid as its value.
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// The label that a Job's pods carry, with the Job's name as its value.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// The labels' names from before they had a prefix, which pods still carry.
const LEGACY: [(&str, &str); 2] = [("controller-uid", CONTROLLER_UID), ("job-name", JOB_NAME)];

impl Rules for Job {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        // Neither set: one pod, once. Both stay open where completions alone are: a work queue.
        if get(spec, "completions").is_none() && get(spec, "parallelism").is_none() {
            set(spec, "completions", 1);
            set(spec, "parallelism", 1);
        }
        default_to(spec, "parallelism", 1);
        let limit = if get(spec, "backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
        default_to(spec, "backoffLimit", limit);
        default_text(spec, "completionMode", "NonIndexed");
        default_to(spec, "suspend", false);
        let replacement = if get(spec, "podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
        default_to(spec, "podReplacementPolicy", replacement);
        default_to(spec, "manualSelector", false);
        default_template(spec);
        default_labels(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({}));
        if !is_true(&object["spec"], "manualSelector") {
            generate_selector(object);
            default_labels(object);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = check_spec(&Path::new("spec"), &object["spec"]);
        if text(&object["spec"], "completionMode") == "Indexed" {
            check_indexed_name(&mut errors, object);
        }
        let path = Path::new("spec");
        if is_true(&object["spec"], "manualSelector") || get(&object["spec"], "selector").is_some() {
            selector::check_parsed(&mut errors, &path, &object["spec"]);
        }
        if get(&object["spec"], "selector").is_none() {
            errors.push(Error::required(&path.child("selector"), ""));
        } else {
            let template = path.child("template");
            selector::check_matches_template(
                &mut errors,
                &template,
                &object["spec"]["selector"],
                &object["spec"]["template"],
            );
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let path = Path::new("spec");
        let (spec, before) = (&new["spec"], &old["spec"]);
        check_completions_update(&mut errors, &path, spec, before);
        for field in
            ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
        {
            format::check_immutable(&mut errors, &path, spec, before, field);
        }
        check_template_update(&mut errors, &path, spec, old);
        errors
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        status::validate_update(new, old)
    }

    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_create(object, self)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        warnings_of_spec("spec", &object["spec"])
    }

    fn has_status(&self) -> bool {
        true
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("status.successful", int(&object["status"], "succeeded").unwrap_or(0).to_string())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["status.successful"]
    }
}

/// What the Jobs of a CronJob have defaults for, too.
pub(super) fn default_template(spec: &mut Value) {
    if let Some(policy) = child_mut(spec, "podFailurePolicy") {
        for rule in each_mut(policy, "rules") {
            each_mut(rule, "onPodConditions").for_each(|condition| default_text(condition, "status", "True"));
        }
    }
    pod::defaults::template(spec);
}

/// Warnings about the spec of a Job, or of the Jobs of a CronJob.
pub(super) fn warnings_of_spec(path: &str, spec: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if text(spec, "completionMode") == "Indexed"
        && int(spec, "completions").unwrap_or(0) > COMPLETIONS_SOFT_MAX
        && int(spec, "parallelism").unwrap_or(0) > PARALLELISM_SOFT_MAX
    {
        warnings.push(format!("{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"));
    }
    let template = &spec["template"];
    warnings.extend(pod::warnings::of_spec(&format!("{path}.template."), &template["spec"], &template["metadata"]));
    warnings
}

/// A Job without labels has those of its template, generated ones too.
fn default_labels(object: &mut Value) {
    let labels = at(object, &["spec", "template", "metadata", "labels"]).filter(|labels| labels.is_object()).cloned();
    if count(&object["metadata"], "labels") == 0
        && let (Some(metadata), Some(labels)) = (made(object, "metadata"), labels)
    {
        set(metadata, "labels", labels);
    }
}

/// Gives the template the labels of its Job, and the Job the selector that finds them.
fn generate_selector(object: &mut Value) {
    let uid = text_at(object, &["metadata", "uid"]).to_owned();
    let name = text_at(object, &["metadata", "name"]).to_owned();
    let Some(spec) = made(object, "spec") else { return };
    if get(spec, "selector").is_some_and(|s| count(s, "matchLabels") + count(s, "matchExpressions") > 0) {
        return;
    }
    let labels = made(spec, "template").and_then(|t| made(t, "metadata")).and_then(|m| made(m, "labels"));
    if let Some(labels) = labels {
        for (legacy, label) in LEGACY {
            let value = if label == CONTROLLER_UID { &uid } else { &name };
            default_to(labels, label, value.as_str());
            default_to(labels, legacy, value.as_str());
        }
    }
    set(spec, "selector", json!({"matchLabels": {CONTROLLER_UID: uid}}));
}

/// The spec of a Job, or of the Jobs of a CronJob.
pub(super) fn check_spec(path: &Path, spec: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        format::check_non_negative(&mut errors, path, spec, field);
    }
    if get(spec, "maxFailedIndexes").is_some() && get(spec, "backoffLimitPerIndex").is_none() {
        errors.push(Error::required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    check_manager(&mut errors, path, spec);
    let mode = text(spec, "completionMode");
    if !mode.is_empty() {
        format::check_supported(&mut errors, path, spec, "completionMode", &["Indexed", "NonIndexed"]);
    }
    if mode == "Indexed" {
        check_indexed(&mut errors, path, spec);
    } else {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = get(spec, field) {
                errors.push(Error::invalid(&path.child(field), value, ONLY_INDEXED));
            }
        }
    }
    if get(spec, "podFailurePolicy").is_some() {
        failure_policy::check(&mut errors, &path.child("podFailurePolicy"), spec);
    }
    match get(spec, "successPolicy") {
        Some(_) if mode == "Indexed" => success_policy::check(&mut errors, &path.child("successPolicy"), spec),
        Some(policy) => errors.push(Error::invalid(&path.child("successPolicy"), policy, ONLY_INDEXED)),
        None => {}
    }
    check_replacement(&mut errors, path, spec);
    let template = path.child("template");
    pod::template::check(&mut errors, &template, &spec["template"]);
    let policy = text_at(spec, &["template", "spec", "restartPolicy"]);
    let restart = template.child("spec").child("restartPolicy");
    match policy {
        "Always" => errors.push(Error::required(&restart, "valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if get(spec, "podFailurePolicy").is_some() => errors.push(Error::invalid(
            &restart,
            &policy.into(),
            "only \"Never\" is supported when podFailurePolicy is specified",
        )),
        "OnFailure" | "Never" | "" => {}
        other => errors.push(Error::not_supported(&restart, &other.into(), &["OnFailure", "Never"])),
    }
    errors
}

/// Another controller than Kubernetes' own may take care of a Job. Source: KEP-4368.
fn check_manager(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let Some(manager) = get(spec, "managedBy").and_then(Value::as_str) else { return };
    let path = path.child("managedBy");
    format::check_domain_prefixed_path(errors, &path, manager);
    if manager.len() > MANAGER_BYTES_MAX {
        errors.push(Error::too_long(&path, MANAGER_BYTES_MAX));
    }
}

/// The indexes that failed are listed in the status: how many there can be is bounded.
fn check_indexed(errors: &mut ErrorList, path: &Path, spec: &Value) {
    fn at_most(errors: &mut ErrorList, path: &Path, value: i64, most: i64, when: &str) {
        if value > most {
            errors.push(Error::invalid(path, &value.into(), &format!("must be less than or equal to {most}{when}")));
        }
    }
    let failed_path = path.child("maxFailedIndexes");
    let parallelism_path = path.child("parallelism");
    let parallelism = int(spec, "parallelism").unwrap_or(0);
    let failed = int(spec, "maxFailedIndexes");
    let completions = int(spec, "completions");
    if completions.is_none() {
        errors.push(Error::required(&path.child("completions"), "when completion mode is Indexed"));
    }
    at_most(errors, &parallelism_path, parallelism, 100_000, " when completion mode is Indexed");
    if let Some(failed) = failed {
        if completions.is_some_and(|completions| failed > completions) {
            errors.push(Error::invalid(&failed_path, &failed.into(), "must be less than or equal to completions"));
        }
        at_most(errors, &failed_path, failed, 100_000, "");
    }
    if completions.is_none_or(|c| c <= COMPLETIONS_SOFT_MAX) || get(spec, "backoffLimitPerIndex").is_none() {
        return;
    }
    if failed.is_none() {
        let text = format!("must be specified when completions is above {COMPLETIONS_SOFT_MAX}");
        errors.push(Error::required(&failed_path, &text));
    }
    let when = format!(" when completions are above {COMPLETIONS_SOFT_MAX} and used with backoff limit per index");
    at_most(errors, &parallelism_path, parallelism, PARALLELISM_SOFT_MAX, &when);
    at_most(errors, &failed_path, failed.unwrap_or(0), FAILED_SOFT_MAX, &when);
}

fn check_replacement(errors: &mut ErrorList, path: &Path, spec: &Value) {
    if text(spec, "podReplacementPolicy").is_empty() {
        return;
    }
    let failed: &[&str] = &["Failed"];
    let supported = if get(spec, "podFailurePolicy").is_some() { failed } else { &["Failed", "TerminatingOrFailed"] };
    format::check_supported(errors, path, spec, "podReplacementPolicy", supported);
}

/// The name of an Indexed Job becomes the host name of its pods, with the index behind it.
fn check_indexed_name(errors: &mut ErrorList, object: &Value) {
    let Some(completions) = int(&object["spec"], "completions").filter(|c| *c > 0) else { return };
    let name = text_at(object, &["metadata", "name"]);
    let longest = format!("{name}-{}", completions - 1);
    for message in format::label(&longest) {
        errors.push(Error::invalid(
            &Path::new("metadata").child("name"),
            &name.into(),
            &format!("will not able to create pod with invalid DNS label: {longest}: {message}"),
        ));
    }
}

/// An Indexed Job grows and shrinks: as many completions as pods at a time. Source: KEP-3715.
fn check_completions_update(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value) {
    if text(spec, "completionMode") != "Indexed" {
        format::check_immutable(errors, path, spec, old, "completions");
        return;
    }
    let Some(completions) = get(spec, "completions").filter(|new| Some(*new) != get(old, "completions")) else {
        return;
    };
    if get(spec, "parallelism") != Some(completions) {
        let text = "can only be modified in tandem with spec.parallelism";
        errors.push(Error::invalid(&path.child("completions"), completions, text));
    }
}

/// The template of a Job is fixed, but for where it may run while it is suspended and has not started.
fn check_template_update(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value) {
    let before = &old["spec"]["template"];
    let mut kept = spec["template"].clone();
    let suspended = is_true(&old["spec"], "suspend") && get(&old["status"], "startTime").is_none();
    if suspended {
        for field in ["affinity", "nodeSelector", "tolerations", "schedulingGates"] {
            copy_field(&mut kept["spec"], &before["spec"], field);
        }
        for field in ["labels", "annotations"] {
            if kept["metadata"].is_object() {
                copy_field(&mut kept["metadata"], &before["metadata"], field);
            }
        }
    }
    if kept != *before {
        errors.push(Error::invalid(&path.child("template"), &spec["template"], format::IMMUTABLE));
    }
}
