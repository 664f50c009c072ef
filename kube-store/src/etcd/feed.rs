//! Keeps the index up with etcd: reads the state once, then follows one watch over all keys of the store.
//!
//! The watch is opened again, on another member if need be, behind the last revision that arrived, so that nothing is left
//! out and nothing comes twice. Only if etcd's history has been compacted past that point is the state read anew; watches
//! of the store that were fed by the old one then end, and their clients list again.

use super::client::{Client, WATCH, number, revision};
use super::codec::Codec;
use super::failure::Failure;
use super::messages as m;
use super::version::tells_progress_in_order;
use crate::engine::Engine;
use crate::index::Index;
use crate::index::history::Change;
use crate::{Entry, Error, ReadAt, Result, Revision};
use futures::channel::mpsc;
use hashbrown::HashMap;
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tonic_prost::ProstCodec;

/// Keys that are read at a time.
pub(super) const PAGE: i64 = 500;
/// Pauses between attempts to open the watch.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What reads and writes need to know of the feed.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The revision that the index has reached.
    pub(super) revision: Revision,
    /// Why the watch does not run, while it does not.
    pub(super) trouble: Option<String>,
}

/// The feed, and what it shares with the store.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) engine: Arc<Engine>,
    pub(super) client: Client,
    pub(super) codec: Codec,
    pub(super) state: watch::Sender<State>,
    /// Rung by readers who wait for a revision of which no event may tell.
    pub(super) progress: Notify,
    /// Whether the member that is watched can be asked for its progress.
    pub(super) asks_progress: AtomicBool,
}

/// Why following ended.
enum Ended {
    /// Another member was taken into use.
    Moved,
    /// The history no longer has what comes next, or is not the one that was followed.
    Lost(String),
    Failed(String),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Feed {
    /// Follows etcd until it is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        let mut pause = PAUSE_MIN;
        loop {
            let before = self.engine.revision();
            let text = match self.follow().await {
                Ended::Moved => continue,
                Ended::Failed(text) => text,
                Ended::Lost(text) => {
                    tracing::warn!(%text, "the state is read anew from etcd");
                    match self.load().await {
                        Ok(()) => continue,
                        Err(error) => error.to_string(),
                    }
                }
            };
            if self.engine.revision() > before {
                pause = PAUSE_MIN;
            }
            if self.trouble(Some(text.clone())) {
                tracing::warn!(%text, "the watch of etcd ended; it is opened again");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Notes what is wrong, and whether it is news.
    fn trouble(&self, trouble: Option<String>) -> bool {
        self.state.send_if_modified(|state| {
            let news = state.trouble != trouble;
            state.trouble = trouble;
            news
        })
    }

    fn arrived(&self) {
        let revision = self.engine.revision();
        self.state.send_if_modified(|state| {
            let news = state.revision != revision;
            state.revision = revision;
            news
        });
    }

    /// Follows the watch of one member until that ends.
    async fn follow(&self) -> Ended {
        match self.try_follow().await {
            Ok(ended) | Err(ended) => ended,
        }
    }

    async fn try_follow(&self) -> Result<Ended, Ended> {
        let present = self.client.revision(self.codec.keys.compaction_key()).await?;
        let start = self.engine.revision();
        if present < start {
            return Ok(Ended::Lost(format!(
                "etcd is at revision {present}, and was at {start}: was a backup restored?"
            )));
        }
        let trusted = tells_progress_in_order(&self.client.status().await?.version);
        self.asks_progress.store(trusted, Ordering::Relaxed);
        let mut terms = self.client.terms();
        let term = *terms.borrow_and_update();
        let (mut requests, mut answers) = match self.open(term, start + 1).await {
            Ok(opened) => opened,
            Err(text) => {
                self.client.give_up(term).await;
                return Err(Ended::Failed(text));
            }
        };
        let mut pending = Vec::new();
        loop {
            let answer = tokio::select! {
                biased;
                answer = answers.message() => answer,
                _ = terms.changed() => return Ok(Ended::Moved),
                () = self.progress.notified() => {
                    let request = m::WatchRequest { request: Some(m::WatchRequestKind::Progress(m::Empty {})) };
                    // One that does not fit waits for the next ring.
                    let _ = requests.try_send(request);
                    continue;
                }
            };
            let answer = match answer {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    self.client.give_up(term).await;
                    return Err(Ended::Failed("etcd ended the watch".to_owned()));
                }
                Err(status) => {
                    self.client.give_up(term).await;
                    return Err(Ended::Failed(crate::grpc::chain(&status)));
                }
            };
            for event in &answer.events {
                if let Some(kv) = event.kv.as_ref().filter(|_| event.kind != m::EVENT_DELETE) {
                    self.codec.prepare(kv).await?;
                }
            }
            self.take(answer, trusted, &mut pending)?;
        }
    }

    /// Opens the watch on the member of this term.
    async fn open(
        &self,
        term: usize,
        start: Revision,
    ) -> Result<(mpsc::Sender<m::WatchRequest>, tonic::Streaming<m::WatchResponse>), String> {
        let (current, endpoint) = self.client.current();
        if current != term {
            return Err(format!("{endpoint:?} has just been taken into use"));
        }
        let (mut requests, receiver) = mpsc::channel(4);
        let (key, range_end) = self.codec.keys.whole();
        let create = m::WatchCreateRequest {
            key,
            range_end,
            start_revision: number(start),
            progress_notify: true,
            fragment: true,
        };
        let create = m::WatchRequest { request: Some(m::WatchRequestKind::Create(create)) };
        requests.try_send(create).map_err(|error| error.to_string())?;
        let work = async {
            let mut grpc = self.client.grpc(endpoint).await?;
            let request = self.client.authorized(endpoint, receiver).await?;
            let codec = ProstCodec::<m::WatchRequest, m::WatchResponse>::default();
            let opened = grpc.streaming(request, PathAndQuery::from_static(WATCH), codec).await;
            opened.map_err(|status| Failure::of(&status, &endpoint.address))
        };
        let patience = self.client.config().read_timeout;
        match tokio::time::timeout(patience, work).await {
            Ok(Ok(opened)) => Ok((requests, opened.into_inner())),
            Ok(Err(failure)) => {
                if matches!(failure, Failure::Token(_)) {
                    self.client.forget_token();
                }
                Err(failure.into_error(start).to_string())
            }
            Err(_) => Err(format!("{endpoint:?}: the watch was not answered within {patience:?}")),
        }
    }

    /// Takes in one answer of the watch.
    fn take(&self, answer: m::WatchResponse, trusted: bool, pending: &mut Vec<m::Event>) -> Result<(), Ended> {
        let present = self.client.check(answer.header.as_ref())?;
        if answer.compact_revision > 0 {
            let text = format!("etcd has compacted its history up to revision {}", answer.compact_revision);
            return Err(Ended::Lost(text));
        }
        if answer.canceled {
            if answer.cancel_reason.contains("token") {
                self.client.forget_token();
            }
            return Err(Ended::Failed(format!("etcd cancelled the watch: {}", answer.cancel_reason)));
        }
        if answer.created {
            self.trouble(None);
            return Ok(());
        }
        let told = answer.events.is_empty() && pending.is_empty();
        pending.extend(answer.events);
        if answer.fragment {
            return Ok(());
        }
        if told && trusted {
            self.engine.advance(present)?;
        }
        let outcome = self.apply(std::mem::take(pending));
        self.arrived();
        outcome.map_err(Ended::from)
    }

    /// Makes events the present state.
    fn apply(&self, events: Vec<m::Event>) -> Result<()> {
        let start = self.engine.revision();
        let mut reached = start;
        let mut changes: Vec<Change> = Vec::with_capacity(events.len());
        // Keys that were changed earlier among these.
        let mut group: HashMap<Arc<str>, Option<Arc<Entry>>> = HashMap::new();
        let mut outcome = Ok(());
        for m::Event { kind, kv } in events {
            let Some(kv) = kv else { continue };
            let at = revision(kv.mod_revision);
            if at <= start {
                continue;
            }
            match self.change(kind, &kv, &group) {
                Ok(Some(change)) => {
                    group.insert(Arc::clone(change.key()), change.entry.clone());
                    changes.push(change);
                }
                Ok(None) => {}
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            reached = at;
        }
        {
            let mut writer = self.engine.turn()?;
            self.engine.publish(&mut writer, &changes);
        }
        self.engine.advance(reached)?;
        outcome
    }

    /// What an event changes; `None` where it concerns no key of the store.
    fn change(
        &self,
        kind: i32,
        kv: &m::KeyValue,
        group: &HashMap<Arc<str>, Option<Arc<Entry>>>,
    ) -> Result<Option<Change>> {
        let Some(key) = self.codec.keys.key(&kv.key) else { return Ok(None) };
        let previous = match group.get(key) {
            Some(changed) => changed.clone(),
            None => self.engine.current(key),
        };
        let entry = if kind == m::EVENT_DELETE { None } else { self.codec.decode(kv)? };
        if previous.is_none() && entry.is_none() {
            return Ok(None);
        }
        Ok(Some(Change { revision: revision(kv.mod_revision), previous, entry, at: Instant::now() }))
    }

    /// Reads the state: that of a while ago if etcd still has it, so that the watch brings the history since.
    pub(super) async fn load(&self) -> Result<()> {
        let present = self.client.revision(self.codec.keys.compaction_key()).await?;
        let start = self.oldest_readable(present).await?;
        let index = match self.read_state(start).await {
            Ok(index) => index,
            // Old versions may be gone by now, or be encrypted under a key that is gone.
            Err(error) if start < present => {
                tracing::debug!(%error, "the history is not read back");
                self.read_state(present).await?
            }
            Err(error) => return Err(error),
        };
        self.engine.reset(index)?;
        self.arrived();
        Ok(())
    }

    /// The oldest revision to begin at: etcd says that it has been compacted, but not up to where.
    async fn oldest_readable(&self, present: Revision) -> Result<Revision> {
        let (mut low, mut high) = (present.saturating_sub(self.client.config().replay_max).max(1), present);
        while low < high {
            let middle = low + (high - low) / 2;
            let key = self.codec.keys.compaction_key();
            let request =
                m::RangeRequest { key, revision: number(middle), count_only: true, ..m::RangeRequest::default() };
            match self.client.range(&request).await {
                Ok(_) => high = middle,
                Err(Error::Compacted { .. }) => low = middle + 1,
                Err(error) => return Err(error),
            }
        }
        Ok(high)
    }

    async fn read_state(&self, at: Revision) -> Result<Index> {
        let mut index = Index::new(crate::EMPTY_REVISION, &self.engine.config().indexed);
        let (mut key, range_end) = self.codec.keys.whole();
        loop {
            let request = m::RangeRequest {
                key,
                range_end: range_end.clone(),
                limit: PAGE,
                revision: number(at),
                ..m::RangeRequest::default()
            };
            let (answer, _) = self.client.range(&request).await?;
            for kv in &answer.kvs {
                self.codec.prepare(kv).await?;
                if let Some(entry) = self.codec.decode(kv)? {
                    index.restore(entry);
                }
            }
            match answer.kvs.last() {
                Some(last) if answer.more => key = [&last.key[..], b"\0"].concat().into(),
                _ => break,
            }
        }
        index.begin_at(at);
        Ok(index)
    }

    /// The version that the index has of a key at a revision, if it was written at just that revision.
    pub(super) fn known(&self, key: &str, at: Revision) -> Option<Arc<Entry>> {
        self.engine.get(key, ReadAt::Exactly(at)).ok().flatten().filter(|entry| entry.revision == at)
    }
}
