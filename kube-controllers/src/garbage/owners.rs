//! Looks owners up: in the graph where they were seen, else with the API server.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubekit_runtime::{Api, ApiResource, Client, Error, Object as _, ObjectKey, PartialObject};

use super::decide::Owner;
use super::graph::{FOREGROUND, group};

/// How many absent owners are remembered. Source: `NewReferenceCache(500)`.
const ABSENT_MAX: usize = 500;

/// The uid of an owner, and where it was looked for.
type Sought = (String, String);

/// Owners that were looked up and not found. A uid never comes back, so this is never wrong.
#[derive(Debug, Default)]
pub(super) struct Absent {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    set: HashSet<Sought>,
    /// The oldest first.
    order: VecDeque<Sought>,
}

impl Absent {
    fn contains(&self, key: &Sought) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).set.contains(key)
    }

    fn insert(&self, key: Sought) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.set.insert(key.clone()) {
            known.order.push_back(key);
        }
        if known.order.len() > ABSENT_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.set.remove(&oldest);
        }
    }
}

/// Asks the API server how an owner stands. `resource` is that of the reference's kind, `namespace` the dependent's.
pub(super) async fn look_up(
    client: &Client,
    absent: &Absent,
    resource: &ApiResource,
    reference: &OwnerReference,
    namespace: &str,
) -> Result<Owner, Error> {
    if resource.namespaced && namespace.is_empty() {
        // An object of cluster scope cannot have an owner in a namespace: what is meant cannot be told.
        return Ok(Owner::Solid);
    }
    let namespace = if resource.namespaced { namespace } else { "" };
    // The uid alone says nothing: another reference may give it with the right kind and name.
    let coordinates = format!("{}/{}/{namespace}/{}", group(&reference.api_version), reference.kind, reference.name);
    let key = (reference.uid.clone(), coordinates);
    if absent.contains(&key) {
        return Ok(Owner::Dangling);
    }
    let api = Api::<PartialObject>::of(client.clone(), resource.clone());
    let live = api.get_key(&ObjectKey::new(namespace, reference.name.as_str())).await?;
    let Some(live) = live.filter(|live| live.uid() == reference.uid) else {
        absent.insert(key);
        return Ok(Owner::Dangling);
    };
    let foreground = live.is_being_deleted() && live.metadata.finalizers.iter().flatten().any(|f| f == FOREGROUND);
    Ok(if foreground { Owner::Waiting } else { Owner::Solid })
}
