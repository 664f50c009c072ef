//! Devices and claims of them (resource.k8s.io).

use super::format::{is_deleted, name, object_age};
use super::{AGE, NAME, Table, column};
use crate::rules::access::{at, list, text, text_at};
use serde_json::Value;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "DeviceClass" | "ResourceClaimTemplate" => &AGED,
        "ResourceClaim" => &CLAIM,
        "ResourceSlice" => &SLICE,
        _ => return None,
    })
}

static AGED: Table = Table { columns: &[NAME, AGE], cells: |object, now| vec![name(object), object_age(object, now)] };

static CLAIM: Table = Table {
    columns: &[NAME, column("State", "Whether devices are allocated and reserved."), AGE],
    cells: |object, now| vec![name(object), state(object).into(), object_age(object, now)],
};

fn state(claim: &Value) -> String {
    let mut states = Vec::new();
    if is_deleted(claim) {
        states.push("deleted");
    }
    if at(claim, &["status", "allocation"]).is_some() {
        states.push("allocated");
        if !list(&claim["status"], "reservedFor").is_empty() {
            states.push("reserved");
        }
    } else if !is_deleted(claim) {
        states.push("pending");
    }
    states.join(",")
}

static SLICE: Table = Table {
    columns: &[
        NAME,
        column("Node", "Node that has the devices."),
        column("Driver", "Driver of the devices."),
        column("Pool", "Pool that the devices belong to."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            text(spec, "nodeName").into(),
            text(spec, "driver").into(),
            text_at(spec, &["pool", "name"]).into(),
            object_age(object, now),
        ]
    },
};
