//! LimitRange. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`.

use super::access::{each_mut, entries, get, list, made, text};
use super::{Rules, format, resource_list};
use crate::field::{Error, ErrorList, Path};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::HashSet;

/// Rules of LimitRanges.
#[derive(Debug)]
pub struct LimitRange;

impl Rules for LimitRange {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        for limit in each_mut(spec, "limits").filter(|limit| text(limit, "type") == "Container") {
            // A default limit is the maximum; a default request is the default limit, or the minimum.
            for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
                let values: Vec<(String, Value)> =
                    entries(limit, from).map(|(name, value)| (name.clone(), value.clone())).collect();
                let Some(target) = made(limit, to) else { continue };
                for (name, value) in values {
                    super::access::default_to(target, &name, value);
                }
            }
            for field in ["default", "defaultRequest"] {
                if entries(limit, field).next().is_none() {
                    super::access::unset(limit, field);
                }
            }
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("limits");
        let mut kinds = HashSet::new();
        for (index, limit) in list(&object["spec"], "limits").iter().enumerate() {
            let path = path.index(index);
            let kind = text(limit, "type");
            let before = errors.len();
            format::check_qualified_name(&mut errors, &path.child("type"), kind);
            let standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
            if errors.len() == before && !kind.contains('/') && !standard {
                let text = "must be a standard limit type or fully qualified";
                errors.push(Error::invalid(&path.child("type"), &kind.into(), text));
            }
            if !kinds.insert(kind) {
                errors.push(Error::duplicate(&path.child("type"), &kind.into()));
            }
            check_item(&mut errors, &path, limit, kind);
        }
        errors
    }
}

fn check_item(errors: &mut ErrorList, path: &Path, limit: &Value, kind: &str) {
    let mut names: Vec<&str> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        if kind == "Pod" && matches!(field, "default" | "defaultRequest") {
            if entries(limit, field).next().is_some() {
                errors.push(Error::forbidden(&path.child(field), "may not be specified when `type` is 'Pod'"));
            }
            continue;
        }
        for (name, _) in entries(limit, field) {
            let at = path.child(field).key(name);
            if matches!(kind, "Pod" | "Container") {
                resource_list::check_container_name(errors, &at, name);
            } else {
                resource_list::check_name(errors, &at, name);
            }
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    if kind == "PersistentVolumeClaim"
        && get(&limit["min"], "storage").is_none()
        && get(&limit["max"], "storage").is_none()
    {
        errors.push(Error::required(
            &path.child("limits"),
            "either minimum or maximum storage value is required, but neither was provided",
        ));
    }
    for name in names {
        check_order(errors, path, limit, name);
    }
}

/// min ≤ defaultRequest ≤ default ≤ max.
fn check_order(errors: &mut ErrorList, path: &Path, limit: &Value, name: &str) {
    let shown = |field: &str| text(&limit[field], name).to_owned();
    for (low, high, at, value, low_text, high_text) in [
        ("min", "max", "min", "min", "min", "max"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min", "default request"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request", "max"),
        ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request", "default limit"),
        ("min", "default", "default", "min", "min", "default"),
        ("default", "max", "default", "max", "default", "max"),
    ] {
        let quantities =
            (resource_list::quantity_of(&limit[low], name), resource_list::quantity_of(&limit[high], name));
        if let (Some(lower), Some(higher)) = quantities
            && lower > higher
        {
            let text = format!("{low_text} value {} is greater than {high_text} value {}", shown(low), shown(high));
            errors.push(Error::invalid(&path.child(at).key(name), &limit[value][name], &text));
        }
    }
    check_ratio(errors, path, limit, name);
}

/// How many times its request a limit may be: at least once, and no more than the bounds allow.
fn check_ratio(errors: &mut ErrorList, path: &Path, limit: &Value, name: &str) {
    let of = |field: &str| resource_list::quantity_of(&limit[field], name);
    let Some(ratio) = of("maxLimitRequestRatio") else { return };
    let shown = &limit["maxLimitRequestRatio"][name];
    let mut report = |what: String| {
        let text = format!("ratio {} is {what}", shown.as_str().unwrap_or_default());
        errors.push(Error::invalid(&path.child("maxLimitRequestRatio").key(name), shown, &text));
    };
    if ratio.milli_value() < 1000 {
        report("less than 1".to_owned());
    }
    let (Some(least), Some(most)) = (of("min"), of("max")) else { return };
    // Thousandths of amounts as large as these cannot be told.
    let large = [&ratio, &least, &most].iter().any(|quantity| quantity.value() >= i64::MAX / 1000);
    let whole = |quantity: &Quantity| match large {
        true => quantity.value() as f64,
        false => quantity.milli_value() as f64 / 1000.0,
    };
    let bound = whole(&most) / whole(&least);
    if whole(&ratio) > bound {
        report(format!("greater than max/min = {bound:.6}"));
    }
}
