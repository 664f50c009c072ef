//! Event, of the core group and of events.k8s.io: one object, two shapes.
//!
//! Source: `pkg/apis/core/validation/events.go`, `pkg/registry/core/event`. Rules that hold only for events.k8s.io/v1 are
//! applied by the object's `apiVersion`; the fields go by different names there (`regarding`, `note`, `deprecated…`).

use super::access::{get, int, text, text_at};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Rules of Events.
#[derive(Debug)]
pub struct Event;

const NAME_BYTES_MAX: usize = 128;
const NOTE_BYTES_MAX: usize = 1024;

/// The names of an event's fields in one of the two groups.
struct Shape {
    object: &'static str,
    note: &'static str,
    controller: &'static str,
    source: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
    strict: bool,
}

static CORE: Shape = Shape {
    object: "involvedObject",
    note: "message",
    controller: "reportingComponent",
    source: "source",
    first: "firstTimestamp",
    last: "lastTimestamp",
    count: "count",
    strict: false,
};

static EVENTS: Shape = Shape {
    object: "regarding",
    note: "note",
    controller: "reportingController",
    source: "deprecatedSource",
    first: "deprecatedFirstTimestamp",
    last: "deprecatedLastTimestamp",
    count: "deprecatedCount",
    strict: true,
};

fn shape(object: &Value) -> &'static Shape {
    if text(object, "apiVersion").starts_with("events.k8s.io/") { &EVENTS } else { &CORE }
}

impl Rules for Event {
    fn validate(&self, object: &Value) -> ErrorList {
        let shape = shape(object);
        let mut errors = ErrorList::new();
        check_legacy(&mut errors, object, shape);
        if shape.strict {
            check_series(&mut errors, object);
            check_strict(&mut errors, object, shape);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let shape = shape(new);
        let mut errors = ErrorList::new();
        check_legacy(&mut errors, new, shape);
        if !shape.strict {
            return errors;
        }
        if get(new, "series") != get(old, "series") {
            check_series(&mut errors, new);
        }
        // Errors name the fields as the internal type does.
        for (field, name) in [
            (shape.object, "involvedObject"),
            ("reason", "reason"),
            (shape.note, "message"),
            (shape.source, "source"),
            (shape.first, "firstTimestamp"),
            (shape.last, "lastTimestamp"),
            (shape.count, "count"),
            ("type", "type"),
            ("eventTime", "eventTime"),
            ("action", "action"),
            ("related", "related"),
            (shape.controller, "reportingController"),
            ("reportingInstance", "reportingInstance"),
        ] {
            if get(new, field) != get(old, field) {
                errors.push(Error::invalid(&Path::new(name), &new[field], format::IMMUTABLE));
            }
        }
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let shape = shape(object);
        let about = &object[shape.object];
        let field = |name: &str| text(about, name).to_owned();
        let component = match text_at(object, &[shape.source, "component"]) {
            "" => text(object, shape.controller),
            component => component,
        };
        vec![
            ("involvedObject.kind", field("kind")),
            ("involvedObject.namespace", field("namespace")),
            ("involvedObject.name", field("name")),
            ("involvedObject.uid", field("uid")),
            ("involvedObject.apiVersion", field("apiVersion")),
            ("involvedObject.resourceVersion", field("resourceVersion")),
            ("involvedObject.fieldPath", field("fieldPath")),
            ("reason", text(object, "reason").to_owned()),
            ("reportingComponent", text(object, shape.controller).to_owned()),
            ("source", component.to_owned()),
            ("type", text(object, "type").to_owned()),
        ]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    }
}

fn check_legacy(errors: &mut ErrorList, object: &Value, shape: &Shape) {
    let namespace = text_at(object, &["metadata", "namespace"]);
    let about = text_at(object, &[shape.object, "namespace"]);
    let new_style = get(object, "eventTime").is_some();
    let matches = match (new_style, about) {
        (false, "") => matches!(namespace, "" | "default"),
        (false, about) => about == namespace,
        (true, "") => matches!(namespace, "default" | "kube-system"),
        (true, _) => true,
    };
    if !matches {
        let path = Path::new("involvedObject").child("namespace");
        errors.push(Error::invalid(&path, &about.into(), "does not match event.namespace"));
    }
    if new_style {
        let controller = text(object, shape.controller);
        if controller.is_empty() {
            errors.push(Error::required(&Path::new("reportingController"), ""));
        }
        format::check_qualified_name(errors, &Path::new("reportingController"), controller);
        for field in ["reportingInstance", "action", "reason"] {
            let path = Path::new(field);
            if text(object, field).is_empty() {
                errors.push(Error::required(&path, ""));
            }
            check_length(errors, &path, text(object, field), NAME_BYTES_MAX);
        }
        check_length(errors, &Path::new("message"), text(object, shape.note), NOTE_BYTES_MAX);
    }
    format::check_subdomain(errors, &Path::new("namespace"), namespace);
}

fn check_strict(errors: &mut ErrorList, object: &Value, shape: &Shape) {
    if get(object, "eventTime").is_none() {
        errors.push(Error::required(&Path::new("eventTime"), ""));
    }
    let kind = text(object, "type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.push(Error::invalid(&Path::new("type"), &"".into(), &format!("has invalid value: {kind}")));
    }
    let source = &object[shape.source];
    for (name, set) in [
        ("firstTimestamp", get(object, shape.first).is_some()),
        ("lastTimestamp", get(object, shape.last).is_some()),
        ("count", int(object, shape.count).unwrap_or(0) != 0),
        ("source", !text(source, "component").is_empty() || !text(source, "host").is_empty()),
    ] {
        if set {
            errors.push(Error::invalid(&Path::new(name), &"".into(), "needs to be unset"));
        }
    }
}

fn check_series(errors: &mut ErrorList, object: &Value) {
    let Some(series) = get(object, "series") else { return };
    if int(series, "count").unwrap_or(0) < 2 {
        errors.push(Error::invalid(&Path::new("series.count"), &"".into(), "should be at least 2"));
    }
    if get(series, "lastObservedTime").is_none() {
        errors.push(Error::required(&Path::new("series.lastObservedTime"), ""));
    }
}

fn check_length(errors: &mut ErrorList, path: &Path, value: &str, max: usize) {
    if value.len() > max {
        errors.push(Error::invalid(path, &"".into(), &format!("can have at most {max} characters")));
    }
}
