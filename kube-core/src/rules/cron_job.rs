//! CronJob. Source: `pkg/apis/batch/v1/defaults.go`, `pkg/apis/batch/validation`, `pkg/registry/batch/cronjob`.

use super::access::{child_mut, default_text, default_to, get, is_true, made, set, text, text_at};
use super::{Rules, format, job, pod};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of CronJobs.
#[derive(Debug)]
pub struct CronJob;

impl Rules for CronJob {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_text(spec, "concurrencyPolicy", "Allow");
        default_to(spec, "suspend", false);
        default_to(spec, "successfulJobsHistoryLimit", 3);
        default_to(spec, "failedJobsHistoryLimit", 1);
        if let Some(job) = child_mut(spec, "jobTemplate").and_then(|template| child_mut(template, "spec")) {
            job::default_template(job);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = check_spec(&object["spec"], &Value::Null);
        // The controller appends an 11-character suffix, and a Job's name is a label's value.
        if text_at(object, &["metadata", "name"]).len() > 52 {
            errors.push(Error::invalid(
                &Path::new("metadata").child("name"),
                &object["metadata"]["name"],
                "must be no more than 52 characters",
            ));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        check_spec(&new["spec"], &old["spec"])
    }

    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_create(object, self)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        job::warnings_of_spec("spec.jobTemplate.spec", &object["spec"]["jobTemplate"]["spec"])
    }

    fn has_status(&self) -> bool {
        true
    }
}

/// Checks a spec; that of the stored object is `old`, and null for a new one.
fn check_spec(spec: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    check_schedule(&mut errors, &path, spec, old);
    format::check_non_negative(&mut errors, &path, spec, "startingDeadlineSeconds");
    match text(spec, "concurrencyPolicy") {
        "" => errors.push(Error::required(&path.child("concurrencyPolicy"), "")),
        _ => format::check_supported(&mut errors, &path, spec, "concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
    }
    format::check_non_negative(&mut errors, &path, spec, "successfulJobsHistoryLimit");
    format::check_non_negative(&mut errors, &path, spec, "failedJobsHistoryLimit");
    let template = path.child("jobTemplate").child("spec");
    errors.extend(job::check_spec(&template, &spec["jobTemplate"]["spec"]));
    check_no_selector(&mut errors, &template, &spec["jobTemplate"]["spec"]);
    errors
}

/// The Jobs' selectors are made for each.
fn check_no_selector(errors: &mut ErrorList, path: &Path, job: &Value) {
    if let Some(selector) = get(job, "selector") {
        errors.push(Error::invalid(&path.child("selector"), selector, "`selector` will be auto-generated"));
    }
    if is_true(job, "manualSelector") {
        let path = path.child("manualSelector");
        errors.push(Error::not_supported(&path, &job["manualSelector"], &["nil", "false"]));
    }
}

fn check_schedule(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value) {
    let schedule = text(spec, "schedule");
    let field = path.child("schedule");
    if schedule.is_empty() {
        errors.push(Error::required(&field, ""));
    } else if schedule.contains("TZ") {
        errors.push(Error::invalid(
            &field,
            &schedule.into(),
            "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        ));
    } else if let Err(message) = parse_schedule(schedule) {
        errors.push(Error::invalid(&field, &schedule.into(), &message));
    }
    // A zone that was taken once stays.
    let zone = get(spec, "timeZone").filter(|zone| get(old, "timeZone") != Some(zone));
    if let Some(zone) = zone.and_then(Value::as_str) {
        let field = path.child("timeZone");
        if zone.is_empty() {
            errors.push(Error::invalid(&field, &zone.into(), "timeZone must be nil or non-empty string"));
        } else if !zone.split('/').all(may_name_zone) {
            errors.push(Error::invalid(&field, &zone.into(), &format!("unknown time zone {zone}")));
        } else if zone.eq_ignore_ascii_case("local") {
            errors.push(Error::invalid(
                &field,
                &zone.into(),
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            ));
        }
    }
}

/// Whether this can be a part of the name of a time zone. Source: the rules for names of the IANA time zone database, and
/// digits and `+`, which its oldest names have.
fn may_name_zone(part: &str) -> bool {
    (1..=14).contains(&part.len())
        && !matches!(part, "." | "..")
        && !part.starts_with('-')
        && part.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_+".contains(&c))
}

/// Checks a standard cron schedule: five fields or a descriptor.
fn parse_schedule(schedule: &str) -> Result<(), String> {
    const FIELDS: [(i64, i64, &[&str]); 5] = [
        (0, 59, &[]),
        (0, 23, &[]),
        (1, 31, &[]),
        (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ];
    if let Some(descriptor) = schedule.strip_prefix('@') {
        return match descriptor {
            "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => Ok(()),
            other if other.starts_with("every ") => Ok(()),
            _ => Err(format!("unrecognized descriptor: {schedule}")),
        };
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (field, (least, most, names)) in fields.into_iter().zip(FIELDS) {
        for part in field.split(',') {
            check_part(part, least, most, names)?;
        }
    }
    Ok(())
}

/// `*`, `n`, `n-m`, each with an optional `/step`.
fn check_part(part: &str, least: i64, most: i64, names: &[&str]) -> Result<(), String> {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    if let Some(step) = step {
        match step.parse::<u32>() {
            Ok(0) => return Err(format!("step of range should be a positive number: {part}")),
            Ok(_) => {}
            Err(_) => {
                return Err(format!("failed to parse int from {step}: strconv.Atoi: parsing {step:?}: invalid syntax"));
            }
        }
    }
    if matches!(range, "*" | "?") {
        return Ok(());
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| {
        let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        named
            .and_then(|index| i64::try_from(index).ok())
            .map(|index| index + least)
            .or_else(|| text.parse().ok())
            .ok_or_else(|| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first < least {
        return Err(format!("beginning of range ({first}) below minimum ({least}): {part}"));
    }
    if last > most {
        return Err(format!("end of range ({last}) above maximum ({most}): {part}"));
    }
    if first > last {
        return Err(format!("beginning of range ({first}) beyond end of range ({last}): {part}"));
    }
    Ok(())
}
