//! Carries out what [`owners`](crate::owners) decides: adopts orphans that match, lets go of what no longer does.

use std::sync::Arc;

use kubekit_runtime::{Api, Client, Error, Patch, PatchParams, TypedObject, controller_reference};

use crate::owners::{self, Claim};

/// The objects that a controller owns after claiming.
#[derive(Clone, Debug)]
pub struct Claimed<K> {
    /// What it owns: what it owned before, then what it adopted just now.
    pub owned: Vec<Arc<K>>,
    /// Whether it adopted or released anything, so that the cache is behind.
    pub changed: bool,
}

/// Claims `candidates` for `controller`. Before it adopts anything it asks the API server, not the cache, whether the
/// controller is still there, because the garbage collector deletes what a dead controller adopts.
///
/// # Errors
///
/// The first patch that failed, unless the object or the controller is gone; what was claimed before stays claimed.
pub async fn claim<C: TypedObject, K: TypedObject>(
    client: &Client,
    controller: &C,
    candidates: impl IntoIterator<Item = Arc<K>>,
    matches: impl Fn(&K) -> bool,
) -> Result<Claimed<K>, Error> {
    let mut claimed = Claimed { owned: Vec::new(), changed: false };
    let mut may_adopt = None;
    for object in candidates {
        match owners::claim(controller, &*object, matches(&object)) {
            Claim::Owned => claimed.owned.push(object),
            Claim::Ignore => {}
            Claim::Release => {
                let patch = owners::release_patch([controller.uid()], object.uid());
                apply(client, &*object, patch).await?;
                claimed.changed = true;
            }
            Claim::Adopt => {
                let may = match may_adopt {
                    Some(may) => may,
                    None => *may_adopt.insert(still_wants(client, controller).await?),
                };
                if !may {
                    continue;
                }
                let patch = owners::adopt_patch(&controller_reference(controller), object.uid());
                if let Some(adopted) = apply(client, &*object, patch).await? {
                    claimed.owned.push(Arc::new(adopted));
                    claimed.changed = true;
                }
            }
        }
    }
    Ok(claimed)
}

/// Whether the controller exists still, as the very same object, and is not being deleted.
async fn still_wants<C: TypedObject>(client: &Client, controller: &C) -> Result<bool, Error> {
    let live = Api::<C>::all(client.clone()).get_key(&controller.key()).await?;
    Ok(live.is_some_and(|live| live.uid() == controller.uid() && !live.is_being_deleted()))
}

/// Patches an object; none where it is gone, or where another object took its name.
async fn apply<K: TypedObject>(client: &Client, object: &K, patch: serde_json::Value) -> Result<Option<K>, Error> {
    let api = Api::<K>::namespaced(client.clone(), object.namespace());
    match api.patch(object.name(), &PatchParams::default(), &Patch::Strategic(patch)).await {
        Ok(patched) => Ok(Some(patched)),
        Err(error) if error.is_not_found() || error.is_invalid() || error.is_conflict() => Ok(None),
        Err(error) => Err(error),
    }
}
