//! The downward API: what a pod tells its own containers about itself.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use kubekit_core::quantity::{Format, Quantity};

use super::members::{self, spec_of};
use super::qos::amount;

/// What the agent knows of a pod beyond its object.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The node's name.
    pub node_name: String,
    /// The node's addresses.
    pub host_ips: Vec<String>,
    /// The pod's addresses.
    pub pod_ips: Vec<String>,
    /// CPU for pods, in thousandths of a core.
    pub cpu_millis: i64,
    /// Memory for pods, in bytes.
    pub memory_bytes: i64,
    /// Local storage for pods, in bytes.
    pub ephemeral_bytes: i64,
}

/// The value of a field path, as `metadata.labels['app']` or `status.podIP`.
///
/// # Errors
/// The path, when it is none that containers may ask for.
pub fn field(pod: &Pod, place: &Place, path: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match map {
            "metadata.labels" => &meta.labels,
            "metadata.annotations" => &meta.annotations,
            _ => return Err(format!("unsupported fieldPath: {path}")),
        };
        return Ok(map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => text(&meta.name),
        "metadata.namespace" => text(&meta.namespace),
        "metadata.uid" => text(&meta.uid),
        "metadata.labels" => format_map(meta.labels.as_ref()),
        "metadata.annotations" => format_map(meta.annotations.as_ref()),
        "spec.nodeName" => place.node_name.clone(),
        "spec.serviceAccountName" => text(&spec_of(pod).service_account_name),
        "status.hostIP" => place.host_ips.first().cloned().unwrap_or_default(),
        "status.hostIPs" => place.host_ips.join(","),
        "status.podIP" => place.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => place.pod_ips.join(","),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// `key="value"` lines, values quoted as Go does.
fn format_map(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}")).collect();
    lines.join("\n")
}

/// The value of a resource of a container, divided by the divisor and rounded up. What has no limit has the node's.
///
/// # Errors
/// When the container or the resource is unknown.
pub fn resource(pod: &Pod, own: &Container, place: &Place, selector: &ResourceFieldSelector) -> Result<String, String> {
    let container = match selector.container_name.as_deref().filter(|name| !name.is_empty()) {
        None => own,
        Some(name) => members::find(spec_of(pod), name).ok_or_else(|| format!("container {name} not found"))?.spec,
    };
    let (kind, name) = selector.resource.split_once('.').unwrap_or(("", &selector.resource));
    let resources = container.resources.clone().unwrap_or_default();
    let asked = match kind {
        "limits" => amount(resources.limits.as_ref(), name),
        "requests" => amount(resources.requests.as_ref(), name).or_else(|| amount(resources.limits.as_ref(), name)),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let whole = match name {
        "cpu" => Quantity::from_millis(place.cpu_millis, Format::DecimalSi),
        "memory" => Quantity::from_units(place.memory_bytes, Format::BinarySi),
        "ephemeral-storage" => Quantity::from_units(place.ephemeral_bytes, Format::BinarySi),
        _ if name.starts_with("hugepages-") => Quantity::ZERO,
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let value = match (asked, kind) {
        (Some(value), _) => value,
        (None, "limits") => whole,
        (None, _) => Quantity::ZERO,
    };
    let divisor = selector.divisor.as_ref().and_then(|divisor| divisor.0.parse::<Quantity>().ok());
    let divisor = divisor.filter(|divisor| !divisor.is_zero());
    if name == "cpu" {
        let divisor = divisor.map_or(1_000, |divisor| divisor.milli_value()).max(1);
        Ok(divide_up(value.milli_value(), divisor).to_string())
    } else {
        let divisor = divisor.map_or(1, |divisor| divisor.value()).max(1);
        Ok(divide_up(value.value(), divisor).to_string())
    }
}

fn divide_up(value: i64, divisor: i64) -> i64 {
    value / divisor + i64::from(value % divisor > 0)
}

#[cfg(test)]
mod tests {
    //! Paths and resources in, texts out.

    use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

    use super::*;
    use crate::pod::fixture::{container_with_resources, pod};

    fn place() -> Place {
        Place {
            node_name: "n1".into(),
            host_ips: vec!["192.0.2.1".into()],
            pod_ips: vec!["10.0.0.2".into(), "fd00::2".into()],
            cpu_millis: 4_000,
            memory_bytes: 8 << 30,
            ephemeral_bytes: 1 << 40,
        }
    }

    #[track_caller]
    fn check_field(path: &str, expected: Result<&str, &str>) {
        let mut pod = pod("Always", vec![], vec![]);
        pod.metadata.labels = Some([("app".to_owned(), "web".to_owned()), ("b".to_owned(), "x\"y".to_owned())].into());
        let value = field(&pod, &place(), path);
        assert_eq!(value.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn fields() {
        check_field("metadata.name", Ok("p"));
        check_field("metadata.labels['app']", Ok("web"));
        check_field("metadata.labels['absent']", Ok(""));
        check_field("metadata.labels", Ok("app=\"web\"\nb=\"x\\\"y\""));
        check_field("status.podIPs", Ok("10.0.0.2,fd00::2"));
        check_field("spec.nodeName", Ok("n1"));
        check_field("spec.containers", Err("unsupported fieldPath: spec.containers"));
    }

    #[track_caller]
    fn check_resource(resource_name: &str, divisor: &str, expected: &str) {
        let container = container_with_resources("a", &[("cpu", "250m")], &[("cpu", "1500m"), ("memory", "64Mi")]);
        let selector = ResourceFieldSelector {
            container_name: None,
            divisor: (!divisor.is_empty()).then(|| ApiQuantity(divisor.into())),
            resource: resource_name.into(),
        };
        let value = resource(&pod("Always", vec![], vec![]), &container, &place(), &selector);
        assert_eq!(value.expect("a value"), expected);
    }

    #[test]
    fn resources() {
        check_resource("limits.cpu", "", "2");
        check_resource("limits.cpu", "1m", "1500");
        check_resource("requests.cpu", "1m", "250");
        check_resource("limits.memory", "1Mi", "64");
        check_resource("limits.memory", "0", "67108864");
        check_resource("limits.ephemeral-storage", "1Gi", "1024");
        check_resource("requests.ephemeral-storage", "", "0");
    }
}
