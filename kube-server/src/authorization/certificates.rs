//! Who may let a certificate be issued: approving and signing need the permission for the signer besides that for the
//! request, and nobody asks for a certificate of the administrators.
//!
//! Source: `plugin/pkg/admission/certificates` (CertificateApproval, CertificateSigning, CertificateSubjectRestriction).

use super::{Authorizer, Decision, Rbac};
use crate::admission::{Admission, AdmissionRequest, Operation};
use crate::request_info::RequestInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubekit_core::status::ApiError;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::sync::Arc;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

const GROUP: &str = "certificates.k8s.io";
const MASTERS: &str = "system:masters";
/// The signer whose certificates the API server takes for users.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Refuses approvals, certificates and requests that their authors may not make.
#[derive(Debug)]
pub struct CertificateAuthorization {
    rbac: Arc<Rbac>,
}

impl CertificateAuthorization {
    /// Judges by what `rbac` knows.
    pub fn new(rbac: Arc<Rbac>) -> Self {
        Self { rbac }
    }

    /// Whether the user may do this with the signer, or with all of its domain.
    fn may(&self, request: &AdmissionRequest<'_>, verb: &str, signer: &str) -> bool {
        let domain = signer.split_once('/').map(|(domain, _)| format!("{domain}/*"));
        let names = [Some(signer.to_owned()), domain];
        request.user.groups.iter().any(|group| group == MASTERS)
            || names.iter().flatten().any(|name| {
                let info = RequestInfo::resource(verb, GROUP, "signers", "", name);
                matches!(self.rbac.authorize(request.user, &info), Decision::Allow(_))
            })
    }

    fn check(&self, request: &AdmissionRequest<'_>) -> Result<(), String> {
        let Some(new) = request.object.as_deref() else { return Ok(()) };
        // The signer of what is stored: an update cannot choose another one.
        let signer = request.old.unwrap_or(new)["spec"]["signerName"].as_str().unwrap_or_default();
        match (request.operation, request.subresource) {
            (Operation::Create, "") if signer == CLIENT_SIGNER => match asks_for_masters(new) {
                Ok(false) => Ok(()),
                Ok(true) => Err(format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed")),
                Err(error) => Err(format!("failed to parse CSR: {error}")),
            },
            (Operation::Update, "approval") if !self.may(request, "approve", signer) => {
                Err(format!("user not permitted to approve requests with signerName {signer:?}"))
            }
            (Operation::Update, "status") if signs(new, request.old) && !self.may(request, "sign", signer) => {
                Err(format!("user not permitted to sign requests with signerName {signer:?}"))
            }
            _ => Ok(()),
        }
    }
}

impl Admission for CertificateAuthorization {
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
        if request.resource.group != GROUP || request.resource.plural != "certificatesigningrequests" {
            return Ok(());
        }
        let name = request.object.as_deref().and_then(|object| object["metadata"]["name"].as_str());
        let name = name.unwrap_or(request.name);
        self.check(request).map_err(|detail| ApiError::forbidden(GROUP, request.resource.plural, name, &detail))
    }
}

/// Whether a change of the status is one that a signer makes.
fn signs(new: &Value, old: Option<&Value>) -> bool {
    let part = |object: &Value, field: &str| object["status"][field].clone();
    old.is_none_or(|old| ["certificate", "conditions"].iter().any(|field| part(new, field) != part(old, field)))
}

/// Whether a certificate would be for the group that no rule can lock out. What another reader of PEM or of names might
/// take for a request, and this one cannot read, is an error.
fn asks_for_masters(object: &Value) -> Result<bool, String> {
    let text = object["spec"]["request"].as_str().unwrap_or_default();
    let pem = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let (mut found, mut asks) = (false, false);
    for der in CertificateSigningRequestDer::pem_slice_iter(&pem) {
        let der = der.map_err(|error| error.to_string())?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|error| error.to_string())?;
        for group in parsed.certification_request_info.subject.iter_organization() {
            asks |= group.as_str().map_err(|error| error.to_string())? == MASTERS;
        }
        found = true;
    }
    if found { Ok(asks) } else { Err("PEM block type must be CERTIFICATE REQUEST".to_owned()) }
}
