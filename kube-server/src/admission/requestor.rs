//! Who asks for a certificate: the server writes the user's name, uid and groups into the request, whatever it said.
//! Who approves it, and what signs it, rely on them.
//!
//! Source: `pkg/registry/certificates/certificates/strategy.go`.

use super::{AdmissionRequest, Operation};
use serde_json::{Map, Value, json};

pub(super) fn admit(request: &mut AdmissionRequest<'_>) {
    if request.operation != Operation::Create {
        return;
    }
    let user = request.user;
    let Some(spec) = request.spec_mut() else { return };
    set(spec, "username", json!(user.name), user.name.is_empty());
    set(spec, "uid", json!(user.uid), user.uid.is_empty());
    set(spec, "groups", json!(user.groups), user.groups.is_empty());
    set(spec, "extra", json!(user.extra), user.extra.is_empty());
}

fn set(spec: &mut Map<String, Value>, field: &str, value: Value, is_empty: bool) {
    if is_empty {
        spec.remove(field);
    } else {
        spec.insert(field.to_owned(), value);
    }
}
