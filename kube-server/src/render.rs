//! One object as an answer: as stored where that will do, else in the form that its reader wants.

use crate::compression;
use crate::negotiate::{self, Format};
use crate::registry::encode;
use crate::registry::kind::Kind;
use crate::registry::view::{Include, Viewer};
use crate::request::{Request, Response};
use crate::response;
use http::StatusCode;
use kubekit_core::status::ApiError;
use kubekit_store::Entry;
use serde_json::{Value, json};

/// An entry as an answer.
///
/// # Errors
/// 406 where the client accepts none of the forms.
pub(crate) fn entry(
    request: &Request,
    kind: Kind,
    code: StatusCode,
    entry: &Entry,
    now: jiff::Timestamp,
) -> Result<Response, ApiError> {
    let accepted = negotiate::accept(request)?;
    let include = Include::parse(request, accepted.view)?;
    let viewer = Viewer { kind, view: accepted.view, include, now };
    let bytes = if viewer.is_plain() && accepted.format == (Format::Json { pretty: false }) {
        encode::whole(entry)
    } else {
        accepted.format.encode(&viewer.object(entry, entry.revision))
    };
    let mut response = compression::bytes(request, code, accepted.format.content_type(), bytes);
    response::add_warnings(request, &mut response);
    Ok(response)
}

/// The Status that says that something was done.
pub(crate) fn success(group: &str, plural: &str, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": plural});
    if !group.is_empty() {
        details["group"] = json!(group);
    }
    if !uid.is_empty() {
        details["uid"] = json!(uid);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
