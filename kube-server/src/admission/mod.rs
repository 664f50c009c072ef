//! Admission: what changes or refuses an object before it is stored.
//!
//! The built-in plugins run in the order of kube-apiserver's default chain, then those handed to the builder.

use crate::identity::UserInfo;
use kubekit_core::catalog::Resource;
use kubekit_core::status::ApiError;
use serde_json::Value;

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// A stream is opened to it.
    Connect,
}

/// A request on its way to the store.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// Who asks.
    pub user: &'a UserInfo,
    /// What for.
    pub operation: Operation,
    /// The kind.
    pub resource: &'static Resource,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// Empty for kinds that live in none.
    pub namespace: &'a str,
    /// Empty for a create whose name is generated.
    pub name: &'a str,
    /// The object as it will be stored; `None` for a delete.
    pub object: Option<&'a mut Value>,
    /// The object as it is stored; `None` for a create.
    pub old: Option<&'a Value>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// An admission plugin: changes the object, or refuses it. Synchronous: it answers from state in memory.
pub trait Admission: Send + Sync + std::fmt::Debug {
    /// Changes `request.object`, or refuses the request.
    ///
    /// # Errors
    /// Why the request is refused.
    fn admit(&self, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError>;
}
