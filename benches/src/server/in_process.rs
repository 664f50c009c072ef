//! Single requests through the service itself: no socket, one after the other.

use super::{PODS, count, pod, serve};
use crate::report::Report;
use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use kubekit_server::identity::UserInfo;
use std::time::Instant;
use tower::ServiceExt;

const REQUESTS: usize = 20_000;

/// Measures one create and one get, `less` times less often than usual.
pub(super) async fn measure(report: &mut Report, less: usize) -> Result<()> {
    let requests = REQUESTS / less;
    let service = serve::server().await?.as_user(UserInfo::admin());
    let send = async |method: Method, path: &str, body: Bytes| {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let answer = service.clone().oneshot(request.body(Full::new(body))?).await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        answer.into_body().collect().await.map_err(|error| anyhow::anyhow!(error.to_string()))?;
        Ok(())
    };
    let bodies: Vec<Bytes> = (0..requests).map(pod).collect();
    let start = Instant::now();
    for body in bodies {
        send(Method::POST, PODS, body).await?;
    }
    report.add("server.in_process_create", start.elapsed().as_secs_f64() * 1e6 / count(requests), "µs");
    let paths: Vec<String> = (0..requests).map(|i| format!("{PODS}/web-5d4f8c7b9-{i:06}")).collect();
    let start = Instant::now();
    for path in &paths {
        send(Method::GET, path, Bytes::new()).await?;
    }
    report.add("server.in_process_get", start.elapsed().as_secs_f64() * 1e6 / count(requests), "µs");
    Ok(())
}
