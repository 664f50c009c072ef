//! Writes the rules of aggregating ClusterRoles into them, so that people see what the roles grant.
//!
//! Authorization does not wait for this: the RBAC index aggregates by itself. Source: `pkg/controller/clusterroleaggregation`.

use crate::keys;
use crate::registry::encode;
use crate::registry::kind::Kind;
use crate::server::Server;
use futures::{FutureExt, StreamExt};
use kubekit_core::status::ApiError;
use kubekit_store::{EventKind, Precondition, WatchRequest};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const GROUP: &str = "rbac.authorization.k8s.io";
const PLURAL: &str = "clusterroles";
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows ClusterRoles until `shutdown`.
pub(crate) async fn run(server: &Server, shutdown: CancellationToken) {
    loop {
        let failed = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            Err(error) = follow(server) => error,
        };
        tracing::warn!(error = %failed, "aggregated ClusterRoles cannot be followed");
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Follows one watch until it fails.
async fn follow(server: &Server) -> Result<std::convert::Infallible, ApiError> {
    let prefix = keys::resource_prefix(GROUP, PLURAL);
    let request = WatchRequest { prefix, initial_state: true, ..WatchRequest::default() };
    let mut watch = server.store().watch(request).await.map_err(ApiError::internal)?;
    let mut complete = false;
    loop {
        let ended = || ApiError::internal("the watch ended");
        let mut next = Some(watch.next().await.ok_or_else(ended)?);
        // Changes that came together are looked at together.
        while let Some(event) = next {
            complete |= event.map_err(ApiError::internal)?.kind == EventKind::InitialEnd;
            next = watch.next().now_or_never().flatten();
        }
        if complete {
            write(server).await?;
        }
    }
}

/// Brings every aggregating role up to date. Where somebody else wrote it meanwhile, their event leads back here.
async fn write(server: &Server) -> Result<(), ApiError> {
    let Some(kind) = Kind::find(GROUP, "v1", PLURAL) else { return Ok(()) };
    for (name, rules) in server.rbac.aggregated() {
        let key = keys::object_key(GROUP, PLURAL, "", &name);
        let Some(entry) = server.registry.entry(&key).await? else { continue };
        let mut object = encode::decode(&entry);
        let rules = json!(rules);
        if object["rules"] == rules || rules == json!([]) && object["rules"] == Value::Null {
            continue;
        }
        object["rules"] = rules;
        server.registry.commit(kind, &key, &mut object, Precondition::Revision(entry.revision), false).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiServer;
    use kubekit_store::{Config, Extractor, Memory, ReadAt};
    use std::sync::Arc;

    #[tokio::test]
    async fn what_a_role_aggregates_is_written_into_it() {
        let store = Arc::new(Memory::new(Extractor::none(), Config::default()));
        let server = ApiServer::builder(store).build().await.unwrap();
        let server = server.server();
        let revision = server.store().revision().await.unwrap();
        write(server).await.unwrap();
        assert_eq!(server.store().revision().await.unwrap(), revision, "the default roles come aggregated");

        let rule = json!({"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]});
        let mut role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [rule],
            "metadata": {"name": "widgets", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        });
        let kind = Kind::find(GROUP, "v1", PLURAL).unwrap();
        let key = keys::object_key(GROUP, PLURAL, "", "widgets");
        server.registry.commit(kind, &key, &mut role, Precondition::Absent, false).await.unwrap();
        write(server).await.unwrap();
        for name in ["view", "edit", "admin"] {
            let key = keys::object_key(GROUP, PLURAL, "", name);
            let entry = server.store().get(&key, ReadAt::Latest).await.unwrap().unwrap();
            let rules = encode::decode(&entry)["rules"].clone();
            assert!(rules.as_array().unwrap().contains(&rule), "{name}");
        }
    }
}
