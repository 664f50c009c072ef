//! Reads and the start of watches.

use super::Engine;
pub(crate) use super::stream::Entries;
use super::stream::WatchStream;
use super::watcher::Watcher;
use crate::index::Snapshot;
use crate::{Entry, Error, ListRequest, Listing, ReadAt, Remaining, Result, Revision, Selector, Watch, WatchRequest};
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// The version of `key` at a revision.
    pub(crate) fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>> {
        self.index.read().get(key, at)
    }

    /// The revision of the last transaction.
    pub(crate) fn revision(&self) -> Revision {
        self.index.read().revision()
    }

    /// Bytes of the present state.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.index.read().live_bytes() as u64
    }

    /// The state of this moment, or of a revision.
    pub(crate) fn snapshot(&self, at: ReadAt) -> Result<Snapshot> {
        self.index.read().snapshot(at, &Selector::default())
    }

    /// The entries under a prefix.
    pub(crate) fn list(&self, request: ListRequest) -> Result<Listing> {
        let ListRequest { prefix, after, limit, at, selector } = request;
        let after = after.as_deref();
        let snapshot = self.index.read().snapshot(at, &selector)?;
        let revision = snapshot.revision;
        let all = selector.is_everything();
        if !snapshot.is_past() && (all || limit == 0) {
            // Nothing but the snapshot is needed: the walk happens as the caller goes.
            let remaining = if limit == 0 { None } else { beyond(snapshot.count(&prefix, after), limit) };
            let entries = select(snapshot.walk(&prefix, after), selector);
            let entries = if remaining.is_some() { Box::new(entries.take(limit)) } else { entries };
            return Ok(Listing { revision, entries, remaining });
        }
        // Whether more matches exist is only known by looking; versions of the past may be compacted meanwhile.
        let looked_at = if limit == 0 { usize::MAX } else { limit + 1 };
        let walk = select(snapshot.walk(&prefix, after), selector);
        let mut entries: Vec<_> = walk.take(looked_at).collect();
        if snapshot.is_past() {
            let oldest = self.index.read().floor();
            if revision < oldest {
                return Err(Error::Compacted { requested: revision, oldest });
            }
        }
        let more = limit > 0 && entries.len() > limit;
        let remaining = more.then(|| {
            entries.truncate(limit);
            // At a revision of the past this is an estimate by the present, which is cheap and near enough for its
            // use (the API convention on remainingItemCount); that there is at least one is known.
            let count = all.then(|| snapshot.count(&prefix, after).saturating_sub(limit).max(1) as u64);
            Remaining { count }
        });
        Ok(Listing { revision, entries: Box::new(entries.into_iter()), remaining })
    }

    /// Starts a watch.
    pub(crate) fn watch(self: &Arc<Self>, request: WatchRequest) -> Result<Watch> {
        if self.writer.lock().closed {
            return Err(Error::Closed);
        }
        let (initial, cursor) = self.start_of(&request)?;
        Ok(self.watch_from(request, initial, cursor))
    }

    /// A watch that delivers `initial`, if any, and then what comes after `cursor`.
    pub(crate) fn watch_from(
        self: &Arc<Self>,
        request: WatchRequest,
        initial: Option<Entries>,
        cursor: Revision,
    ) -> Watch {
        let id = self.watchers.fetch_add(1, Ordering::Relaxed);
        let watcher = Arc::new(Watcher::new(id, request, self.config.watch_buffer));
        WatchStream::new(Arc::clone(self), watcher, initial, cursor).boxed()
    }

    /// The initial state that a watch delivers, if any, and the revision after which it goes on.
    pub(crate) fn start_of(&self, request: &WatchRequest) -> Result<(Option<Entries>, Revision)> {
        let index = self.index.read();
        let current = index.revision();
        if request.initial_state {
            let at = request.after.map_or(ReadAt::Latest, ReadAt::NotOlderThan);
            let snapshot = index.snapshot(at, &request.selector)?;
            let entries = select(snapshot.walk(&request.prefix, None), request.selector.clone());
            return Ok((Some(entries), current));
        }
        match request.after {
            None => Ok((None, current)),
            Some(requested) if requested > current => Err(Error::Future { requested, current }),
            Some(requested) if requested < index.floor() => Err(Error::Compacted { requested, oldest: index.floor() }),
            Some(requested) => Ok((None, requested)),
        }
    }
}

/// What lies beyond `limit` of `count` entries.
fn beyond(count: usize, limit: usize) -> Option<Remaining> {
    let count = count.checked_sub(limit).filter(|beyond| *beyond > 0)?;
    Some(Remaining { count: Some(count as u64) })
}

fn select(entries: Entries, selector: Selector) -> Entries {
    if selector.is_everything() {
        return entries;
    }
    Box::new(entries.filter(move |entry| selector.matches(&entry.attributes)))
}
