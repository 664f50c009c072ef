//! CertificateSigningRequest. Source: `pkg/apis/certificates/validation`, `pkg/registry/certificates/certificates`.
//!
//! Who asks is written by the server at the create, and nothing of the request changes afterwards: whoever approves it
//! must see what will be signed, and for whom.

use super::access::{int, list, text};
use super::{Rules, copy_field};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;
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
