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
    let lines: Vec<String> = map.into_iter().flatten().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// A text in quotation marks as Go's `%q` has it, which those who read these files undo.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            // Both languages show what is printable; after a letter, marks that combine with it are.
            c if format!("a{c}").escape_debug().eq(['a', c]) => out.push(c),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
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
    fn check_quoted(text: &str, expected: &str) {
        assert_eq!(quoted(text), expected);
    }

    #[test]
    fn values_are_quoted_as_go_does() {
        check_quoted("", r#""""#);
        check_quoted(r#"it's "so" \o/"#, r#""it's \"so\" \\o/""#);
        check_quoted("a\tb\nc\r", r#""a\tb\nc\r""#);
        check_quoted("\u{0}\u{1b}[1m\u{7}\u{7f}", r#""\x00\x1b[1m\a\x7f""#);
        check_quoted("Grüße, 世界 🦀 e\u{301}", "\"Grüße, 世界 🦀 e\u{301}\"");
        check_quoted("\u{200b}\u{a0}\u{e0001}", r#""\u200b\u00a0\U000e0001""#);
    }

    #[test]
    fn every_field_that_containers_may_ask_for() {
        let mut pod = pod("Always", vec![], vec![]);
        pod.metadata.annotations = Some([("example.com/a.b".to_owned(), "line\nline".to_owned())].into());
        pod.spec.as_mut().expect("spec").service_account_name = Some("robot".into());
        for (path, expected) in [
            ("metadata.namespace", "ns"),
            ("metadata.uid", "uid-1"),
            ("metadata.labels", ""),
            ("metadata.annotations", "example.com/a.b=\"line\\nline\""),
            ("metadata.annotations['example.com/a.b']", "line\nline"),
            ("spec.serviceAccountName", "robot"),
            ("status.hostIP", "192.0.2.1"),
            ("status.hostIPs", "192.0.2.1"),
            ("status.podIP", "10.0.0.2"),
        ] {
            assert_eq!(field(&pod, &place(), path).as_deref(), Ok(expected), "{path}");
        }
        for path in ["status.phase", "metadata", "spec.labels['a']", "metadata.labels['a", ""] {
            assert_eq!(field(&pod, &place(), path), Err(format!("unsupported fieldPath: {path}")));
        }
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
        check_resource("requests.memory", "", "67108864");
        check_resource("limits.memory", "1M", "68");
        check_resource("limits.hugepages-2Mi", "", "0");
    }

    #[test]
    fn what_has_no_limit_has_the_nodes() {
        let free = container_with_resources("free", &[], &[]);
        let pod = pod("Always", vec![], vec![free.clone(), container_with_resources("b", &[], &[("cpu", "2")])]);
        let value = |container: Option<&str>, resource_name: &str| {
            let selector = ResourceFieldSelector {
                container_name: container.map(str::to_owned),
                divisor: None,
                resource: resource_name.into(),
            };
            resource(&pod, &free, &place(), &selector)
        };
        assert_eq!(value(None, "limits.cpu").as_deref(), Ok("4"));
        assert_eq!(value(None, "limits.memory").as_deref(), Ok("8589934592"));
        assert_eq!(value(None, "requests.cpu").as_deref(), Ok("0"));
        assert_eq!(value(Some("b"), "limits.cpu").as_deref(), Ok("2"), "another container's may be asked for");
        assert_eq!(value(Some("c"), "limits.cpu"), Err("container c not found".into()));
        assert_eq!(value(None, "limits.gpu"), Err("unsupported container resource : limits.gpu".into()));
        assert_eq!(value(None, "cpu"), Err("unsupported container resource : cpu".into()));
    }
}
