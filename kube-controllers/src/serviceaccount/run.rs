//! The shell: watches namespaces and ServiceAccounts.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kubekit_runtime::{Action, Api, Controller, Error, Object as _, ObjectKey, WatchScope};
use tokio_util::sync::CancellationToken;

use super::decide;
use crate::context::Context;

const CONTROLLER: &str = "service-account-controller";

/// Keeps ServiceAccounts until `shutdown`. Keys are names of namespaces.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let namespaces = context.informers.informer::<Namespace>();
    let scope = WatchScope { field_selector: format!("metadata.name={}", decide::DEFAULT), ..WatchScope::default() };
    let accounts = context.informers.informer_with::<ServiceAccount>(scope);
    let (known, present) = (namespaces.reader(), accounts.reader());
    let client = context.client.clone();
    let reconcile = Arc::new(async move |namespace: ObjectKey| -> Result<Action, Error> {
        let Some(observed) = known.get(&namespace) else { return Ok(Action::Done) };
        let key = ObjectKey::new(namespace.name.as_str(), decide::DEFAULT);
        let Some(account) = decide::decide(&observed, present.get(&key).is_some()) else { return Ok(Action::Done) };
        match Api::<ServiceAccount>::all(client.clone()).create(&account).await {
            Err(error) if !error.is_already_exists() && !error.is_namespace_terminating() => Err(error),
            _ => Ok(Action::Done),
        }
    });
    Controller::new(CONTROLLER)
        .watches(&namespaces, |change| vec![change.key()])
        .watches(&accounts, |change| vec![ObjectKey::cluster(change.object().namespace())])
        .run(shutdown, move |key| {
            let reconcile = Arc::clone(&reconcile);
            async move { reconcile(key).await }
        })
        .await;
}
