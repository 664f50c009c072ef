//! How Kubernetes objects are reconciled: a client over any [`tower::Service`], watchers, shared informers, work queues,
//! controllers, leader election, events, finalizers and expectations. It knows no particular kind.
//!
//! Where to start: [`Client`] sends requests; [`Api`] does so for one kind; [`Informers`] keep caches of kinds up to
//! date; [`Controller`] turns changes into calls of a reconcile function.
//!
//! Everything here waits by `tokio::time`, so a paused clock rules it; wall time and randomness come in through the
//! traits of [`kubekit_core::environment`], for which [`environment`] has small implementations. Nothing is spawned
//! behind the caller's back: what works in the background is a `run` future that the caller owns and that ends when
//! its [`CancellationToken`](tokio_util::sync::CancellationToken) is cancelled.

mod api;
mod backoff;
mod change;
pub mod client;
#[cfg(feature = "tls")]
pub mod config;
mod controller;
mod dynamic;
pub mod environment;
mod error;
pub mod events;
mod expectations;
pub mod finalizer;
mod informer;
mod informers;
mod intern;
pub mod kubeconfig;
pub mod leader;
mod lines;
mod object;
mod params;
mod patch;
pub mod queue;
mod reader;
mod status;
pub mod watch;
pub mod watcher;

pub use api::{Api, Deletion, ObjectList};
pub use backoff::{Backoff, BackoffPolicy};
pub use change::{Change, Changes};
pub use client::{Body, BoxError, Client, Impersonation};
pub use controller::{Action, Controller};
pub use dynamic::{DynamicObject, PartialObject};
pub use error::Error;
pub use events::{EventType, Recorder};
pub use expectations::Expectations;
pub use informer::Informer;
pub use informers::{Informers, WatchScope};
pub use intern::Interner;
pub use kubeconfig::Kubeconfig;
pub use leader::LeaderElector;
pub use object::{ApiResource, Object, ObjectKey, TypedObject, controller_of, controller_reference, object_reference};
pub use params::{DeleteParams, ListParams, PatchParams, Preconditions, Propagation, WatchParams, WriteParams};
pub use patch::Patch;
pub use queue::WorkQueue;
pub use reader::Reader;
