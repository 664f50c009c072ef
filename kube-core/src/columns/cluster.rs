//! Namespaces, nodes, events, leases, certificate requests, API services, runtime classes.

use super::format::{self, NONE, UNKNOWN, name, object_age, or, since};
use super::{AGE, Column, NAME, Table, column, human_duration, wide};
use crate::rules::access::{get, int, is_true, list, text, text_at, text_entries};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "Namespace" => &NAMESPACE,
        "Node" => &NODE,
        "Event" => &EVENT,
        "Lease" => &LEASE,
        "LeaseCandidate" => &LEASE_CANDIDATE,
        "ComponentStatus" => &COMPONENT_STATUS,
        "CertificateSigningRequest" => &CERTIFICATE_REQUEST,
        "ClusterTrustBundle" => &TRUST_BUNDLE,
        "APIService" => &API_SERVICE,
        "RuntimeClass" => &RUNTIME_CLASS,
        _ => return None,
    })
}

static NAMESPACE: Table = Table {
    columns: &[NAME, column("Status", "Whether the namespace is active or being deleted."), AGE],
    cells: |object, now| vec![name(object), text_at(object, &["status", "phase"]).into(), object_age(object, now)],
};

static NODE: Table = Table {
    columns: &[
        NAME,
        column("Status", "Whether the node is ready and takes pods."),
        column("Roles", "Roles of the node."),
        AGE,
        column("Version", "Version of the node's agent."),
        wide("Internal-IP", "Address inside the cluster's network."),
        wide("External-IP", "Address outside the cluster's network."),
        wide("OS-Image", "Operating system of the node."),
        wide("Kernel-Version", "Kernel of the node."),
        wide("Container-Runtime", "Container runtime of the node, and its version."),
    ],
    cells: |object, now| {
        let information = &object["status"]["nodeInfo"];
        vec![
            name(object),
            node_status(object).into(),
            or(&node_roles(object), NONE).into(),
            object_age(object, now),
            text(information, "kubeletVersion").into(),
            node_address(object, "InternalIP").into(),
            node_address(object, "ExternalIP").into(),
            or(text(information, "osImage"), UNKNOWN).into(),
            or(text(information, "kernelVersion"), UNKNOWN).into(),
            or(text(information, "containerRuntimeVersion"), UNKNOWN).into(),
        ]
    },
};

fn node_status(node: &Value) -> String {
    let ready = match format::condition_status(node, "Ready") {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    };
    let cordoned = if is_true(&node["spec"], "unschedulable") { ",SchedulingDisabled" } else { "" };
    format!("{ready}{cordoned}")
}

fn node_roles(node: &Value) -> String {
    let roles: BTreeSet<&str> = text_entries(&node["metadata"], "labels")
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then_some(value),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn node_address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let addresses = list(&node["status"], "addresses");
    addresses.iter().find(|address| text(address, "type") == kind).map_or(NONE, |address| text(address, "address"))
}

static EVENT: Table = Table {
    columns: &[
        column("Last Seen", "Time since it was last observed."),
        column("Type", "Normal or Warning."),
        column("Reason", "Why, in one word."),
        column("Object", "Object that it is about."),
        wide("Subobject", "Part of the object that it is about."),
        wide("Source", "Component that reports it."),
        column("Message", "What happened."),
        wide("First Seen", "Time since it was first observed."),
        wide("Count", "How many times it was observed."),
        Column { priority: 1, ..NAME },
    ],
    cells: event_cells,
};

/// The object may have the shape of either group.
fn event_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let either = |core: &'static str, events: &'static str| if get(object, core).is_some() { core } else { events };
    let time = |field: &str| match text(object, field) {
        "" => None,
        time => Some(since(time, now)),
    };
    let first = time(either("firstTimestamp", "deprecatedFirstTimestamp"))
        .or_else(|| time("eventTime"))
        .unwrap_or_else(|| UNKNOWN.to_owned());
    let mut last = time(either("lastTimestamp", "deprecatedLastTimestamp")).unwrap_or_else(|| first.clone());
    let mut count = int(object, either("count", "deprecatedCount")).unwrap_or(0).max(1);
    if let Some(series) = get(object, "series") {
        last = since(text(series, "lastObservedTime"), now);
        count = int(series, "count").unwrap_or(0);
    }
    let about = &object[either("involvedObject", "regarding")];
    let kind = text(about, "kind").to_lowercase();
    let target = if text(about, "name").is_empty() { kind } else { format!("{kind}/{}", text(about, "name")) };
    let source = &object[either("source", "deprecatedSource")];
    let component = or(text(source, "component"), text(object, either("reportingComponent", "reportingController")));
    let instance = or(text(source, "host"), text(object, "reportingInstance"));
    let source = if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") };
    vec![
        last.into(),
        text(object, "type").into(),
        text(object, "reason").into(),
        target.into(),
        text(about, "fieldPath").into(),
        source.into(),
        text(object, either("message", "note")).trim().into(),
        first.into(),
        count.into(),
        name(object),
    ]
}

static LEASE: Table = Table {
    columns: &[NAME, column("Holder", "Who holds the lease."), AGE],
    cells: |object, now| {
        vec![name(object), text_at(object, &["spec", "holderIdentity"]).into(), object_age(object, now)]
    },
};

static LEASE_CANDIDATE: Table = Table {
    columns: &[
        NAME,
        column("LeaseName", "Lease that the candidate is for."),
        column("BinaryVersion", "Version of the candidate."),
        column("EmulationVersion", "Version that the candidate behaves as."),
        AGE,
    ],
    cells: |object, now| {
        let field = |field| Value::from(text_at(object, &["spec", field]));
        vec![
            name(object),
            field("leaseName"),
            field("binaryVersion"),
            field("emulationVersion"),
            object_age(object, now),
        ]
    },
};

static COMPONENT_STATUS: Table = Table {
    columns: &[
        NAME,
        column("Status", "Whether the component is healthy."),
        column("Message", "What the component says."),
        column("Error", "What is wrong with the component."),
    ],
    cells: |object, _| {
        let health = list(object, "conditions").iter().find(|condition| text(condition, "type") == "Healthy");
        let status = match health.map(|condition| text(condition, "status")) {
            None => "Unknown",
            Some("True") => "Healthy",
            Some(_) => "Unhealthy",
        };
        let field = |field| Value::from(health.map_or("", |condition| text(condition, field)));
        vec![name(object), status.into(), field("message"), field("error")]
    },
};

static CERTIFICATE_REQUEST: Table = Table {
    columns: &[
        NAME,
        AGE,
        column("SignerName", "Who shall sign."),
        column("Requestor", "Who asks."),
        column("RequestedDuration", "How long the certificate shall be valid."),
        column("Condition", "Whether it was approved, denied or issued."),
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let duration = int(spec, "expirationSeconds").map_or(NONE.to_owned(), human_duration);
        let has = |kind: &str| list(&object["status"], "conditions").iter().any(|c| text(c, "type") == kind);
        let mut condition = match (has("Denied"), has("Approved")) {
            (true, _) => "Denied".to_owned(),
            (false, true) => "Approved".to_owned(),
            (false, false) => "Pending".to_owned(),
        };
        if has("Failed") {
            condition.push_str(",Failed");
        }
        if !text_at(object, &["status", "certificate"]).is_empty() {
            condition.push_str(",Issued");
        }
        vec![
            name(object),
            object_age(object, now),
            or(text(spec, "signerName"), NONE).into(),
            text(spec, "username").into(),
            duration.into(),
            condition.into(),
        ]
    },
};

static TRUST_BUNDLE: Table = Table {
    columns: &[NAME, column("SignerName", "Signer whose certificates these are.")],
    cells: |object, _| vec![name(object), or(text_at(object, &["spec", "signerName"]), NONE).into()],
};

static API_SERVICE: Table = Table {
    columns: &[
        NAME,
        column("Service", "Service that serves the group version."),
        column("Available", "Whether the service is there."),
        AGE,
    ],
    cells: |object, now| {
        let service = get(&object["spec"], "service")
            .map_or("Local".to_owned(), |service| format!("{}/{}", text(service, "namespace"), text(service, "name")));
        let found = list(&object["status"], "conditions").iter().find(|c| text(c, "type") == "Available");
        let available = match found.map(|c| (text(c, "status"), text(c, "reason"))) {
            None => "Unknown".to_owned(),
            Some(("True", _)) => "True".to_owned(),
            Some((status, reason)) => format!("{status} ({reason})"),
        };
        vec![name(object), service.into(), available.into(), object_age(object, now)]
    },
};

static RUNTIME_CLASS: Table = Table {
    columns: &[NAME, column("Handler", "Configuration of the container runtime."), AGE],
    cells: |object, now| vec![name(object), text(object, "handler").into(), object_age(object, now)],
};
