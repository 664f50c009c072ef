//! IPAddress: whose a cluster IP is. Source: `pkg/apis/networking/validation`, `pkg/registry/networking/ipaddress`.

use super::access::{get, text};
use super::{NameRule, Rules, format};
use crate::field::{Error, ErrorList, Path};
use crate::meta::syntax;
use serde_json::Value;

/// Rules of IPAddresses.
#[derive(Debug)]
pub struct IpAddress;

impl Rules for IpAddress {
    fn name_rule(&self) -> NameRule {
        NameRule::IpAddress
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("parentRef");
        let Some(parent) = get(&object["spec"], "parentRef") else {
            errors.push(Error::required(&path, ""));
            return errors;
        };
        let group = text(parent, "group");
        if !group.is_empty() {
            format::check_subdomain(&mut errors, &path.child("group"), group);
        }
        for (field, required) in [("resource", true), ("name", true), ("namespace", false)] {
            let (path, value) = (path.child(field), text(parent, field));
            if !value.is_empty() {
                format::invalid(&mut errors, &path, value, syntax::path_segment_name(value));
            } else if required {
                errors.push(Error::required(&path, ""));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        format::check_immutable(&mut errors, &Path::new("spec"), &new["spec"], &old["spec"], "parentRef");
        errors
    }
}
