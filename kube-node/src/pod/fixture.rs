//! Small makers for tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::members;
use super::observed::{Observed, ObservedContainer};
use crate::runtime::container::HASH_ANNOTATION;
use crate::runtime::{ContainerState, ContainerStatus, SandboxState, SandboxStatus};

/// So many seconds after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
}

pub(crate) fn container(name: &str) -> Container {
    Container { name: name.into(), image: Some("busybox:1".into()), ..Container::default() }
}

pub(crate) fn sidecar(name: &str) -> Container {
    Container { restart_policy: Some("Always".into()), ..container(name) }
}

pub(crate) fn container_with_resources(name: &str, requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Container {
    let list = |pairs: &[(&str, &str)]| -> Option<BTreeMap<String, Quantity>> {
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), Quantity((*value).to_owned()))).collect())
    };
    let resources =
        ResourceRequirements { requests: list(requests), limits: list(limits), ..ResourceRequirements::default() };
    Container { resources: Some(resources), ..container(name) }
}

pub(crate) fn pod(policy: &str, init: Vec<Container>, main: Vec<Container>) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: Some("p".into()),
            namespace: Some("ns".into()),
            uid: Some("uid-1".into()),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            restart_policy: Some(policy.into()),
            init_containers: (!init.is_empty()).then_some(init),
            containers: main,
            termination_grace_period_seconds: Some(30),
            ..PodSpec::default()
        }),
        status: None,
    }
}

pub(crate) fn sandbox(id: &str, attempt: u32, state: SandboxState) -> SandboxStatus {
    SandboxStatus {
        id: id.into(),
        name: "p".into(),
        namespace: "ns".into(),
        uid: "uid-1".into(),
        attempt,
        state,
        created_at: at(0),
        ips: vec!["10.0.0.2".into()],
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

/// `name/attempt` in the sandbox `s`: `-` created, `+` running, a number exited with it.
pub(crate) fn seen(text: &str) -> ObservedContainer {
    let (name, state) = text.split_once(' ').expect("name/attempt and state");
    let (name, attempt) = name.split_once('/').unwrap_or((name, "0"));
    let (state, exit_code) = match state {
        "-" => (ContainerState::Created, 0),
        "+" => (ContainerState::Running, 0),
        code => (ContainerState::Exited, code.parse().expect("an exit code")),
    };
    let attempt: u32 = attempt.parse().expect("an attempt");
    let ended = state == ContainerState::Exited;
    ObservedContainer {
        sandbox_id: "s".into(),
        condemned: false,
        status: ContainerStatus {
            id: format!("{name}-{attempt}"),
            name: name.into(),
            attempt,
            state,
            created_at: at(i64::from(attempt)),
            started_at: (state != ContainerState::Created).then(|| at(i64::from(attempt) + 1)),
            finished_at: ended.then(|| at(i64::from(attempt) + 2)),
            exit_code,
            image: "busybox:1".into(),
            image_ref: "busybox@sha256:0".into(),
            reason: if !ended {
                ""
            } else if exit_code == 0 {
                "Completed"
            } else {
                "Error"
            }
            .into(),
            message: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::from([(HASH_ANNOTATION.to_owned(), members::hash(&container(name)))]),
            mounts: Vec::new(),
            log_path: String::new(),
        },
    }
}

/// A ready sandbox `s` with these containers, newest first.
pub(crate) fn observed(containers: &[&str]) -> Observed {
    Observed {
        sandboxes: vec![sandbox("s", 0, SandboxState::Ready)],
        containers: containers.iter().map(|text| seen(text)).collect(),
    }
}
