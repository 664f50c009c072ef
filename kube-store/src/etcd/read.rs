//! Reads: from the index where it is known to be fresh enough, from etcd where it is not.

use super::client::{number, revision};
use super::feed::{Feed, PAGE};
use super::messages as m;
use crate::engine::read::Entries;
use crate::{Entry, Error, ListRequest, Listing, ReadAt, Remaining, Result, Revision, Watch, WatchRequest};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How long a read waits for the watch to bring what etcd has, before it reads from etcd itself: what is on its way comes
/// within a round trip, and where others write to the same cluster no event may come at all.
const PATIENCE: Duration = Duration::from_millis(250);
/// The same where the member can be asked for its progress, so that it will say when nothing comes.
const PATIENCE_WITH_PROGRESS: Duration = Duration::from_secs(3);
/// How often it is asked.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

impl Feed {
    /// The revision of etcd's last transaction; linearizable.
    pub(super) async fn present(&self) -> Result<Revision> {
        self.client.revision(self.codec.keys.compaction_key()).await
    }

    /// Waits for the index to reach a revision that etcd has; `false` when it does not come.
    pub(super) async fn reach(&self, revision: Revision) -> bool {
        if self.engine.revision() >= revision {
            return true;
        }
        let asks = self.asks_progress.load(Ordering::Relaxed);
        let deadline = Instant::now() + if asks { PATIENCE_WITH_PROGRESS } else { PATIENCE };
        let mut state = self.state.subscribe();
        loop {
            {
                let state = state.borrow_and_update();
                if state.revision >= revision {
                    return true;
                }
                if state.trouble.is_some() {
                    return false;
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            let until = deadline.min(now + PROGRESS_PERIOD);
            if tokio::time::timeout_at(until, state.changed()).await.is_err() && asks {
                self.progress.notify_one();
            }
        }
    }

    /// Waits for the index to reach a revision that somebody has named; `false` when it does not come.
    async fn reach_named(&self, requested: Revision) -> Result<bool> {
        if self.engine.revision() >= requested {
            return Ok(true);
        }
        let current = self.present().await?;
        if requested > current {
            return Err(Error::Future { requested, current });
        }
        Ok(self.reach(requested).await)
    }

    /// The version of a key.
    pub(super) async fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>> {
        match at {
            ReadAt::Latest => self.get_latest(key).await,
            ReadAt::NotOlderThan(requested) => {
                if self.reach_named(requested).await? {
                    return self.engine.get(key, at);
                }
                self.get_latest(key).await
            }
            ReadAt::Exactly(requested) => {
                if self.reach_named(requested).await? {
                    match self.engine.get(key, at) {
                        // To etcd, revision 0 is the latest.
                        Err(Error::Compacted { .. }) if requested > 0 => {}
                        answer => return answer,
                    }
                }
                self.get_stored(key, Some(requested)).await
            }
        }
    }

    /// The latest version. etcd is asked for its revision only: the index has the version itself, or is about to. That
    /// needs no progress: a version under this key is an event of the watch.
    async fn get_latest(&self, key: &str) -> Result<Option<Arc<Entry>>> {
        let stored = self.codec.keys.stored(key);
        let request = m::RangeRequest { key: stored, keys_only: true, ..m::RangeRequest::default() };
        let (answer, present) = self.client.range(&request).await?;
        match answer.kvs.first() {
            // What the index has been told since etcd answered is newer; what it has from before is deleted by now.
            None => Ok(self.engine.current(key).filter(|entry| entry.revision > present)),
            Some(kv) if self.reach(revision(kv.mod_revision)).await => Ok(self.engine.current(key)),
            Some(_) => self.get_stored(key, None).await,
        }
    }

    /// A version, from etcd itself.
    async fn get_stored(&self, key: &str, at: Option<Revision>) -> Result<Option<Arc<Entry>>> {
        let stored = self.codec.keys.stored(key);
        let request = m::RangeRequest { key: stored, revision: at.map_or(0, number), ..m::RangeRequest::default() };
        let (answer, _) = self.client.range(&request).await.map_err(|error| self.locate(error))?;
        match answer.kvs.first() {
            None => Ok(None),
            Some(kv) => self.version(kv).await,
        }
    }

    /// A version that etcd has sent: the one that the index shares with all readers, if it has it.
    pub(super) async fn version(&self, kv: &m::KeyValue) -> Result<Option<Arc<Entry>>> {
        let known = self.codec.keys.key(&kv.key).and_then(|key| self.known(key, revision(kv.mod_revision)));
        if known.is_some() {
            return Ok(known);
        }
        self.codec.prepare(kv).await?;
        self.codec.decode(kv)
    }

    /// Says how old a revision can be, which etcd does not.
    pub(super) fn locate(&self, error: Error) -> Error {
        match error {
            Error::Compacted { requested, .. } => {
                Error::Compacted { requested, oldest: self.engine.floor().max(requested + 1) }
            }
            other => other,
        }
    }

    /// The entries under a prefix.
    pub(super) async fn list(&self, request: ListRequest) -> Result<Listing> {
        let at = match request.at {
            ReadAt::Latest => {
                let present = self.present().await?;
                if self.reach(present).await {
                    return self.engine.list(request);
                }
                present
            }
            ReadAt::NotOlderThan(requested) => {
                if self.reach_named(requested).await? {
                    return self.engine.list(request);
                }
                self.present().await?
            }
            ReadAt::Exactly(requested) => {
                if self.reach_named(requested).await? {
                    match self.engine.list(request.clone()) {
                        Err(Error::Compacted { .. }) if requested > 0 => {}
                        answer => return answer,
                    }
                }
                requested
            }
        };
        self.list_stored(request, at).await
    }

    /// The entries under a prefix, from etcd itself.
    async fn list_stored(&self, request: ListRequest, at: Revision) -> Result<Listing> {
        let ListRequest { prefix, after, limit, selector, .. } = request;
        let (mut key, range_end) = self.codec.keys.range(&prefix, after.as_deref());
        let looked_at = if limit == 0 { usize::MAX } else { limit + 1 };
        let (mut entries, mut count) = (Vec::new(), None);
        'pages: loop {
            let page = if selector.is_everything() { i64::try_from(looked_at).unwrap_or(PAGE).min(PAGE) } else { PAGE };
            let range_end = range_end.clone();
            let request =
                m::RangeRequest { key, range_end, limit: page, revision: number(at), ..m::RangeRequest::default() };
            let (answer, _) = self.client.range(&request).await.map_err(|error| self.locate(error))?;
            count.get_or_insert(answer.count);
            for kv in &answer.kvs {
                entries.extend(self.version(kv).await?.filter(|entry| selector.matches(&entry.attributes)));
                if entries.len() == looked_at {
                    break 'pages;
                }
            }
            match answer.kvs.last() {
                Some(last) if answer.more => key = [&last.key[..], b"\0"].concat().into(),
                _ => break,
            }
        }
        let more = limit > 0 && entries.len() > limit;
        let remaining = more.then(|| {
            entries.truncate(limit);
            let beyond =
                count.and_then(|count| u64::try_from(count).ok()).map(|count| count.saturating_sub(limit as u64));
            Remaining { count: beyond.filter(|_| selector.is_everything()) }
        });
        Ok(Listing { revision: at, entries: Box::new(entries.into_iter()), remaining })
    }

    /// Every change under a prefix.
    pub(super) async fn watch(&self, request: WatchRequest) -> Result<Watch> {
        if !request.initial_state {
            let cursor = match request.after {
                None => self.present().await?,
                Some(requested) if requested > self.engine.revision() => {
                    // The watch may begin behind what has arrived here, but not behind what there is.
                    let current = self.present().await?;
                    if requested > current {
                        return Err(Error::Future { requested, current });
                    }
                    requested
                }
                Some(_) => return self.engine.watch(request),
            };
            return Ok(self.engine.watch_from(request, None, cursor));
        }
        let fresh = match request.after {
            None => {
                let present = self.present().await?;
                self.reach(present).await.then_some(()).ok_or(present)
            }
            Some(requested) if self.reach_named(requested).await? => Ok(()),
            Some(_) => Err(self.present().await?),
        };
        match fresh {
            Ok(()) => self.engine.watch(request),
            Err(at) => {
                let list = ListRequest {
                    prefix: request.prefix.clone(),
                    selector: request.selector.clone(),
                    ..ListRequest::default()
                };
                let initial: Entries = self.list_stored(list, at).await?.entries;
                Ok(self.engine.watch_from(request, Some(initial), at))
            }
        }
    }
}
