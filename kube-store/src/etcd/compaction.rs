//! Compaction of etcd's history by one of those who share the cluster.
//!
//! Each keeps the time by itself and, when it is over, tries to move one key on from the version that it saw last. One
//! succeeds and compacts up to the revision that was the present one interval ago; the others see the new version, and wait
//! again. So history is compacted once an interval, whoever comes and goes. Source: kube-apiserver's
//! `storage/etcd3/compact.go`, where the key is `compact_rev_key`; here it stands among the keys of the store, so that the
//! watch over these sees its revision.

use super::feed::Feed;
use super::messages as m;
use crate::{Result, Revision};
use std::sync::Arc;
use std::time::Duration;

/// What is known from the round before.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The key's version.
    version: i64,
    /// The present at that time.
    seen: Revision,
}

/// Compacts at this interval until it is dropped.
pub(super) async fn run(feed: Arc<Feed>, interval: Duration) {
    let mut round = Round::default();
    loop {
        tokio::time::sleep(interval).await;
        match feed.compact_round(&mut round).await {
            Ok(None) => {}
            Ok(Some(compacted)) => tracing::debug!(compacted, "compacted etcd's history"),
            // Another round comes.
            Err(error) => tracing::debug!(%error, "etcd's history was not compacted"),
        }
    }
}

impl Feed {
    /// One round; gives the revision up to which this one compacted, if it was its turn.
    pub(super) async fn compact_round(&self, round: &mut Round) -> Result<Option<Revision>> {
        let key = self.codec.keys.compaction_key();
        let compare = m::Compare {
            result: 0,
            target: m::TARGET_VERSION,
            key: key.clone(),
            value: Some(m::Target::Version(round.version)),
        };
        let put = m::PutRequest { key: key.clone(), value: round.seen.to_string().into(), ..m::PutRequest::default() };
        let look = m::RangeRequest { key, ..m::RangeRequest::default() };
        let request = m::TxnRequest {
            compare: vec![compare],
            success: vec![m::RequestOp { request: Some(m::Request::Put(put)) }],
            failure: vec![m::RequestOp { request: Some(m::Request::Range(look)) }],
        };
        let (answer, present) = self.client.txn(&request).await?;
        let due = std::mem::replace(&mut round.seen, present);
        if !answer.succeeded {
            let found = answer.responses.iter().find_map(|response| match &response.response {
                Some(m::Response::Range(range)) => range.kvs.first(),
                _ => None,
            });
            round.version = found.map_or(0, |kv| kv.version);
            return Ok(None);
        }
        round.version += 1;
        if due == 0 {
            // Nothing is known of what has been read since.
            return Ok(None);
        }
        match self.client.compact(due, false).await {
            Ok(()) => Ok(Some(due)),
            Err(super::failure::Failure::Compacted) => Ok(None),
            Err(failure) => Err(failure.into_error(due)),
        }
    }
}
