//! How objects of every kind are kept: the verbs over the store.
//!
//! A write goes through [`Registry::create`], [`Registry::modify`] or [`Registry::delete`]: the rules of its kind,
//! admission, allocation, one encoding, one transaction. Reads hand out what was encoded by the write.

pub(crate) mod attributes;
pub(crate) mod binding;
mod condition;
mod conversion;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod encode;
pub(crate) mod eviction;
pub(crate) mod failure;
mod frames;
pub(crate) mod kind;
pub(crate) mod list;
mod part;
pub(crate) mod patch;
pub(crate) mod scale;
mod selector;
pub(crate) mod services;
pub(crate) mod update;
pub(crate) mod view;
mod watch;
pub(crate) mod write;

pub use attributes::{extractor, store_config};

use crate::admission::Admission;
use crate::builder::Config;
use kubekit_core::decode::format_time;
use kubekit_core::environment::{Random, WallClock};
use kubekit_core::names;
use kubekit_core::status::ApiError;
use kubekit_store::{Entry, ReadAt, Store};
use serde_json::Value;
use services::Ranges;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The verbs over the store, and what they need.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) plugins: Vec<Arc<dyn Admission>>,
    /// Whether there are others than this crate's among them.
    pub(crate) has_foreign_plugins: bool,
    pub(crate) disabled_admission: BTreeSet<String>,
    pub(crate) event_ttl_seconds: u32,
    /// Frames of watch events, which watchers share.
    frames: Arc<frames::Frames>,
    /// What Services can hold.
    pub(crate) ranges: Ranges,
}

/// Admission plugins behind the trait, in the order in which they run.
#[derive(Debug)]
pub(crate) struct Plugins {
    /// This crate's.
    pub(crate) built_in: Vec<Arc<dyn Admission>>,
    /// Those handed to the builder.
    pub(crate) foreign: Vec<Arc<dyn Admission>>,
}

impl Registry {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn WallClock>,
        random: Arc<dyn Random>,
        config: &Config,
        plugins: Plugins,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            store,
            clock,
            random,
            has_foreign_plugins: !plugins.foreign.is_empty(),
            plugins: plugins.built_in.into_iter().chain(plugins.foreign).collect(),
            disabled_admission: config.disabled_admission.clone(),
            event_ttl_seconds: u32::try_from(config.event_ttl.as_secs()).unwrap_or(u32::MAX).max(1),
            frames: Arc::default(),
            ranges: Ranges::new(config)?,
        })
    }

    /// Gives an object that the server makes by itself what every stored object has.
    pub(crate) fn stamp(&self, object: &mut Value) {
        object["metadata"]["uid"] = names::uid(&*self.random).into();
        object["metadata"]["creationTimestamp"] = format_time(self.clock.now()).into();
    }

    /// The present version under a key.
    pub(crate) async fn entry(&self, key: &str) -> Result<Option<Arc<Entry>>, ApiError> {
        self.store.get(key, ReadAt::Latest).await.map_err(failure::of_store)
    }

    /// The present version of an object of the catalog's kind.
    pub(crate) async fn object(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Entry>>, ApiError> {
        self.entry(&crate::keys::object_key(group, plural, namespace, name)).await
    }

    /// Every object under a prefix.
    pub(crate) async fn all(&self, prefix: String) -> Result<Vec<Arc<Entry>>, ApiError> {
        let request = kubekit_store::ListRequest { prefix, ..Default::default() };
        Ok(self.store.list(request).await.map_err(failure::of_store)?.entries.collect())
    }
}
