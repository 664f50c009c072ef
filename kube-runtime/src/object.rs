//! What every object has, whatever its kind: metadata, a key, and the API resource it is served as.

use crate::params::percent_encode;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Where objects of a kind are served: group, version, kind and the plural that stands in the path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiResource {
    /// API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// API version, without the group: `v1`.
    pub version: Cow<'static, str>,
    /// `Deployment`.
    pub kind: Cow<'static, str>,
    /// `deployments`.
    pub plural: Cow<'static, str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl From<&kubekit_core::catalog::Resource> for ApiResource {
    fn from(resource: &kubekit_core::catalog::Resource) -> Self {
        Self {
            group: resource.group.into(),
            version: resource.version.into(),
            kind: resource.kind.into(),
            plural: resource.plural.into(),
            namespaced: resource.is_namespaced(),
        }
    }
}

impl ApiResource {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> Cow<'static, str> {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version).into() }
    }

    /// The path of the collection in `namespace`; empty for all namespaces and for kinds of cluster scope.
    pub fn path(&self, namespace: &str) -> String {
        let mut path = String::with_capacity(64);
        if self.group.is_empty() {
            path.push_str("/api/");
        } else {
            path.push_str("/apis/");
            path.push_str(&self.group);
            path.push('/');
        }
        path.push_str(&self.version);
        if !namespace.is_empty() {
            path.push_str("/namespaces/");
            percent_encode(namespace, &mut path);
        }
        path.push('/');
        path.push_str(&self.plural);
        path
    }
}

/// The namespace (empty for cluster scope) and the name of an object: unique within a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Empty for objects of cluster scope.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object in a namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object of cluster scope.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self { namespace: String::new(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    /// `namespace/name`, or `name` in cluster scope.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// An object: whatever has metadata and travels as JSON. Every kind of `k8s_openapi` is one, and so is
/// [`DynamicObject`](crate::DynamicObject); a type for a custom resource implements this and [`TypedObject`].
pub trait Object: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What an answer with one object, or a watch, may be. A type with metadata only asks for that.
    const ACCEPT: &'static str = "application/json";
    /// What an answer with a list may be.
    const ACCEPT_LIST: &'static str = "application/json";

    /// The metadata.
    fn meta(&self) -> &ObjectMeta;

    /// The metadata, to change it.
    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// Told what it was decoded as: items of a list need not say their kind.
    fn served_as(&mut self, resource: &ApiResource) {
        let _ = resource;
    }

    /// `metadata.name`; empty where the server has yet to generate it.
    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// `metadata.namespace`; empty in cluster scope.
    fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }

    /// Namespace and name.
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace(), self.name())
    }

    /// `metadata.uid`; empty before the create.
    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    /// `metadata.resourceVersion`; empty before the create.
    fn resource_version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }

    /// `metadata.labels`.
    fn labels(&self) -> &BTreeMap<String, String> {
        self.meta().labels.as_ref().unwrap_or(&EMPTY)
    }

    /// `metadata.annotations`.
    fn annotations(&self) -> &BTreeMap<String, String> {
        self.meta().annotations.as_ref().unwrap_or(&EMPTY)
    }

    /// Whether the object has been deleted and only waits for its finalizers or its grace period.
    fn is_being_deleted(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }
}

static EMPTY: BTreeMap<String, String> = BTreeMap::new();

/// An object whose kind is known at compile time.
pub trait TypedObject: Object {
    /// Where it is served.
    fn api_resource() -> ApiResource;
}

/// The scope of a kind of `k8s_openapi`, which says it by a type.
pub trait Scope {
    /// Whether objects live in namespaces.
    const NAMESPACED: bool;
}

impl Scope for k8s_openapi::NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scope for k8s_openapi::ClusterResourceScope {
    const NAMESPACED: bool = false;
}

impl<K> Object for K
where
    K: k8s_openapi::Metadata<Ty = ObjectMeta>
        + Clone
        + fmt::Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    fn meta(&self) -> &ObjectMeta {
        self.metadata()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.metadata_mut()
    }
}

impl<K> TypedObject for K
where
    K: Object + k8s_openapi::Metadata<Ty = ObjectMeta>,
    K::Scope: Scope,
{
    fn api_resource() -> ApiResource {
        ApiResource {
            group: K::GROUP.into(),
            version: K::VERSION.into(),
            kind: K::KIND.into(),
            plural: K::URL_PATH_SEGMENT.into(),
            namespaced: K::Scope::NAMESPACED,
        }
    }
}

/// A reference to `object`, as an event's `involvedObject` or a binding's `target` is.
pub fn object_reference<K: TypedObject>(object: &K) -> ObjectReference {
    let resource = K::api_resource();
    ObjectReference {
        api_version: Some(resource.api_version().into_owned()),
        kind: Some(resource.kind.into_owned()),
        ..untyped_reference(object)
    }
}

/// The part of a reference that metadata gives.
pub(crate) fn untyped_reference<K: Object>(object: &K) -> ObjectReference {
    let meta = object.meta();
    ObjectReference {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        ..ObjectReference::default()
    }
}

/// The owner reference that makes `owner` the managing controller of a dependent: it blocks a foreground deletion of
/// the owner, as `metav1.NewControllerRef` has it.
pub fn controller_reference<K: TypedObject>(owner: &K) -> OwnerReference {
    let resource = K::api_resource();
    OwnerReference {
        api_version: resource.api_version().into_owned(),
        kind: resource.kind.into_owned(),
        name: owner.name().to_owned(),
        uid: owner.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The owner that manages `object`, of which there is at most one.
pub fn controller_of<K: Object>(object: &K) -> Option<&OwnerReference> {
    object.meta().owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}
