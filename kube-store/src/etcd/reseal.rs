//! Writes anew what is stored under an older key.

use super::feed::{Feed, PAGE};
use super::messages as m;
use crate::Result;
use bytes::Bytes;

impl Feed {
    /// Brings every value under the rules of encryption to the present key, then has etcd forget the older versions. Gives
    /// the number of values that had to be written anew. etcd's files keep free pages, and its log of proposals, for a
    /// while longer.
    pub(super) async fn reseal(&self) -> Result<u64> {
        self.codec.encryption.refresh().await?;
        let mut count = 0;
        for prefix in self.codec.encryption.prefixes() {
            let (mut key, range_end) = self.codec.keys.range(&prefix, None);
            loop {
                let range_end = range_end.clone();
                let request = m::RangeRequest { key, range_end, limit: PAGE, ..m::RangeRequest::default() };
                let (answer, _) = self.client.range(&request).await?;
                for kv in &answer.kvs {
                    self.codec.prepare(kv).await?;
                    if let Some(value) = self.codec.reseal(kv)? {
                        count += u64::from(self.replace(kv, value).await?);
                    }
                }
                match answer.kvs.last() {
                    Some(last) if answer.more => key = [&last.key[..], b"\0"].concat().into(),
                    _ => break,
                }
            }
        }
        if count > 0 {
            let present = self.present().await?;
            match self.client.compact(present, true).await {
                Ok(()) | Err(super::failure::Failure::Compacted) => {}
                Err(failure) => return Err(failure.into_error(present)),
            }
        }
        Ok(count)
    }

    /// Replaces a value unless somebody has written it meanwhile, who did so under the present key. It keeps its lifetime.
    async fn replace(&self, kv: &m::KeyValue, value: Bytes) -> Result<bool> {
        let compare = m::Compare {
            result: 0,
            target: m::TARGET_MOD,
            key: kv.key.clone(),
            value: Some(m::Target::ModRevision(kv.mod_revision)),
        };
        let put = m::PutRequest { key: kv.key.clone(), value, ignore_lease: true, ..m::PutRequest::default() };
        let request = m::TxnRequest {
            compare: vec![compare],
            success: vec![m::RequestOp { request: Some(m::Request::Put(put)) }],
            failure: Vec::new(),
        };
        let (answer, _) = self.client.txn(&request).await?;
        Ok(answer.succeeded)
    }
}
