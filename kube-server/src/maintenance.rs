//! What the server does from time to time.

use crate::registry::services::repair::{self, Repair};
use crate::server::Server;
use tokio_util::sync::CancellationToken;

/// Forgets history that is older than the configured window, until `shutdown`: as kube-apiserver's compactor does, to
/// the revision that was current one window ago.
pub(crate) async fn run(server: &Server, shutdown: CancellationToken) {
    let mut previous = None;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(server.config.history) => {}
        }
        if let Some(revision) = previous.take()
            && let Err(error) = server.store().compact(revision).await
        {
            tracing::warn!(%error, revision, "history could not be compacted");
        }
        previous = server.store().revision().await.ok();
    }
}

/// Makes claims of addresses and Services agree, until `shutdown`.
pub(crate) async fn repair_claims(server: &Server, shutdown: CancellationToken) {
    let interval = repair::interval(server.config.request_timeout);
    let mut repair = Repair::default();
    loop {
        if let Err(error) = repair.look(&server.registry).await {
            tracing::warn!(%error, "the claims of addresses could not be held against the Services");
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}
