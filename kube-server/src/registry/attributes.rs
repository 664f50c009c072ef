//! What selectors see of an object: `label:<key>` for its labels, `field:<path>` for its selectable fields.

use kubekit_core::catalog::{self, Resource};
use kubekit_store::{Attributes, Extractor};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;

/// Prefix of attributes that are labels.
pub(crate) const LABEL: &str = "label:";
/// Prefix of attributes that are fields.
pub(crate) const FIELD: &str = "field:";

/// Has every object that admission must look into when it judges another; the rest need not be decoded for that.
pub(crate) const ADMISSION: &str = "admission:";

/// The attributes of an object in its storage version.
pub(crate) fn of(resource: &Resource, object: &Value) -> Attributes {
    let metadata = &object["metadata"];
    let labels = metadata.get("labels").and_then(Value::as_object).into_iter().flatten();
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(16);
    for (name, field) in [("field:metadata.name", "name"), ("field:metadata.namespace", "namespace")] {
        if let Some(value) = metadata.get(field).and_then(Value::as_str) {
            pairs.push((name.into(), value.into()));
        }
    }
    for (field, value) in resource.rules.selectable_fields(object) {
        pairs.push(([FIELD, field].concat().into(), value.into()));
    }
    // Attributes are kept sorted, and what comes sorted is sorted soonest.
    for (key, value) in labels {
        pairs.push(([LABEL, key].concat().into(), value.as_str().unwrap_or_default().into()));
    }
    if crate::admission::concerns_others(resource, object) {
        pairs.push((ADMISSION.into(), "".into()));
    }
    Attributes::new(pairs)
}

/// How a store for the server is best set up: the attributes that lists ask for by one value have an index.
pub fn store_config() -> kubekit_store::Config {
    ["field:spec.nodeName", "field:involvedObject.uid"]
        .into_iter()
        .fold(kubekit_store::Config::default(), kubekit_store::Config::indexed)
}

/// What a store for the server must be opened with: reads the attributes of what is stored. Needed where a store reads
/// back what was written before; writes bring their attributes along.
pub fn extractor() -> Extractor {
    let resources: HashMap<(&str, &str), &'static Resource> = catalog::builtin()
        .iter()
        .filter(|resource| resource.storage == (resource.group, resource.version))
        .map(|resource| ((resource.group, resource.plural), resource))
        .collect();
    Extractor::new(move |key, bytes| {
        let mut parts = key.split('/').skip(1);
        let group = parts.next().map_or("", |group| if group == "core" { "" } else { group });
        let plural = parts.next().unwrap_or_default();
        match (resources.get(&(group, plural)), serde_json::from_slice::<Value>(bytes)) {
            (Some(resource), Ok(object)) => of(resource, &object),
            _ => Attributes::default(),
        }
    })
}
