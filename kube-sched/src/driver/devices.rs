//! Carries out what a placement does to claims on devices, before the pod is bound: writes what they are given, and who
//! uses them.

use super::volumes::ChangeError;
use crate::dra::{Allocation, Amounts};
use k8s_openapi::api::resource::v1::{DeviceClass, DeviceToleration, ResourceClaim};
use kubekit_core::environment::Random;
use kubekit_core::names;
use kubekit_runtime::{Api, Client, ObjectKey, Patch, PatchParams, Reader};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const FINALIZER: &str = "resource.kubernetes.io/delete-protection";

#[derive(Clone, Debug)]
pub(super) struct DeviceWriter {
    client: Client,
    claims: Reader<ResourceClaim>,
    classes: Reader<DeviceClass>,
    /// Names shares of devices.
    random: Arc<dyn Random>,
}

/// A pod that is to use a claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consumer<'a> {
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

impl DeviceWriter {
    pub(super) fn new(
        client: Client,
        claims: Reader<ResourceClaim>,
        classes: Reader<DeviceClass>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { client, claims, classes, random }
    }

    /// Lets a pod use a claim, and gives the claim its devices if it has none.
    ///
    /// # Errors
    /// When the claim is gone, was given other devices meanwhile, or the API server refuses a write.
    pub(super) async fn use_claim(
        &self,
        namespace: &str,
        name: &str,
        allocation: Option<&Allocation>,
        pod: Consumer<'_>,
    ) -> Result<(), ChangeError> {
        let object = || format!("resourceclaim {namespace}/{name}");
        let api: Api<ResourceClaim> = Api::namespaced(self.client.clone(), namespace);
        let key = ObjectKey::new(namespace.to_owned(), name.to_owned());
        let known = self.claims.get(&key).ok_or_else(|| ChangeError::Changed(format!("{} is gone", object())))?;
        let mut known = (*known).clone();
        let has_finalizer = known.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
        let unallocated = |claim: &ResourceClaim| claim.status.as_ref().is_none_or(|s| s.allocation.is_none());
        if unallocated(&known) && !has_finalizer {
            // A claim with devices must not vanish before they are given back.
            let mut finalizers = known.metadata.finalizers.clone().unwrap_or_default();
            finalizers.push(FINALIZER.to_owned());
            let version = &known.metadata.resource_version;
            let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
            known = api
                .patch(name, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map_err(|error| ChangeError::write(object(), &error))?;
        }
        let reserved = json!({"resource": "pods", "name": pod.name, "uid": pod.uid});
        let mut users = json!(known.status.as_ref().and_then(|status| status.reserved_for.clone()).unwrap_or_default());
        if let Value::Array(users) = &mut users
            && !users.iter().any(|user| user["uid"] == reserved["uid"])
        {
            users.push(reserved);
        }
        let mut status = json!({"reservedFor": users});
        if unallocated(&known) {
            let Some(allocation) = allocation else {
                return Err(ChangeError::Changed(format!("{} has lost its devices", object())));
            };
            status["allocation"] = self.allocation(&known, allocation);
        } else if allocation.is_some_and(|given| crate::k8s::resource_claim(&known).allocation.as_ref() != Some(given))
        {
            return Err(ChangeError::Changed(format!("{} was given other devices", object())));
        }
        // The version keeps two schedulers from giving a claim twice, and a list from losing a user.
        let patch = json!({"metadata": {"resourceVersion": known.metadata.resource_version}, "status": status});
        let written = api.patch_subresource(name, "status", &PatchParams::default(), &Patch::Merge(patch)).await;
        written.map(|IgnoredAny| ()).map_err(|error| ChangeError::write(object(), &error))
    }

    /// An allocation as the API has it, with the configuration of classes and of the claim.
    fn allocation(&self, claim: &ResourceClaim, allocation: &Allocation) -> Value {
        let results: Vec<Value> = allocation
            .results
            .iter()
            .map(|result| {
                let mut value = json!({
                    "request": &*result.request, "driver": &*result.driver, "pool": &*result.pool,
                    "device": &*result.device,
                });
                if result.admin_access {
                    value["adminAccess"] = json!(true);
                }
                if let Some(consumed) = &result.consumed {
                    value["shareID"] = json!(names::uid(&*self.random));
                    if !consumed.is_empty() {
                        value["consumedCapacity"] = consumed_capacity(&result.driver, consumed);
                    }
                }
                let tolerations = tolerations(claim, &result.request);
                if !tolerations.is_empty() {
                    value["tolerations"] = json!(tolerations);
                }
                value
            })
            .collect();
        let mut value = json!({"devices": {"results": results}});
        let config = self.config(claim, allocation);
        if !config.is_empty() {
            value["devices"]["config"] = json!(config);
        }
        if let Some(nodes) = &allocation.nodes {
            value["nodeSelector"] = crate::k8s::node_selector_json(nodes);
        }
        value
    }

    /// First what classes say, request by request, then what the claim says.
    fn config(&self, claim: &ResourceClaim, allocation: &Allocation) -> Vec<Value> {
        let mut config = Vec::new();
        let compact = crate::k8s::resource_claim(claim);
        let mut add = |source: &str, requests: Option<Value>, opaque: &Value| {
            let mut entry = json!({"source": source, "opaque": opaque});
            if let Some(requests) = requests {
                entry["requests"] = requests;
            }
            config.push(entry);
        };
        for request in &compact.requests {
            for exact in &request.alternatives {
                let full = if exact.name.is_empty() {
                    request.name.to_string()
                } else {
                    format!("{}/{}", request.name, exact.name)
                };
                let class = self.classes.get(&ObjectKey::new(String::new(), exact.class.to_string()));
                if !allocation.results.iter().any(|result| *result.request == *full) {
                    continue;
                }
                for entry in class.iter().flat_map(|class| class.spec.config.iter().flatten()) {
                    if let Some(opaque) = &entry.opaque {
                        add("FromClass", Some(json!([full])), &json!(opaque));
                    }
                }
            }
        }
        for entry in claim.spec.devices.iter().flat_map(|devices| devices.config.iter().flatten()) {
            if let Some(opaque) = &entry.opaque {
                add("FromClaim", entry.requests.as_ref().map(|requests| json!(requests)), &json!(opaque));
            }
        }
        config
    }
}

/// Amounts by name, without the driver's own domain, whether it publishes that or not.
fn consumed_capacity(driver: &str, consumed: &Amounts) -> Value {
    let named = consumed.iter().map(|(name, amount)| {
        let own = name.strip_prefix(driver).and_then(|name| name.strip_prefix('/'));
        (own.unwrap_or(name).to_owned(), json!(crate::k8s::quantity(*amount)))
    });
    Value::Object(named.collect::<Map<_, _>>())
}

/// What the request of this name, as `request` or `request/alternative`, tolerates.
fn tolerations<'a>(claim: &'a ResourceClaim, request: &str) -> &'a [DeviceToleration] {
    let (name, alternative) = request.split_once('/').unwrap_or((request, ""));
    let requests = claim.spec.devices.iter().flat_map(|devices| devices.requests.iter().flatten());
    let found = requests.into_iter().find(|request| request.name == name).and_then(|request| {
        let first = request.first_available.iter().flatten().find(|sub| sub.name == alternative);
        let exactly = request.exactly.as_ref().and_then(|exactly| exactly.tolerations.as_ref());
        first.and_then(|sub| sub.tolerations.as_ref()).or(exactly)
    });
    found.map_or(&[], Vec::as_slice)
}
