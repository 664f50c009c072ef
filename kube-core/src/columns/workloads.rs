//! Workloads: Deployments and their like, Jobs, CronJobs, revisions.

use super::format::{self, NONE, UNSET, condition, int_cell, is_deleted, name, number, object_age, or, since};
use super::{AGE, Column, NAME, Table, column, human_duration, integer, wide};
use crate::rules::access::{at, boolean, get, int, list, text, text_at};
use jiff::Timestamp;
use serde_json::Value;

const CONTAINERS: Column = wide("Containers", "Names of the containers of the template.");
const IMAGES: Column = wide("Images", "Images of the containers of the template.");
const SELECTOR: Column = wide("Selector", "Which pods are managed.");

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "Deployment" => &DEPLOYMENT,
        "ReplicaSet" => &REPLICA_SET,
        "ReplicationController" => &REPLICATION_CONTROLLER,
        "StatefulSet" => &STATEFUL_SET,
        "DaemonSet" => &DAEMON_SET,
        "Job" => &JOB,
        "CronJob" => &CRON_JOB,
        "ControllerRevision" => &REVISION,
        "PodTemplate" => &POD_TEMPLATE,
        _ => return None,
    })
}

/// The names, images and selector of a workload, for `-o wide`.
fn template_cells(spec: &Value, selector: String) -> [Value; 3] {
    let (names, images) = format::containers(&spec["template"]["spec"]);
    [names.into(), images.into(), selector.into()]
}

fn of_desired(object: &Value, ready: &str) -> Value {
    format!("{}/{}", number(object, &["status", ready]), number(object, &["spec", "replicas"])).into()
}

static DEPLOYMENT: Table = Table {
    columns: &[
        NAME,
        column("Ready", "How many pods are ready, of how many."),
        column("Up-to-date", "How many pods have the latest template."),
        column("Available", "How many pods have been ready for long enough."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let selector = match get(&object["spec"], "selector") {
            None => String::new(),
            some => format::selector(some),
        };
        let mut cells = vec![
            name(object),
            of_desired(object, "readyReplicas"),
            int_cell(&object["status"], "updatedReplicas"),
            int_cell(&object["status"], "availableReplicas"),
            object_age(object, now),
        ];
        cells.extend(template_cells(&object["spec"], selector));
        cells
    },
};

const REPLICA_COLUMNS: &[Column] = &[
    NAME,
    integer("Desired", "How many pods are wanted."),
    integer("Current", "How many pods there are."),
    integer("Ready", "How many pods are ready."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn replica_cells(object: &Value, now: Timestamp, selector: String) -> Vec<Value> {
    let mut cells = vec![
        name(object),
        int_cell(&object["spec"], "replicas"),
        int_cell(&object["status"], "replicas"),
        int_cell(&object["status"], "readyReplicas"),
        object_age(object, now),
    ];
    cells.extend(template_cells(&object["spec"], selector));
    cells
}

static REPLICA_SET: Table = Table {
    columns: REPLICA_COLUMNS,
    cells: |object, now| replica_cells(object, now, format::selector(get(&object["spec"], "selector"))),
};

static REPLICATION_CONTROLLER: Table = Table {
    columns: REPLICA_COLUMNS,
    cells: |object, now| replica_cells(object, now, format::labels(&object["spec"], "selector")),
};

static STATEFUL_SET: Table = Table {
    columns: &[NAME, column("Ready", "How many pods are ready, of how many."), AGE, CONTAINERS, IMAGES],
    cells: |object, now| {
        let [names, images, _] = template_cells(&object["spec"], String::new());
        vec![name(object), of_desired(object, "readyReplicas"), object_age(object, now), names, images]
    },
};

static DAEMON_SET: Table = Table {
    columns: &[
        NAME,
        integer("Desired", "How many nodes should run a pod."),
        integer("Current", "How many nodes that should run a pod do."),
        integer("Ready", "How many nodes have a pod that is ready."),
        integer("Up-to-date", "How many nodes have a pod with the latest template."),
        integer("Available", "How many nodes have a pod that has been ready for long enough."),
        column("Node Selector", "Labels of the nodes that run a pod."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let status = &object["status"];
        let mut cells = vec![
            name(object),
            int_cell(status, "desiredNumberScheduled"),
            int_cell(status, "currentNumberScheduled"),
            int_cell(status, "numberReady"),
            int_cell(status, "updatedNumberScheduled"),
            int_cell(status, "numberAvailable"),
            format::labels(&object["spec"]["template"]["spec"], "nodeSelector").into(),
            object_age(object, now),
        ];
        cells.extend(template_cells(&object["spec"], format::selector(get(&object["spec"], "selector"))));
        cells
    },
};

static JOB: Table = Table {
    columns: &[
        NAME,
        column("Status", "Whether the job runs, has completed or has failed."),
        column("Completions", "How many pods have succeeded, of how many."),
        column("Duration", "Time from the start to the end, or to now."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let mut cells = vec![
            name(object),
            job_status(object).into(),
            completions(object).into(),
            job_duration(object, now).into(),
            object_age(object, now),
        ];
        cells.extend(template_cells(&object["spec"], format::selector(get(&object["spec"], "selector"))));
        cells
    },
};

fn job_status(job: &Value) -> &'static str {
    match () {
        () if condition(job, "Complete") => "Complete",
        () if condition(job, "Failed") => "Failed",
        () if is_deleted(job) => "Terminating",
        () if condition(job, "Suspended") => "Suspended",
        () if condition(job, "FailureTarget") => "FailureTarget",
        () if condition(job, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Value) -> String {
    let succeeded = number(job, &["status", "succeeded"]);
    match (int(&job["spec"], "completions"), int(&job["spec"], "parallelism").unwrap_or(0)) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn job_duration(job: &Value, now: Timestamp) -> String {
    let time = |field| text_at(job, &["status", field]).parse::<Timestamp>().ok();
    match (time("startTime"), time("completionTime")) {
        (None, _) => String::new(),
        (Some(start), end) => human_duration(end.unwrap_or(now).duration_since(start).as_secs()),
    }
}

static CRON_JOB: Table = Table {
    columns: &[
        NAME,
        column("Schedule", "When jobs are started, in cron's format."),
        column("Timezone", "Time zone of the schedule."),
        Column { kind: "boolean", ..column("Suspend", "Whether no further jobs are started.") },
        integer("Active", "How many jobs run."),
        column("Last Schedule", "Time since a job was last started."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let last = match text_at(object, &["status", "lastScheduleTime"]) {
            "" => NONE.to_owned(),
            time => since(time, now),
        };
        let suspend = match boolean(spec, "suspend") {
            None => UNSET,
            Some(true) => "True",
            Some(false) => "False",
        };
        let job = &spec["jobTemplate"]["spec"];
        let mut cells = vec![
            name(object),
            text(spec, "schedule").into(),
            or(text(spec, "timeZone"), NONE).into(),
            suspend.into(),
            list(&object["status"], "active").len().into(),
            last.into(),
            object_age(object, now),
        ];
        cells.extend(template_cells(job, format::selector(get(job, "selector"))));
        cells
    },
};

static REVISION: Table = Table {
    columns: &[
        NAME,
        column("Controller", "Object whose revision this is."),
        column("Revision", "Number of the revision."),
        AGE,
    ],
    cells: |object, now| {
        let owners = at(object, &["metadata"]).map_or(&[][..], |metadata| list(metadata, "ownerReferences"));
        let controller = owners.iter().find(|owner| boolean(owner, "controller") == Some(true)).map(|owner| {
            let group = text(owner, "apiVersion").split_once('/').map_or("", |(group, _)| group);
            let kind = text(owner, "kind").to_lowercase();
            let qualified = if group.is_empty() { kind } else { format!("{kind}.{group}") };
            format!("{qualified}/{}", text(owner, "name"))
        });
        vec![
            name(object),
            controller.as_deref().unwrap_or(NONE).into(),
            int_cell(object, "revision"),
            object_age(object, now),
        ]
    },
};

static POD_TEMPLATE: Table = Table {
    columns: &[
        NAME,
        column("Containers", "Names of the containers of the template."),
        column("Images", "Images of the containers of the template."),
        column("Pod Labels", "Labels of the template."),
    ],
    cells: |object, _| {
        let (names, images) = format::containers(&object["template"]["spec"]);
        let labels = format::labels(&object["template"]["metadata"], "labels");
        vec![name(object), names.into(), images.into(), labels.into()]
    },
};
