//! Writes: one transaction of etcd each, which compares the key's revision and puts or deletes it.

use super::feed::Feed;
use super::messages as m;
use crate::engine::transaction::Prepared;
use crate::{Entry, Error, Precondition, Result, Revision, Txn, TxnOutcome};
use bytes::Bytes;
use std::sync::Arc;

/// How many leases a write is tried with: a short one ends before the write where that waits for a leader.
const LEASES_MAX: usize = 2;

impl Feed {
    /// One atomic write.
    pub(super) async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        self.codec.keys.check(&txn.key)?;
        let prepared = self.engine.prepare(txn)?;
        for _ in 0..LEASES_MAX {
            let lease = match prepared.ttl_seconds() {
                Some(ttl_seconds) => self.client.grant(ttl_seconds).await?,
                None => 0,
            };
            let Some(outcome) = self.commit(&prepared, lease).await? else { continue };
            if lease != 0 && matches!(outcome, TxnOutcome::Refused { .. }) {
                self.client.revoke(lease).await;
            }
            return Ok(outcome);
        }
        Err(Error::Unavailable(format!("{LEASES_MAX} leases for {} ended before it was written", prepared.key)))
    }

    /// `None` where its lease has ended: nothing was changed then.
    async fn commit(&self, prepared: &Prepared, lease: i64) -> Result<Option<TxnOutcome>> {
        let key = self.codec.keys.stored(&prepared.key);
        // The version that is replaced need not be sent back where it is known.
        let replaced = match prepared.precondition {
            Precondition::Revision(required) => self.known(&prepared.key, required),
            _ => None,
        };
        let wants_previous = replaced.is_none() && prepared.precondition != Precondition::Absent;
        let (ours, outcome) = match &prepared.write {
            Some(write) => {
                let value = self.codec.encode(&prepared.key, &write.value, &write.attributes)?;
                let put =
                    m::PutRequest { key: key.clone(), value, lease, prev_kv: wants_previous, ignore_lease: false };
                let request = request(&key, prepared.precondition, m::Request::Put(put));
                let ours =
                    |at| Entry::new(Arc::from(&*prepared.key), write.value.clone(), at, write.attributes.clone());
                (Some(ours), self.client.txn_under_lease(&request).await)
            }
            None => {
                let delete = m::DeleteRangeRequest { key: key.clone(), prev_kv: wants_previous };
                let request = request(&key, prepared.precondition, m::Request::DeleteRange(delete));
                (None, self.client.txn_under_lease(&request).await)
            }
        };
        let Some((answer, at)) = outcome? else { return Ok(None) };
        let deleted_nothing = matches!(
            answer.responses.first().and_then(|response| response.response.as_ref()),
            Some(m::Response::DeleteRange(deleted)) if deleted.deleted == 0
        );
        if !answer.succeeded || deleted_nothing {
            return Ok(Some(TxnOutcome::Refused { current: self.found(&answer).await? }));
        }
        let previous = match replaced {
            Some(replaced) => Some(replaced),
            None => self.replaced(&answer),
        };
        // Who reads next without asking for the latest state finds it all the same.
        let known = if self.reach(at).await { self.known(&prepared.key, at) } else { None };
        let entry = ours.map(|ours| known.unwrap_or_else(|| Arc::new(ours(at))));
        Ok(Some(TxnOutcome::Committed { revision: at, entry, previous }))
    }

    /// What a refused transaction found.
    async fn found(&self, answer: &m::TxnResponse) -> Result<Option<Arc<Entry>>> {
        let kv = answer.responses.iter().find_map(|response| match &response.response {
            Some(m::Response::Range(range)) => range.kvs.first(),
            _ => None,
        });
        let Some(kv) = kv else { return Ok(None) };
        self.version(kv).await
    }

    /// What a committed transaction replaced.
    fn replaced(&self, answer: &m::TxnResponse) -> Option<Arc<Entry>> {
        let kv = answer.responses.iter().find_map(|response| match &response.response {
            Some(m::Response::Put(put)) => put.prev_kv.as_ref(),
            Some(m::Response::DeleteRange(delete)) => delete.prev_kvs.first(),
            _ => None,
        })?;
        // The write is done; that its past cannot be read must not make it fail.
        self.codec.decode(kv).unwrap_or_else(|error| {
            tracing::warn!(%error, "the version that a write replaced cannot be read");
            None
        })
    }
}

/// The transaction of etcd: what to do where the precondition holds, and a look at the key where it does not.
fn request(key: &Bytes, precondition: Precondition, then: m::Request) -> m::TxnRequest {
    let required: Option<Revision> = match precondition {
        Precondition::None => None,
        Precondition::Absent => Some(0),
        Precondition::Revision(required) => Some(required),
    };
    let compare = required.map(|required| m::Compare {
        result: 0,
        target: m::TARGET_MOD,
        key: key.clone(),
        value: Some(m::Target::ModRevision(super::client::number(required))),
    });
    let look = m::RangeRequest { key: key.clone(), ..m::RangeRequest::default() };
    m::TxnRequest {
        compare: compare.into_iter().collect(),
        success: vec![m::RequestOp { request: Some(then) }],
        failure: vec![m::RequestOp { request: Some(m::Request::Range(look)) }],
    }
}
