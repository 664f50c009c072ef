//! Work on the whole store.

use crate::harness::Harness;
use crate::interposed::{Happening, Interposed};
use async_trait::async_trait;
use kubekit_store::Result;
use serde_json::json;
use std::time::Duration;

/// There is so much to write anew that it takes an hour.
#[derive(Debug)]
struct Much;

#[async_trait]
impl Happening for Much {
    async fn reseal(&self) -> Result<u64> {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(5_000_000)
    }
}

#[tokio::test(start_paused = true)]
async fn reencrypting_takes_the_time_that_it_needs() {
    let h = Harness::over(Interposed::new(Much), |builder| builder).await;
    let done = h.post("/reencrypt", &json!({})).await.ok();
    assert_eq!(done["details"]["count"], 5_000_000);
}
