//! Label selectors of typed objects, made ready to match.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector as Written;
use kubekit_core::field::Path;
use kubekit_core::selector::LabelSelector;

/// The selector of an object. One that cannot be read selects nothing: `None`.
pub fn read(selector: &Written) -> Option<LabelSelector> {
    let value = serde_json::to_value(selector).ok()?;
    LabelSelector::from_object(&value, &Path::new("spec").child("selector")).ok()
}

/// The selector of a Service or a ReplicationController: these labels, all of them.
pub fn from_labels(labels: &BTreeMap<String, String>) -> LabelSelector {
    LabelSelector::from_map(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())))
}

/// Whether an object with these labels is selected.
pub fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    selector.matches(|key| labels.get(key).map(String::as_str))
}
