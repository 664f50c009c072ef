//! All the informers of a component: one watch per kind and scope.

use crate::client::Client;
use crate::dynamic::DynamicObject;
use crate::environment::Environment;
use crate::informer::Informer;
use crate::object::{ApiResource, TypedObject};
use tokio_util::sync::CancellationToken;

/// What part of a kind is watched. The default is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchScope {
    /// Empty for all namespaces.
    pub namespace: String,
    /// Empty for all objects.
    pub label_selector: String,
    /// Empty for all objects.
    pub field_selector: String,
}

/// The informers of a component. Clones share them.
#[derive(Clone, Debug)]
pub struct Informers {
    client: Client,
}

impl Informers {
    /// None yet.
    pub fn new(client: Client) -> Self {
        Self::with_environment(client, Environment::system())
    }

    /// None yet; jitter comes from `environment`.
    pub fn with_environment(client: Client, environment: Environment) -> Self {
        let _ = environment;
        Self { client }
    }

    /// The client they watch with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The informer of all objects of a kind.
    pub fn informer<K: TypedObject>(&self) -> Informer<K> {
        self.informer_with(WatchScope::default())
    }

    /// The informer of the objects of a kind that `scope` selects.
    pub fn informer_with<K: TypedObject>(&self, scope: WatchScope) -> Informer<K> {
        todo!("{scope:?}")
    }

    /// The informer of a kind that is known only at run time.
    pub fn dynamic(&self, resource: ApiResource, scope: WatchScope) -> Informer<DynamicObject> {
        todo!("{resource:?} {scope:?}")
    }

    /// Drives every informer, those asked for later too, until `shutdown`; returns when all watches have ended.
    pub async fn run(&self, shutdown: CancellationToken) {
        let _ = shutdown;
        todo!()
    }

    /// Returns when every informer that was asked for so far has its first list: `false` if one stopped before.
    pub async fn wait_synced(&self) -> bool {
        todo!()
    }
}
