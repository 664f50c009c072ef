//! Disruption budgets, quotas, priorities, admission and flow control.

use super::format::{self, NONE, UNSET, int_cell, name, object_age, or};
use super::{AGE, Column, NAME, Table, boolean, column, integer};
use crate::rules::access::{at, entries, get, is_true, list, text, text_at};
use serde_json::Value;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "PodDisruptionBudget" => &DISRUPTION_BUDGET,
        "ResourceQuota" => &QUOTA,
        "PriorityClass" => &PRIORITY_CLASS,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => &WEBHOOKS,
        "ValidatingAdmissionPolicy" => &VALIDATING_POLICY,
        "MutatingAdmissionPolicy" => &MUTATING_POLICY,
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => &POLICY_BINDING,
        "FlowSchema" => &FLOW_SCHEMA,
        "PriorityLevelConfiguration" => &PRIORITY_LEVEL,
        _ => return None,
    })
}

static DISRUPTION_BUDGET: Table = Table {
    columns: &[
        NAME,
        column("Min Available", "How many pods must be available."),
        column("Max Unavailable", "How many pods may be unavailable."),
        integer("Allowed Disruptions", "How many pods may be disrupted now."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let amount = |field| Value::from(format::int_or_text(spec, field).unwrap_or_else(|| "N/A".to_owned()));
        vec![
            name(object),
            amount("minAvailable"),
            amount("maxUnavailable"),
            int_cell(&object["status"], "disruptionsAllowed"),
            object_age(object, now),
        ]
    },
};

static QUOTA: Table = Table {
    columns: &[
        NAME,
        column("Request", "What is used of the requests and counts, and what may be."),
        column("Limit", "What is used of the limits, and what may be."),
        AGE,
    ],
    cells: |object, now| {
        let status = &object["status"];
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (resource, hard) in entries(status, "hard") {
            let used = or(text_at(status, &["used", resource]), "0");
            let shown = format!("{resource}: {used}/{}", hard.as_str().unwrap_or("0"));
            if resource.starts_with("limits.") { limits.push(shown) } else { requests.push(shown) }
        }
        vec![name(object), requests.join(", ").into(), limits.join(", ").into(), object_age(object, now)]
    },
};

static PRIORITY_CLASS: Table = Table {
    columns: &[
        NAME,
        integer("Value", "Priority of the pods of the class."),
        boolean("Global-Default", "Whether pods without a class have this one."),
        AGE,
        column("PreemptionPolicy", "Whether pods of the class preempt others."),
    ],
    cells: |object, now| {
        vec![
            name(object),
            int_cell(object, "value"),
            is_true(object, "globalDefault").into(),
            object_age(object, now),
            text(object, "preemptionPolicy").into(),
        ]
    },
};

static WEBHOOKS: Table = Table {
    columns: &[NAME, integer("Webhooks", "How many webhooks there are."), AGE],
    cells: |object, now| vec![name(object), list(object, "webhooks").len().into(), object_age(object, now)],
};

const PARAM_KIND: Column = column("ParamKind", "Kind of the policy's parameters.");

fn policy_cells(object: &Value, rules: &str, age: Value) -> Vec<Value> {
    let spec = &object["spec"];
    let kind = get(spec, "paramKind")
        .map_or(UNSET.to_owned(), |kind| format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")));
    vec![name(object), list(spec, rules).len().into(), kind.into(), age]
}

static VALIDATING_POLICY: Table = Table {
    columns: &[NAME, integer("Validations", "How many rules the policy has."), PARAM_KIND, AGE],
    cells: |object, now| policy_cells(object, "validations", object_age(object, now)),
};

static MUTATING_POLICY: Table = Table {
    columns: &[NAME, integer("Mutations", "How many rules the policy has."), PARAM_KIND, AGE],
    cells: |object, now| policy_cells(object, "mutations", object_age(object, now)),
};

static POLICY_BINDING: Table = Table {
    columns: &[
        NAME,
        column("PolicyName", "Policy that is bound."),
        column("ParamRef", "Object with the policy's parameters."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let parameters = get(spec, "paramRef").map_or(UNSET.to_owned(), |reference| {
            match (text(reference, "name"), text(reference, "namespace")) {
                ("", _) => get(reference, "selector").map_or(UNSET.to_owned(), |s| format::selector(Some(s))),
                (name, namespace) => format!("{}/{name}", or(namespace, "*")),
            }
        });
        vec![name(object), text(spec, "policyName").into(), parameters.into(), object_age(object, now)]
    },
};

static FLOW_SCHEMA: Table = Table {
    columns: &[
        NAME,
        column("PriorityLevel", "Priority level of the requests."),
        column("MatchingPrecedence", "Which schema a request belongs to when several match: the lowest."),
        column("DistinguisherMethod", "What makes a flow of requests."),
        AGE,
        column("MissingPL", "Whether the priority level is missing."),
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            text_at(spec, &["priorityLevelConfiguration", "name"]).into(),
            int_cell(spec, "matchingPrecedence"),
            or(text_at(spec, &["distinguisherMethod", "type"]), NONE).into(),
            object_age(object, now),
            format::condition_status(object, "Dangling").unwrap_or("?").into(),
        ]
    },
};

static PRIORITY_LEVEL: Table = Table {
    columns: &[
        NAME,
        column("Type", "Whether the level limits requests."),
        column("NominalConcurrencyShares", "Share of the server's seats."),
        column("Queues", "How many queues there are."),
        column("HandSize", "How many queues a flow may use."),
        column("QueueLengthLimit", "How many requests a queue may hold."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let number = |path: &[&str]| at(spec, path).cloned().unwrap_or_else(|| NONE.into());
        let queuing = |field| number(&["limited", "limitResponse", "queuing", field]);
        vec![
            name(object),
            text(spec, "type").into(),
            number(&["limited", "nominalConcurrencyShares"]),
            queuing("queues"),
            queuing("handSize"),
            queuing("queueLengthLimit"),
            object_age(object, now),
        ]
    },
};
