//! Priority: the name of a PriorityClass becomes a number in the Pod.
//!
//! Source: `plugin/pkg/admission/priority/admission.go`.

use super::{AdmissionRequest, Operation};
use crate::keys;
use crate::registry::attributes::ADMISSION;
use crate::registry::{Registry, encode};
use kubekit_core::status::ApiError;
use serde_json::Value;

pub(super) async fn admit_pod(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    if request.operation != Operation::Create {
        return Ok(());
    }
    let Some(name) = request.object.as_ref().map(|pod| text(&pod["spec"], "priorityClassName")) else {
        return Ok(());
    };
    let class = if name.is_empty() {
        default_class(registry).await?
    } else {
        match registry.object("scheduling.k8s.io", "priorityclasses", "", &name).await? {
            Some(entry) => Some(encode::decode(&entry)),
            None => return Err(request.forbidden(&format!("no PriorityClass with name {name} was found"))),
        }
    };
    let value = class.as_ref().and_then(|class| class["value"].as_i64()).unwrap_or(0);
    let policy = class.as_ref().and_then(|class| class["preemptionPolicy"].as_str()).unwrap_or("PreemptLowerPriority");
    let given = request.object.as_ref().map_or(&Value::Null, |pod| &pod["spec"]);
    if let Some(given) = given["priority"].as_i64().filter(|given| *given != value) {
        return Err(request.forbidden(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        )));
    }
    if let Some(given) = given["preemptionPolicy"].as_str().filter(|given| *given != policy) {
        return Err(request.forbidden(&format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        )));
    }
    if let Some(spec) = request.spec_mut() {
        if let (true, Some(class)) = (name.is_empty(), &class) {
            spec.insert("priorityClassName".to_owned(), class["metadata"]["name"].clone());
        }
        spec.insert("priority".to_owned(), value.into());
        spec.insert("preemptionPolicy".to_owned(), policy.into());
    }
    Ok(())
}

/// Whether a class says something about Pods that do not name it.
pub(super) fn is_default(class: &Value) -> bool {
    class["globalDefault"] == true
}

/// The class that Pods without one belong to.
async fn default_class(registry: &Registry) -> Result<Option<Value>, ApiError> {
    let classes = registry.all(keys::resource_prefix("scheduling.k8s.io", "priorityclasses")).await?;
    let found = classes
        .iter()
        // This spares parsing the classes that are no default, on the path of every Pod.
        .filter(|entry| entry.attributes.get(ADMISSION).is_some())
        .map(|entry| encode::decode(entry))
        .filter(is_default)
        .min_by_key(|class| class["value"].as_i64());
    Ok(found)
}

pub(super) async fn admit_class(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    if !matches!(request.operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    if !request.object.as_ref().is_some_and(|class| is_default(class)) {
        return Ok(());
    }
    let name = request.object.as_ref().map(|class| text(&class["metadata"], "name")).unwrap_or_default();
    match default_class(registry).await? {
        Some(other) if other["metadata"]["name"] != *name => Err(request.forbidden(&format!(
            "PriorityClass {} is already marked as default. Only one default can exist",
            other["metadata"]["name"].as_str().unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

fn text(object: &Value, field: &str) -> String {
    crate::registry::create::text(object, field)
}
