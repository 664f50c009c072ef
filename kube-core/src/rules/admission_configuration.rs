//! Webhook configurations and admission policies: defaults. Source: `pkg/apis/admissionregistration/v1/defaults.go`.

use super::access::{child_mut, default_to, each_mut, get, list, made, text};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of MutatingWebhookConfigurations.
#[derive(Debug)]
pub struct MutatingWebhooks;

impl Rules for MutatingWebhooks {
    fn default(&self, object: &mut Value) {
        for webhook in each_mut(object, "webhooks") {
            default_webhook(webhook);
            default_to(webhook, "reinvocationPolicy", "Never");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        check_webhooks(object)
    }

    fn has_generation(&self) -> bool {
        true
    }
}

/// Rules of ValidatingWebhookConfigurations.
#[derive(Debug)]
pub struct ValidatingWebhooks;

impl Rules for ValidatingWebhooks {
    fn default(&self, object: &mut Value) {
        each_mut(object, "webhooks").for_each(default_webhook);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        check_webhooks(object)
    }

    fn has_generation(&self) -> bool {
        true
    }
}

/// Rules of ValidatingAdmissionPolicies and MutatingAdmissionPolicies.
#[derive(Debug)]
pub struct Policy {
    /// Whether the kind has a status: that which validates.
    pub status: bool,
}

impl Rules for Policy {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_to(spec, "failurePolicy", "Fail");
        if let Some(resources) = child_mut(spec, "matchConstraints") {
            default_match(resources);
        }
    }

    fn has_status(&self) -> bool {
        self.status
    }

    fn has_generation(&self) -> bool {
        true
    }
}

/// Rules of the bindings of admission policies.
#[derive(Debug)]
pub struct PolicyBinding;

impl Rules for PolicyBinding {
    fn default(&self, object: &mut Value) {
        if let Some(resources) = child_mut(object, "spec").and_then(|spec| child_mut(spec, "matchResources")) {
            default_match(resources);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }
}

fn default_match(resources: &mut Value) {
    default_to(resources, "matchPolicy", "Equivalent");
    default_to(resources, "namespaceSelector", json!({}));
    default_to(resources, "objectSelector", json!({}));
    for list in ["resourceRules", "excludeResourceRules"] {
        each_mut(resources, list).for_each(|rule| default_to(rule, "scope", "*"));
    }
}

fn default_webhook(webhook: &mut Value) {
    default_to(webhook, "failurePolicy", "Fail");
    default_to(webhook, "matchPolicy", "Equivalent");
    default_to(webhook, "namespaceSelector", json!({}));
    default_to(webhook, "objectSelector", json!({}));
    default_to(webhook, "timeoutSeconds", 10);
    if let Some(service) = child_mut(webhook, "clientConfig").and_then(|client| child_mut(client, "service")) {
        default_to(service, "port", 443);
    }
    each_mut(webhook, "rules").for_each(|rule| default_to(rule, "scope", "*"));
}

fn check_webhooks(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    for (index, webhook) in list(object, "webhooks").iter().enumerate() {
        let path = Path::new("webhooks").index(index);
        let name = text(webhook, "name");
        format::check_subdomain(&mut errors, &path.child("name"), name);
        if name.split('.').count() < 3 {
            let text = "should be a domain with at least three segments separated by dots";
            errors.push(Error::invalid(&path.child("name"), &name.into(), text));
        }
        format::check_range(&mut errors, &path, webhook, "timeoutSeconds", 1, 30);
        format::check_optional(&mut errors, &path, webhook, "failurePolicy", &["Fail", "Ignore"]);
        format::check_optional(&mut errors, &path, webhook, "matchPolicy", &["Equivalent", "Exact"]);
        if let Some(effects) = get(webhook, "sideEffects") {
            if !matches!(effects.as_str(), Some("None" | "NoneOnDryRun")) {
                errors.push(Error::not_supported(&path.child("sideEffects"), effects, &["None", "NoneOnDryRun"]));
            }
        } else {
            let text = "must specify one of None, NoneOnDryRun";
            errors.push(Error::required(&path.child("sideEffects"), text));
        }
        if list(webhook, "admissionReviewVersions").is_empty() {
            let text = "must specify one of v1, v1beta1";
            errors.push(Error::required(&path.child("admissionReviewVersions"), text));
        }
        let client = &webhook["clientConfig"];
        if get(client, "url").is_some() == get(client, "service").is_some() {
            let text = "exactly one of url or service is required";
            errors.push(Error::required(&path.child("clientConfig"), text));
        }
    }
    errors
}
