//! When the change happened that brings a write of endpoints about: how long the network takes to follow is measured from
//! there.
//!
//! Source: `k8s.io/endpointslice/util.TriggerTimeTracker`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Service};
use kubekit_runtime::{Object as _, ObjectKey};

use crate::pods;

/// The times of the changes seen so far, by Service.
#[derive(Debug, Default)]
pub struct TriggerTimes {
    services: HashMap<ObjectKey, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    service: Option<Timestamp>,
    pods: HashMap<String, Timestamp>,
}

impl TriggerTimes {
    /// The earliest change since the last call for this Service; none if there was none.
    pub fn compute(&mut self, service: &Service, pods: &[Arc<Pod>]) -> Option<Timestamp> {
        let seen = self.services.entry(service.key()).or_default();
        let mut times = HashMap::with_capacity(pods.len());
        let mut earliest: Option<Timestamp> = None;
        let mut changed = |time: Timestamp| earliest = Some(earliest.map_or(time, |e| e.min(time)));
        for pod in pods {
            let ready = pods::condition(pod, "Ready").and_then(|c| c.last_transition_time.as_ref());
            let Some(time) = ready.map(|t| t.0) else { continue };
            if seen.pods.get(pod.name()).is_none_or(|last| time > *last) {
                changed(time);
            }
            times.insert(pod.name().to_owned(), time);
        }
        let created = service.metadata.creation_timestamp.as_ref().map(|t| t.0);
        if let Some(created) = created.filter(|&created| seen.service.is_none_or(|last| created > last)) {
            changed(created);
        }
        *seen = Seen { service: created, pods: times };
        earliest
    }

    /// The Service is gone.
    pub fn forget(&mut self, service: &ObjectKey) {
        self.services.remove(service);
    }
}
