//! How objects of every kind are kept: the verbs over the store.

use crate::admission::Admission;
use crate::builder::Config;
use kubekit_core::environment::{Random, WallClock};
use kubekit_core::status::ApiError;
use kubekit_store::Store;
use std::sync::Arc;

/// The verbs over the store, and what they need.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) plugins: Vec<Arc<dyn Admission>>,
}

impl Registry {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn WallClock>,
        random: Arc<dyn Random>,
        _config: &Config,
        plugins: Vec<Arc<dyn Admission>>,
    ) -> Result<Self, ApiError> {
        Ok(Self { store, clock, random, plugins })
    }
}
