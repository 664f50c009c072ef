//! Carries out what a placement does to volumes, before the pod is bound: promises volumes to claims, has volumes
//! provisioned, and waits until every claim is bound.

use crate::inventory::Change;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kubekit_runtime::{Api, Client, Error, ObjectKey, Patch, PatchParams, Reader};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How often claims are looked at meanwhile, in the informer's cache.
const POLL: Duration = Duration::from_millis(100);

const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";

/// Why what a placement changes could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// The API server did not take a write.
    #[error("{object} could not be written: {reason}")]
    Write {
        /// What was written.
        object: String,
        /// The error and its causes.
        reason: String,
    },
    /// Something that the decision rested on is gone, or has changed.
    #[error("{0}")]
    Changed(String),
    /// The claims were not bound in time.
    #[error("timed out waiting for the claims to be bound")]
    TimedOut,
}

impl ChangeError {
    pub(super) fn write(object: String, error: &Error) -> Self {
        Self::Write { object, reason: error.chain() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct VolumeWriter {
    client: Client,
    claims: Reader<PersistentVolumeClaim>,
    volumes: Reader<PersistentVolume>,
    timeout: Duration,
}

impl VolumeWriter {
    pub(super) fn new(
        client: Client,
        claims: Reader<PersistentVolumeClaim>,
        volumes: Reader<PersistentVolume>,
        timeout: Duration,
    ) -> Self {
        Self { client, claims, volumes, timeout }
    }

    /// Writes what the changes say, then waits until the claims are bound.
    ///
    /// # Errors
    /// When a write is refused, a claim changes against expectation, or the time is up.
    pub(super) async fn carry_out(&self, changes: &[Change]) -> Result<(), ChangeError> {
        for change in changes {
            match change {
                Change::BindVolume { volume, namespace, claim } => self.promise(volume, namespace, claim).await?,
                Change::SelectNode { namespace, claim, node } => self.select(namespace, claim, node).await?,
                // Another writer's.
                Change::UseResourceClaim { .. } => {}
            }
        }
        self.wait_bound(changes).await
    }

    async fn promise(&self, volume: &str, namespace: &str, claim: &str) -> Result<(), ChangeError> {
        let gone = |what: &str, name: &str| ChangeError::Changed(format!("{what} {name:?} is gone"));
        let key = ObjectKey::new(namespace.to_owned(), claim.to_owned());
        let to = self.claims.get(&key).ok_or_else(|| gone("persistentvolumeclaim", claim))?;
        let known = self
            .volumes
            .get(&ObjectKey::new(String::new(), volume.to_owned()))
            .ok_or_else(|| gone("persistentvolume", volume))?;
        let patch = json!({
            // A volume that was promised to another claim meanwhile has another version.
            "metadata": {
                "resourceVersion": known.metadata.resource_version,
                "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"},
            },
            "spec": {"claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim,
                "uid": to.metadata.uid, "resourceVersion": to.metadata.resource_version,
            }},
        });
        let api: Api<PersistentVolume> = Api::all(self.client.clone());
        let written = api.patch(volume, &PatchParams::default(), &Patch::Merge(patch)).await;
        written.map(drop).map_err(|error| ChangeError::write(format!("persistentvolume {volume:?}"), &error))
    }

    async fn select(&self, namespace: &str, claim: &str, node: &str) -> Result<(), ChangeError> {
        let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
        let written = api.patch(claim, &PatchParams::default(), &Patch::Merge(patch)).await;
        written
            .map(drop)
            .map_err(|error| ChangeError::write(format!("persistentvolumeclaim {namespace}/{claim}"), &error))
    }

    /// The volume controller binds; the provisioner takes the annotation away when it fails, and the pod is tried again.
    async fn wait_bound(&self, changes: &[Change]) -> Result<(), ChangeError> {
        let deadline = Instant::now() + self.timeout;
        let mut annotated = vec![false; changes.len()];
        loop {
            let mut waiting = false;
            for (change, annotated) in changes.iter().zip(&mut annotated) {
                let (Change::BindVolume { namespace, claim, .. } | Change::SelectNode { namespace, claim, .. }) =
                    change
                else {
                    continue;
                };
                let key = ObjectKey::new(namespace.to_string(), claim.to_string());
                let Some(known) = self.claims.get(&key) else {
                    return Err(ChangeError::Changed(format!("persistentvolumeclaim {claim:?} is gone")));
                };
                let annotation = |key| known.metadata.annotations.as_ref().and_then(|all| all.get(key));
                waiting |= annotation(BIND_COMPLETED).is_none();
                if let Change::SelectNode { node, .. } = change {
                    let selected = annotation(SELECTED_NODE).is_some_and(|selected| **selected == **node);
                    if *annotated && !selected && annotation(BIND_COMPLETED).is_none() {
                        return Err(ChangeError::Changed(format!("provisioning failed for PVC {claim:?}")));
                    }
                    *annotated |= selected;
                }
            }
            if !waiting {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ChangeError::TimedOut);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
