//! ConfigMaps, Secrets, ServiceAccounts and the bindings of roles.

use super::format::{name, object_age, size};
use super::{AGE, NAME, Table, column, wide};
use crate::rules::access::{list, text};
use serde_json::Value;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "ConfigMap" => &CONFIG_MAP,
        "Secret" => &SECRET,
        "ServiceAccount" => &SERVICE_ACCOUNT,
        "RoleBinding" | "ClusterRoleBinding" => &BINDING,
        _ => return None,
    })
}

static CONFIG_MAP: Table = Table {
    columns: &[NAME, column("Data", "How many entries there are."), AGE],
    cells: |object, now| {
        let entries = size(object, "data") + size(object, "binaryData");
        vec![name(object), entries.into(), object_age(object, now)]
    },
};

static SECRET: Table = Table {
    columns: &[NAME, column("Type", "What the secret is for."), column("Data", "How many entries there are."), AGE],
    cells: |object, now| {
        vec![name(object), text(object, "type").into(), size(object, "data").into(), object_age(object, now)]
    },
};

static SERVICE_ACCOUNT: Table =
    Table { columns: &[NAME, AGE], cells: |object, now| vec![name(object), object_age(object, now)] };

static BINDING: Table = Table {
    columns: &[
        NAME,
        column("Role", "Role that is given."),
        AGE,
        wide("Users", "Users that have the role."),
        wide("Groups", "Groups that have the role."),
        wide("ServiceAccounts", "Service accounts that have the role."),
    ],
    cells: |object, now| {
        let role = &object["roleRef"];
        let subjects = |kind: &str, shown: fn(&Value) -> String| -> Value {
            let all: Vec<String> =
                list(object, "subjects").iter().filter(|subject| text(subject, "kind") == kind).map(shown).collect();
            all.join(", ").into()
        };
        vec![
            name(object),
            format!("{}/{}", text(role, "kind"), text(role, "name")).into(),
            object_age(object, now),
            subjects("User", |subject| text(subject, "name").to_owned()),
            subjects("Group", |subject| text(subject, "name").to_owned()),
            subjects("ServiceAccount", |subject| format!("{}/{}", text(subject, "namespace"), text(subject, "name"))),
        ]
    },
};
