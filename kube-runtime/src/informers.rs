//! All the informers of a component: one watch per kind and scope.

use crate::api::Api;
use crate::client::Client;
use crate::environment::Environment;
use crate::informer::{Handle, Informer, Shared};
use crate::object::{ApiResource, Object, TypedObject};
use crate::watcher::{Config, watcher};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use tokio::sync::Notify;
use tokio::task::JoinSet;
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

impl WatchScope {
    /// One namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..Self::default() }
    }

    /// The objects whose labels match.
    pub fn labels(selector: impl Into<String>) -> Self {
        Self { label_selector: selector.into(), ..Self::default() }
    }

    /// The objects whose fields match, as `spec.nodeName=node-1`.
    pub fn fields(selector: impl Into<String>) -> Self {
        Self { field_selector: selector.into(), ..Self::default() }
    }
}

/// The informers of a component. Clones share them.
#[derive(Clone)]
pub struct Informers {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    environment: Environment,
    registry: Mutex<Registry>,
    asked: Notify,
}

#[derive(Default)]
struct Registry {
    /// A `Weak<Handle<K>>` each: an informer lives as long as somebody uses it.
    informers: HashMap<(TypeId, ApiResource, WatchScope), Box<dyn Known>>,
    /// Those that nobody drives yet.
    waiting: Vec<Task>,
    /// Nobody drives any more.
    ended: bool,
}

/// The loop of an informer, given the stop signal.
type Task = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// An informer in the registry, whatever its kind.
trait Known: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    /// Waits for its first list; none if nobody uses it any more.
    fn synced(&self) -> Option<BoxFuture<'static, bool>>;
}

impl<K: Object> Known for Weak<Handle<K>> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn synced(&self) -> Option<BoxFuture<'static, bool>> {
        let handle = self.upgrade()?;
        Some(async move { handle.shared.wait_synced().await }.boxed())
    }
}

impl fmt::Debug for Informers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Informers")
            .field("client", &self.inner.client)
            .field("informers", &self.inner.registry.lock().informers.len())
            .finish_non_exhaustive()
    }
}

impl Informers {
    /// None yet.
    pub fn new(client: Client) -> Self {
        Self::with_environment(client, Environment::system())
    }

    /// None yet; jitter comes from `environment`.
    pub fn with_environment(client: Client, environment: Environment) -> Self {
        let registry = Mutex::new(Registry::default());
        Self { inner: Arc::new(Inner { client, environment, registry, asked: Notify::new() }) }
    }

    /// The client they watch with.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The informer of all objects of a kind.
    pub fn informer<K: TypedObject>(&self) -> Informer<K> {
        self.informer_with(WatchScope::default())
    }

    /// The informer of the objects of a kind that `scope` selects.
    pub fn informer_with<K: TypedObject>(&self, scope: WatchScope) -> Informer<K> {
        self.informer_of(K::api_resource(), scope)
    }

    /// The informer of a kind that is known only at run time, as [`DynamicObject`](crate::DynamicObject)s or, where metadata
    /// is enough, as [`PartialObject`](crate::PartialObject)s.
    ///
    /// # Panics
    ///
    /// Never: what is registered under a type is of that type.
    pub fn informer_of<K: Object>(&self, resource: ApiResource, scope: WatchScope) -> Informer<K> {
        let mut registry = self.inner.registry.lock();
        let key = (TypeId::of::<K>(), resource.clone(), scope.clone());
        if let Some(known) = registry.informers.get(&key) {
            let known = known.as_any().downcast_ref::<Weak<Handle<K>>>().expect("the key names the type");
            if let Some(handle) = known.upgrade() {
                return Informer::new(handle);
            }
        }
        let unused = CancellationToken::new();
        let shared = Arc::new(Shared::new(resource.clone(), self.inner.client.interner().of(&resource)));
        let handle = Arc::new(Handle::new(Arc::clone(&shared), unused.clone().drop_guard()));
        registry.informers.retain(|_, known| known.synced().is_some());
        registry.informers.insert(key, Box::new(Arc::downgrade(&handle)));
        if registry.ended {
            shared.stop();
            return Informer::new(handle);
        }
        let (client, random) = (self.inner.client.clone(), Arc::clone(&self.inner.environment.random));
        registry.waiting.push(Box::new(move |shutdown| {
            let api = Api::<K>::of(client, resource).within(scope.namespace);
            let config = Config {
                label_selector: scope.label_selector,
                field_selector: scope.field_selector,
                ..Config::default()
            };
            async move { shared.run(watcher(api, config, random), shutdown, unused).await }.boxed()
        }));
        drop(registry);
        self.inner.asked.notify_one();
        Informer::new(handle)
    }

    /// Drives every informer, those asked for later too, until `shutdown`; returns when all watches have ended. Informers that
    /// are asked for after that have stopped.
    ///
    /// # Panics
    ///
    /// If an informer panics, which no object can make it do.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut watches = JoinSet::new();
        loop {
            let waiting = std::mem::take(&mut self.inner.registry.lock().waiting);
            for task in waiting {
                watches.spawn(task(shutdown.clone()));
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = watches.join_next() => ended.expect("an informer panicked"),
                () = self.inner.asked.notified() => {}
            }
        }
        let waiting = {
            let mut registry = self.inner.registry.lock();
            registry.ended = true;
            std::mem::take(&mut registry.waiting)
        };
        // They end at once, and tell those who wait for them.
        for task in waiting {
            watches.spawn(task(shutdown.clone()));
        }
        while let Some(ended) = watches.join_next().await {
            ended.expect("an informer panicked");
        }
    }

    /// Returns when every informer that was asked for so far and is used has its first list: `false` if one stopped before.
    pub async fn wait_synced(&self) -> bool {
        let waits: Vec<_> = self.inner.registry.lock().informers.values().filter_map(|known| known.synced()).collect();
        futures::future::join_all(waits).await.into_iter().all(|synced| synced)
    }
}
