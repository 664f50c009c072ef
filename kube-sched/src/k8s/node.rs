//! A Node, as scheduling sees it.

use super::{labels, normalised_image, resources};
use crate::{Effect, Gpus, Node, Taint};
use k8s_openapi::api::core::v1 as api;

/// What scheduling sees of a Node.
pub fn node(object: &api::Node) -> Node {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let spec = object.spec.as_ref();
    let status = object.status.as_ref();
    Node {
        name: name.into(),
        labels: labels(object.metadata.labels.as_ref()),
        allocatable: resources(status.and_then(|status| status.allocatable.as_ref())),
        taints: spec.into_iter().flat_map(|spec| spec.taints.iter().flatten()).filter_map(taint).collect(),
        unschedulable: spec.is_some_and(|spec| spec.unschedulable == Some(true)),
        images: status
            .into_iter()
            .flat_map(|status| status.images.iter().flatten())
            .flat_map(|image| {
                let bytes = image.size_bytes.unwrap_or(0);
                image.names.iter().flatten().map(move |name| (normalised_image(name), bytes))
            })
            .collect(),
        gpus: Gpus::default(),
    }
}

fn taint(taint: &api::Taint) -> Option<Taint> {
    Some(Taint::new(&taint.key, taint.value.as_deref().unwrap_or_default(), effect(&taint.effect)?))
}

pub(super) fn effect(name: &str) -> Option<Effect> {
    match name {
        "NoSchedule" => Some(Effect::NoSchedule),
        "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
        "NoExecute" => Some(Effect::NoExecute),
        _ => None,
    }
}
