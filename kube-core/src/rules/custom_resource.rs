//! CustomResourceDefinition: defaults. Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go`.

use super::access::{child_mut, default_text, default_to, list, made, set, text, text_at};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of CustomResourceDefinitions.
#[derive(Debug)]
pub struct Definition;

impl Rules for Definition {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        if let Some(names) = made(spec, "names") {
            let kind = text(names, "kind").to_owned();
            if !kind.is_empty() {
                default_text(names, "singular", &kind.to_lowercase());
                default_text(names, "listKind", &format!("{kind}List"));
            }
        }
        default_to(spec, "conversion", json!({"strategy": "None"}));
        let service = child_mut(spec, "conversion")
            .and_then(|conversion| child_mut(conversion, "webhook"))
            .and_then(|webhook| child_mut(webhook, "clientConfig"))
            .and_then(|client| child_mut(client, "service"));
        if let Some(service) = service {
            default_to(service, "port", 443);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        let stored: Vec<Value> = list(&object["spec"], "versions")
            .iter()
            .filter(|version| version["storage"] == true)
            .map(|version| version["name"].clone())
            .collect();
        set(
            object,
            "status",
            json!({"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}),
        );
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        let group = text(spec, "group");
        if group.is_empty() {
            errors.push(Error::required(&path.child("group"), ""));
        } else {
            format::check_subdomain(&mut errors, &path.child("group"), group);
            if !group.contains('.') {
                let text = "should be a domain with at least one dot";
                errors.push(Error::invalid(&path.child("group"), &group.into(), text));
            }
        }
        let plural = text_at(spec, &["names", "plural"]);
        let name = text_at(object, &["metadata", "name"]);
        if name != format!("{plural}.{group}") {
            errors.push(Error::invalid(
                &Path::new("metadata").child("name"),
                &name.into(),
                "must be spec.names.plural+\".\"+spec.group",
            ));
        }
        format::check_supported(&mut errors, &path, spec, "scope", &["Cluster", "Namespaced"]);
        let storage = list(spec, "versions").iter().filter(|version| version["storage"] == true).count();
        if storage != 1 {
            errors.push(Error::invalid(
                &path.child("versions"),
                &spec["versions"],
                "must have exactly one version marked as storage version",
            ));
        }
        for (field, required) in [("plural", true), ("kind", true), ("singular", false), ("listKind", false)] {
            let value = text_at(spec, &["names", field]);
            let path = path.child("names").child(field);
            if value.is_empty() && required {
                errors.push(Error::required(&path, ""));
            } else if !value.is_empty() {
                let messages = crate::meta::syntax::dns1035_label(&value.to_lowercase());
                format::invalid(&mut errors, &path, value, messages);
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let path = Path::new("spec");
        for field in ["group", "scope"] {
            format::check_immutable(&mut errors, &path, &new["spec"], &old["spec"], field);
        }
        let established = list(&old["status"], "conditions")
            .iter()
            .any(|condition| text(condition, "type") == "Established" && text(condition, "status") == "True");
        if established {
            let (names, before) = (&new["spec"]["names"], &old["spec"]["names"]);
            format::check_immutable(&mut errors, &path.child("names"), names, before, "kind");
        }
        let (names, before) = (&new["spec"]["names"], &old["spec"]["names"]);
        format::check_immutable(&mut errors, &path.child("names"), names, before, "plural");
        errors
    }

    fn has_status(&self) -> bool {
        true
    }
}
