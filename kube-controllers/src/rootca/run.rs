//! The shell: watches namespaces and the ConfigMaps of that name.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kubekit_runtime::{Action, Api, Controller, Error, Object as _, ObjectKey, WatchScope};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Effect};
use crate::context::Context;

const CONTROLLER: &str = "root-ca-certificate-publisher-controller";

/// Publishes `ca`, certificates in PEM, until `shutdown`. Keys are names of namespaces.
pub async fn run(context: Context, ca: String, shutdown: CancellationToken) {
    let namespaces = context.informers.informer::<Namespace>();
    let scope = WatchScope { field_selector: format!("metadata.name={}", decide::NAME), ..WatchScope::default() };
    let maps = context.informers.informer_with::<ConfigMap>(scope);
    let (known, present) = (namespaces.reader(), maps.reader());
    let client = context.client.clone();
    let reconcile = Arc::new(async move |namespace: ObjectKey| -> Result<Action, Error> {
        let Some(observed) = known.get(&namespace) else { return Ok(Action::Done) };
        let current = present.get(&ObjectKey::new(namespace.name.as_str(), decide::NAME));
        let api = Api::<ConfigMap>::all(client.clone());
        let result = match decide::decide(&observed, current.as_deref(), &ca) {
            None => return Ok(Action::Done),
            Some(Effect::Create(map)) => api.create(&map).await,
            Some(Effect::Update(map)) => api.replace(&map).await,
        };
        match result {
            Err(error) if !error.is_already_exists() && !error.is_namespace_terminating() => Err(error),
            _ => Ok(Action::Done),
        }
    });
    Controller::new(CONTROLLER)
        .watches(&namespaces, |change| vec![change.key()])
        .watches(&maps, |change| vec![ObjectKey::cluster(change.object().namespace())])
        .run(shutdown, move |key| {
            let reconcile = Arc::clone(&reconcile);
            async move { reconcile(key).await }
        })
        .await;
}
