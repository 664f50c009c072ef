//! `cluster reencrypt`.

use anyhow::Context as _;
use http::Method;
use kubekit_runtime::client::empty_request;
use kubekit_runtime::{Client, Kubeconfig};
use std::path::Path;
use std::time::Duration;

/// Has a running cluster bring what it stores under its present key; gives what it says.
///
/// # Errors
///
/// If the cluster does not answer, or the kubeconfig is not that of an administrator.
pub async fn ask(kubeconfig: &Path) -> anyhow::Result<String> {
    // It is done when everything is written anew, however long that takes.
    let client = Client::from_kubeconfig(&Kubeconfig::from_file(kubeconfig)?)?.with_timeout(Duration::MAX);
    let request = empty_request(Method::POST, "/reencrypt", "application/json")?;
    let status: serde_json::Value = client.request(request).await.context("asking the cluster to reencrypt")?;
    Ok(status["message"].as_str().unwrap_or_default().to_owned())
}
