//! Which container of a pod a request is about.

use kubekit_core::status::ApiError;
use serde_json::Value;

/// The container that is asked for, or the only one.
///
/// # Errors
/// 400 where there are several to choose from, or none of that name.
pub(super) fn of(pod: &Value, asked: Option<&str>) -> Result<String, ApiError> {
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let all: Vec<&str> =
        ["initContainers", "containers", "ephemeralContainers"].iter().flat_map(|field| names(pod, field)).collect();
    let Some(asked) = asked.filter(|name| !name.is_empty()) else {
        let mut regular = names(pod, "containers");
        return match (regular.next(), regular.next()) {
            (Some(only), None) => Ok(only.to_owned()),
            (None, _) => Err(ApiError::bad_request(format!("a container name must be specified for pod {pod_name}"))),
            _ => Err(ApiError::bad_request(format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                all.join(" ")
            ))),
        };
    };
    if all.contains(&asked) {
        Ok(asked.to_owned())
    } else {
        Err(ApiError::bad_request(format!("container {asked} is not valid for pod {pod_name}")))
    }
}

fn names<'p>(pod: &'p Value, field: &str) -> impl Iterator<Item = &'p str> {
    pod["spec"][field].as_array().into_iter().flatten().filter_map(|container| container["name"].as_str())
}
