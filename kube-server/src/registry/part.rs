//! What each writable subresource may change, and by which rules.

use super::write::Part;
use kubekit_core::field::ErrorList;
use kubekit_core::rules::pod::subresources;
use kubekit_core::rules::{Rules, certificate_signing_request, namespace};
use serde_json::Value;

/// Restores what this part may not change. Runs before admission.
pub(crate) fn prepare(part: Part, rules: &dyn Rules, new: &mut Value, old: &Value, now: jiff::Timestamp) {
    match part {
        Part::Main | Part::Scale | Part::Internal => {}
        Part::Status => {
            rules.prepare_status_update(new, old);
            if new["kind"] == "CertificateSigningRequest" {
                certificate_signing_request::fill_times(new, old, now);
            }
        }
        Part::Finalize => {
            namespace::prepare_finalize(new, old);
            rules.default(new);
        }
        Part::Approval => {
            graft(new, old, &["status", "conditions"]);
            certificate_signing_request::fill_times(new, old, now);
        }
        Part::EphemeralContainers => {
            subresources::prepare_ephemeral_containers(new, old);
            rules.default(new);
        }
        Part::Resize => subresources::prepare_resize(new, old),
    }
}

/// Restores what no update of the main resource may change. Runs after admission.
pub(crate) fn seal(part: Part, rules: &dyn Rules, new: &mut Value, old: &Value) {
    if matches!(part, Part::Main | Part::Scale) {
        rules.prepare_update(new, old);
    }
}

/// Errors of a change to this part.
pub(crate) fn validate(part: Part, rules: &dyn Rules, new: &Value, old: &Value) -> ErrorList {
    match part {
        Part::Main | Part::Scale => rules.validate_update(new, old),
        Part::Status => rules.validate_status_update(new, old),
        Part::Approval => certificate_signing_request::validate_approval(new, old),
        Part::EphemeralContainers => subresources::validate_ephemeral_containers(new, old),
        Part::Resize => subresources::validate_resize(new, old),
        Part::Finalize => namespace::validate_finalize(new),
        Part::Internal => ErrorList::new(),
    }
}

/// Makes `new` the old object with one field of the new one.
fn graft(new: &mut Value, old: &Value, path: &[&str; 2]) {
    let field = new.get_mut(path[0]).and_then(|outer| outer.get_mut(path[1])).map(Value::take);
    let managed = new["metadata"].get_mut("managedFields").map(Value::take);
    let mut kept = old.clone();
    match field {
        Some(value) if !value.is_null() => kept[path[0]][path[1]] = value,
        _ => {
            if let Some(outer) = kept.get_mut(path[0]).and_then(Value::as_object_mut) {
                outer.remove(path[1]);
            }
        }
    }
    if let Some(managed) = managed {
        kept["metadata"]["managedFields"] = managed;
    }
    *new = kept;
}
