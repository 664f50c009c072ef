//! The columns with which a kind is shown as a Table, and the cells of its rows.
//!
//! The server asks for both by group and kind, whatever the version: [`of`] once per Table, [`cells`] once per row.
//! Source: `pkg/printers/internalversion`, whose columns clients and scripts read.

mod age;
mod autoscaler;
mod cluster;
mod configuration;
mod devices;
mod format;
mod network;
mod pod;
mod policy;
mod storage;
mod workloads;

#[cfg(test)]
mod tests;

pub use age::{age, human_duration};

use crate::catalog::Column;
use crate::rules::access::{at, text_at};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How a kind is shown.
struct Table {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

/// The columns of a built-in kind. A kind that Kubernetes has no columns for shows its name and when it was created.
pub fn of(group: &str, kind: &str) -> &'static [Column] {
    table(group, kind).columns
}

/// The cells of an object's row, one for each of [`of`]'s columns, those of `-o wide` too.
pub fn cells(group: &str, kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    (table(group, kind).cells)(object, now)
}

/// The conditions of an object's row: a pod that has ended is `Completed`, which clients may leave out of a list.
pub fn completed(object: &Value) -> Option<Value> {
    // Other kinds have phases too; only pods have containers.
    at(object, &["spec", "containers"])?;
    let (reason, message) = match text_at(object, &["status", "phase"]) {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn table(group: &str, kind: &str) -> &'static Table {
    let found = match group {
        "" => core(kind),
        "apps" | "batch" => workloads::table(kind),
        "networking.k8s.io" | "discovery.k8s.io" => network::table(kind),
        "rbac.authorization.k8s.io" => configuration::table(kind),
        "storage.k8s.io" => storage::table(kind),
        "policy" | "scheduling.k8s.io" | "admissionregistration.k8s.io" | "flowcontrol.apiserver.k8s.io" => {
            policy::table(kind)
        }
        "autoscaling" => autoscaler::table(kind),
        "resource.k8s.io" => devices::table(kind),
        _ => cluster::table(kind),
    };
    found.unwrap_or(&CREATED)
}

fn core(kind: &str) -> Option<&'static Table> {
    match kind {
        "Pod" => Some(&pod::POD),
        "ReplicationController" | "PodTemplate" => workloads::table(kind),
        "Service" | "Endpoints" => network::table(kind),
        "ConfigMap" | "Secret" | "ServiceAccount" => configuration::table(kind),
        "PersistentVolume" | "PersistentVolumeClaim" => storage::table(kind),
        "ResourceQuota" => policy::table(kind),
        _ => cluster::table(kind),
    }
}

/// The Table of kinds without columns of their own.
static CREATED: Table = Table {
    columns: &[
        NAME,
        Column { kind: "date", ..column("Created At", "When the object was created, by the server's clock.") },
    ],
    cells: |object, _| vec![format::name(object), text_at(object, &["metadata", "creationTimestamp"]).into()],
};

/// The name column.
const NAME: Column =
    Column { format: "name", ..column("Name", "Name of the object, unique among its kind in its namespace.") };
/// The age column.
const AGE: Column = column("Age", "Time since the object was created.");

const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, kind: "string", format: "", priority: 0, description }
}

const fn integer(name: &'static str, description: &'static str) -> Column {
    Column { kind: "integer", ..column(name, description) }
}

const fn boolean(name: &'static str, description: &'static str) -> Column {
    Column { kind: "boolean", ..column(name, description) }
}

/// A column that only `-o wide` shows.
const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, description) }
}
