//! CertificateSigningRequest. Source: `pkg/apis/certificates/validation`, `pkg/registry/certificates/certificates`.
//!
//! Who asks is written by the server at the create, and nothing of the request changes afterwards: whoever approves it
//! must see what will be signed, and for whom.

use super::access::{child_mut, default_text, each_mut, int, list, text, text_at};
use super::{Rules, copy_field};
use crate::decode::format_time;
use crate::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashSet;

/// Rules of CertificateSigningRequests.
#[derive(Debug)]
pub struct CertificateSigningRequest;

/// Signers of the API before v1 that stand for no signer.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// Shortest time that may be asked for, in seconds.
const EXPIRATION_SECONDS_MIN: i64 = 600;
/// What the base64 form of `-----BEGIN CERTIFICATE REQUEST-----` begins with, up to where the next line has a say.
const PEM_BASE64: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS";

const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
/// Conditions that are true for good.
const FINAL: [&str; 3] = [APPROVED, DENIED, "Failed"];

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

impl Rules for CertificateSigningRequest {
    fn prepare_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "spec");
        copy_field(new, old, "status");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (path, spec) = (Path::new("spec"), &object["spec"]);
        let request = text(spec, "request");
        if !request.starts_with(PEM_BASE64) {
            let detail = "PEM block type must be CERTIFICATE REQUEST";
            errors.push(Error::invalid(&path.child("request"), &request.into(), detail));
        }
        check_usages(&mut errors, &path.child("usages"), spec);
        check_signer(&mut errors, &path.child("signerName"), text(spec, "signerName"));
        if let Some(seconds) = int(spec, "expirationSeconds").filter(|seconds| *seconds < EXPIRATION_SECONDS_MIN) {
            let detail = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.push(Error::invalid(&path.child("expirationSeconds"), &seconds.into(), detail));
        }
        errors
    }

    fn validate_update(&self, _new: &Value, _old: &Value) -> ErrorList {
        // Nothing that is checked can change.
        ErrorList::new()
    }

    /// Signers write certificates. Approvals and denials have a subresource of their own, and permissions of their own.
    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = validate_approval(new, old);
        let path = Path::new("status");
        for kind in [APPROVED, DENIED] {
            let (now, before) = (of_type(new, kind), of_type(old, kind));
            let what = match now.len().cmp(&before.len()) {
                Ordering::Greater => "add",
                Ordering::Equal if now.iter().zip(&before).any(|(a, b)| !same(a, b)) => "modify",
                _ => continue,
            };
            let text = format!("updates may not {what} a condition of type {kind:?}");
            errors.push(Error::forbidden(&path.child("conditions"), &text));
        }
        let certificate = |object: &Value| text_at(object, &["status", "certificate"]).to_owned();
        if !certificate(old).is_empty() && certificate(old) != certificate(new) {
            let text = "updates may not modify existing certificate content";
            errors.push(Error::forbidden(&path.child("certificate"), text));
        }
        errors
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("spec.signerName", text(&object["spec"], "signerName").to_owned())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["spec.signerName"]
    }
}

/// Errors of the conditions that an approval, or another change of the status, leaves behind.
pub fn validate_approval(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status").child("conditions");
    let mut seen = HashSet::new();
    for (index, condition) in list(&new["status"], "conditions").iter().enumerate() {
        let (kind, status, path) = (text(condition, "type"), text(condition, "status"), path.index(index));
        let is_final = FINAL.contains(&kind);
        if kind.is_empty() {
            errors.push(Error::required(&path.child("type"), ""));
        }
        let allowed: &[&str] = if is_final { &["True"] } else { &["True", "False", "Unknown"] };
        if status.is_empty() {
            errors.push(Error::required(&path.child("status"), ""));
        } else if !allowed.contains(&status) {
            errors.push(Error::not_supported(&path.child("status"), &status.into(), allowed));
        }
        let opposite = match kind {
            APPROVED => seen.contains(DENIED),
            DENIED => seen.contains(APPROVED),
            _ => false,
        };
        if opposite {
            let text = "Approved and Denied conditions are mutually exclusive";
            errors.push(Error::invalid(&path.child("type"), &kind.into(), text));
        }
        if !seen.insert(kind) {
            errors.push(Error::duplicate(&path.child("type"), &kind.into()));
        }
    }
    for kind in FINAL {
        if of_type(new, kind).len() < of_type(old, kind).len() {
            let text = format!("updates may not remove a condition of type {kind:?}");
            errors.push(Error::forbidden(&path, &text));
        }
    }
    errors
}

/// Gives conditions the times that their author left out.
pub fn fill_times(new: &mut Value, old: &Value, now: Timestamp) {
    let now = format_time(now);
    let Some(status) = child_mut(new, "status") else { return };
    for condition in each_mut(status, "conditions") {
        let known = list(&old["status"], "conditions")
            .iter()
            .find(|known| ["type", "status"].iter().all(|field| text(known, field) == text(condition, field)));
        let since = known.map(|known| text(known, "lastTransitionTime")).filter(|time| !time.is_empty());
        default_text(condition, "lastTransitionTime", since.unwrap_or(&now));
        default_text(condition, "lastUpdateTime", &now);
    }
}

fn of_type<'a>(object: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(&object["status"], "conditions").iter().filter(|condition| text(condition, "type") == kind).collect()
}

/// Whether two conditions say the same, whenever that was written.
fn same(a: &Value, b: &Value) -> bool {
    ["status", "reason", "message"].iter().all(|field| text(a, field) == text(b, field))
}

fn check_usages(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let usages = list(spec, "usages");
    if usages.is_empty() {
        errors.push(Error::required(path, ""));
    }
    let mut seen = HashSet::new();
    for (index, usage) in usages.iter().enumerate() {
        let name = usage.as_str().unwrap_or_default();
        if !USAGES.contains(&name) {
            errors.push(Error::not_supported(&path.index(index), usage, USAGES));
        }
        if !seen.insert(name) {
            errors.push(Error::duplicate(&path.index(index), usage));
        }
    }
}

fn check_signer(errors: &mut ErrorList, path: &Path, signer: &str) {
    if signer.is_empty() {
        errors.push(Error::required(path, ""));
    } else if signer == LEGACY_SIGNER {
        let detail = "the legacy signerName is not allowed via this API version";
        errors.push(Error::invalid(path, &signer.into(), detail));
    } else if !signer.split_once('/').is_some_and(|(domain, name)| domain.contains('.') && !name.is_empty()) {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(Error::invalid(path, &signer.into(), detail));
    }
}
