//! A pod as the suite sends and watches it: sent as it is written down, and read no further than needed, so that what is
//! measured is the API server and the scheduler, and not who looks on.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_runtime::{ApiResource, Object, TypedObject};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// A pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    #[serde(deserialize_with = "identity")]
    metadata: ObjectMeta,
    spec: Spec,
    status: Status,
    /// What is sent.
    #[serde(skip)]
    whole: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    resource_claims: Vec<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    resource_claim_statuses: Option<IgnoredAny>,
}

impl Seen {
    /// A pod to be created.
    pub(super) fn new(mut whole: Value) -> Self {
        whole["apiVersion"] = json!("v1");
        whole["kind"] = json!("Pod");
        Self { whole, ..Self::default() }
    }

    /// Whether it has a node.
    pub(super) fn is_bound(&self) -> bool {
        self.spec.node_name.is_some()
    }

    /// Whether it waits for the claim that its template asks for.
    pub(super) fn lacks_claim(&self) -> bool {
        !self.spec.resource_claims.is_empty() && self.status.resource_claim_statuses.is_none()
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.whole.serialize(serializer)
    }
}

impl Object for Seen {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl TypedObject for Seen {
    fn api_resource() -> ApiResource {
        Pod::api_resource()
    }
}

/// Metadata that tells objects and their versions apart, and no more.
fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Identity {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
    }
    let Identity { name, namespace, uid, resource_version } = Identity::deserialize(deserializer)?;
    Ok(ObjectMeta { name, namespace, uid, resource_version, ..ObjectMeta::default() })
}
