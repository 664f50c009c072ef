//! What the controller has written and the cache may not show yet.
//!
//! Deciding by a cache that lacks a slice created a moment ago would create it twice. Source:
//! `k8s.io/endpointslice/util.EndpointSliceTracker`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kubekit_runtime::{Object as _, ObjectKey};

use super::decide::SERVICE_NAME;

/// What the cache must show of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// This generation, or a later one.
    Generation(i64),
    /// That it is gone.
    Gone,
}

/// The slices written, by Service and uid.
#[derive(Debug, Default)]
pub struct Tracker {
    services: Mutex<HashMap<ObjectKey, HashMap<String, Expected>>>,
}

fn service(slice: &EndpointSlice) -> ObjectKey {
    let name = slice.labels().get(SERVICE_NAME).map(String::as_str).unwrap_or_default();
    ObjectKey::new(slice.namespace(), name)
}

impl Tracker {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, HashMap<String, Expected>>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slice was created or replaced, and this is how it was stored.
    pub fn written(&self, slice: &EndpointSlice) {
        let expected = Expected::Generation(slice.metadata.generation.unwrap_or(0));
        self.lock().entry(service(slice)).or_default().insert(slice.uid().to_owned(), expected);
    }

    /// A slice was deleted.
    pub fn deleted(&self, slice: &EndpointSlice) {
        self.lock().entry(service(slice)).or_default().insert(slice.uid().to_owned(), Expected::Gone);
    }

    /// The cache shows that a slice is gone; whether the controller had not deleted it, so that it must look again.
    pub fn gone(&self, slice: &EndpointSlice) -> bool {
        let mut services = self.lock();
        let Some(slices) = services.get_mut(&service(slice)) else { return true };
        slices.remove(slice.uid()) != Some(Expected::Gone)
    }

    /// Whether the cache, which shows `slices` for the Service, is behind what was written.
    pub fn is_stale(&self, service: &ObjectKey, slices: &[Arc<EndpointSlice>]) -> bool {
        let services = self.lock();
        let Some(expected) = services.get(service) else { return false };
        expected.iter().any(|(uid, expected)| {
            let cached = slices.iter().find(|slice| slice.uid() == uid);
            match (expected, cached) {
                (Expected::Gone, cached) => cached.is_some(),
                (Expected::Generation(_), None) => true,
                (Expected::Generation(written), Some(cached)) => cached.metadata.generation.unwrap_or(0) < *written,
            }
        })
    }

    /// The Service is gone.
    pub fn forget(&self, service: &ObjectKey) {
        self.lock().remove(service);
    }
}
