//! `scale`: the replicas of a workload as `autoscaling/v1 Scale`.

use super::update::{Changed, Ownership};
use super::write::{Part, Subject};
use super::{Registry, encode, patch::Patch};
use crate::codec::{self, Expected};
use crate::options::WriteOptions;
use kubekit_core::field::{Error as FieldError, Path};
use kubekit_core::selector::LabelSelector;
use kubekit_core::status::ApiError;
use kubekit_core::{apply, schema};
use kubekit_store::Entry;
use serde_json::{Map, Value, json};

/// The kind in requests and answers.
///
/// # Panics
/// Never: the schema table has it.
pub(crate) fn expected() -> Expected {
    Expected {
        group: "autoscaling",
        version: "v1",
        kind: "Scale",
        schema: schema::of_kind("autoscaling", "v1", "Scale").expect("the schema table has Scale"),
        older: None,
    }
}

/// The Scale of a workload.
pub(crate) fn of(object: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {}, "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)},
    });
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = json!(replicas);
    }
    let selector = &object["spec"]["selector"];
    let text = if selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some() {
        LabelSelector::from_object(selector, &Path::new("spec")).map(|selector| selector.to_string()).ok()
    } else {
        selector.as_object().map(|labels| {
            labels
                .iter()
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(",")
        })
    };
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        scale["status"]["selector"] = json!(text);
    }
    scale
}

impl Registry {
    /// Reads the Scale of a workload.
    ///
    /// # Errors
    /// 404 where the workload does not exist.
    pub(crate) async fn scale(&self, subject: Subject<'_>) -> Result<Value, ApiError> {
        match self.entry(&subject.key()).await? {
            Some(entry) => Ok(of(&encode::decode(&entry))),
            None => Err(subject.not_found()),
        }
    }

    /// Replaces the Scale of a workload.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) async fn update_scale(
        &self,
        subject: Subject<'_>,
        scale: Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        self.change_scale(subject, options, |_| Ok(scale.clone())).await
    }

    /// Patches the Scale of a workload.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) async fn patch_scale(
        &self,
        subject: Subject<'_>,
        patch: Patch,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let expected = expected();
        let request = subject.request;
        self.change_scale(subject, options, |old| match &patch {
            Patch::Apply(configuration) => {
                let decoded = kubekit_core::decode::value(configuration.clone(), expected.schema)
                    .map_err(|error| error.to_api_error(expected.kind, expected.version))?;
                let configuration = codec::settle(request, decoded, expected, options.validation)?;
                let writer = self.writer("autoscaling/v1", Part::Scale, options);
                apply::apply(Some(old), &configuration, expected.schema, writer, options.force)
            }
            other => other.onto(request, old, expected, options),
        })
        .await
    }

    async fn change_scale(
        &self,
        subject: Subject<'_>,
        options: &WriteOptions,
        mut change: impl FnMut(&Value) -> Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        let stored = self.modify(subject, options, Ownership::Within, |old| {
            let scale = change(&of(old))?;
            let replicas = scale["spec"].get("replicas").and_then(Value::as_i64).unwrap_or(0);
            if replicas < 0 {
                let detail = "must be greater than or equal to 0";
                let error = FieldError::invalid(&Path::new("spec").child("replicas"), &json!(replicas), detail);
                return Err(ApiError::invalid("autoscaling", "Scale", subject.name, &[error]));
            }
            let mut object = old.clone();
            object["spec"]["replicas"] = json!(replicas);
            // The version and uid that the Scale names are preconditions, as those of the object would be.
            for field in ["resourceVersion", "uid", "name", "namespace"] {
                if let Some(value) = scale["metadata"].get(field).filter(|value| *value != "") {
                    object["metadata"][field] = value.clone();
                }
            }
            Ok(Changed { object, tracked: false })
        });
        let stored: std::sync::Arc<Entry> = stored.await?;
        Ok(of(&encode::decode(&stored)))
    }
}
