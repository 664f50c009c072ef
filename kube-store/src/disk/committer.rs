//! The one writer of the disk backend: takes transactions in groups, makes each group durable, and hands it on to be
//! published.

use super::answers::Answers;
use super::group::Group;
use super::log::Log;
use super::medium::Medium;
use super::publisher::{Publisher, Work};
use super::queue::Queue;
use super::{frame, snapshot};
use crate::engine::Engine;
use crate::engine::transaction::Prepared;
use crate::{Encryption, Error, ReadAt, Result, Revision, TxnOutcome};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Something for the committer to do.
#[derive(Debug)]
pub(crate) enum Request {
    Txn(Box<Prepared>, oneshot::Sender<Result<TxnOutcome>>),
    Compact(Revision, oneshot::Sender<Result<()>>),
    /// Writes a snapshot now, whether or not one is due, and answers when nothing else is left of the past.
    Snapshot(oneshot::Sender<Result<()>>),
    /// A snapshot that was written beside has come to its end.
    Written(Revision, io::Result<u64>),
}

/// The committer.
#[derive(Debug)]
pub(crate) struct Committer {
    engine: Arc<Engine>,
    publisher: Publisher,
    medium: Arc<dyn Medium>,
    log: Log,
    /// The configured size of a log file.
    segment_bytes: u64,
    /// Bytes of the open log file at which it is completed.
    rotate_at: u64,
    /// Bytes of the last snapshot.
    snapshot_bytes: u64,
    /// Bytes of the state that it has, and that of the one that is being written.
    snapshot_live: u64,
    writing_live: u64,
    /// Bytes of the log at which the next snapshot is due.
    snapshot_at: u64,
    /// Bytes of the log below which none is tried again, after one has failed.
    not_before: u64,
    /// Whether a snapshot is being written.
    writing: bool,
    /// Those who wait for a snapshot that begins after they asked.
    waiting: Vec<oneshot::Sender<Result<()>>>,
    /// Those for whom the one that is being written is it.
    served: Vec<oneshot::Sender<Result<()>>>,
    stop: Arc<AtomicBool>,
}

/// A snapshot to be written, wherever that happens.
#[derive(Debug)]
pub(crate) struct SnapshotJob {
    medium: Arc<dyn Medium>,
    snapshot: crate::index::Snapshot,
    encryption: Encryption,
    stop: Arc<AtomicBool>,
}

impl SnapshotJob {
    /// Writes it, and says so to the committer by the request that comes back.
    pub(crate) fn run(self) -> Request {
        let written = snapshot::write(&*self.medium, &self.snapshot, &self.encryption, &self.stop);
        Request::Written(self.snapshot.revision, written)
    }
}

impl Committer {
    pub(crate) fn new(
        engine: Arc<Engine>,
        medium: Arc<dyn Medium>,
        log: Log,
        segment_bytes: u64,
        (snapshot_bytes, snapshot_live): (u64, u64),
    ) -> Self {
        let snapshot_at = due_after(snapshot_bytes, segment_bytes);
        let (rotate_at, not_before, writing, stop) = (segment_bytes, 0, false, Arc::default());
        let (waiting, served) = (Vec::new(), Vec::new());
        Self {
            publisher: Publisher::new(Arc::clone(&engine)),
            engine,
            medium,
            log,
            segment_bytes,
            rotate_at,
            snapshot_bytes,
            snapshot_live,
            writing_live: 0,
            snapshot_at,
            not_before,
            writing,
            waiting,
            served,
            stop,
        }
    }

    /// Makes everything in the directory of the present version of the format: what there is goes into a snapshot, and
    /// the log on in a new file. A machine that stops meanwhile finds both versions, which can be read together.
    pub(crate) fn upgrade(&mut self) {
        (self.snapshot_at, self.not_before) = (0, 0);
        if let Some(job) = self.maintain() {
            let written = job.run();
            self.step(&mut VecDeque::from([written]));
            self.log.drop_spares();
        }
    }

    /// Ends a snapshot that is being written.
    pub(crate) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// What is being answered.
    pub(crate) fn answers(&self) -> Arc<Answers> {
        Arc::clone(self.publisher.answers())
    }

    /// Lets groups be published on a thread, which is to do the work that comes back, whenever somebody waits in `queue`.
    pub(crate) fn publish_beside(&mut self, queue: &Arc<Queue>) -> Work {
        self.publisher.with_thread(Arc::clone(queue))
    }

    /// Takes a group off the front of `requests`, and answers it. What comes back is to be run.
    pub(crate) fn step(&mut self, requests: &mut VecDeque<Request>) -> Option<SnapshotJob> {
        self.commit_group(requests);
        while let Some(request) = requests.pop_front() {
            match request {
                Request::Txn(..) => {
                    requests.push_front(request);
                    return None;
                }
                Request::Compact(revision, reply) => {
                    self.publisher.finish();
                    let done = self.compact(revision);
                    let _ = reply.send(done);
                }
                Request::Snapshot(reply) => {
                    self.waiting.push(reply);
                    (self.snapshot_at, self.not_before) = (0, 0);
                }
                Request::Written(revision, written) => self.snapshot_written(revision, written),
            }
        }
        self.maintain()
    }

    /// To be called when no requests have come for a while: marks the log as durable.
    pub(crate) fn idle(&mut self) {
        self.log.mark();
    }

    /// Marks the log as durable to its end, durably.
    pub(crate) fn close(&mut self) {
        self.log.close();
    }

    /// Commits the transactions at the front of the queue, as many as fit into one frame.
    fn commit_group(&mut self, requests: &mut VecDeque<Request>) {
        if !matches!(requests.front(), Some(Request::Txn(..))) {
            return;
        }
        self.publisher.settle();
        let mut group = Group::default();
        let before = self.log.revision();
        let at = Instant::now();
        while group.bytes < frame::PAYLOAD_TARGET
            && let Some(Request::Txn(..)) = requests.front()
            && let Some(Request::Txn(prepared, to)) = requests.pop_front()
        {
            let current = match group.changed.get(&*prepared.key) {
                Some(changed) => changed.clone(),
                None => self.publisher.current(&prepared.key),
            };
            group.add(*prepared, to, current, before, at);
        }
        match self.log.commit(&group.changes, &self.engine.config().encryption) {
            Ok(()) => self.publisher.publish(group, !requests.is_empty()),
            Err(error) => group.fail(error, self.publisher.answers()),
        }
    }

    fn compact(&mut self, revision: Revision) -> Result<()> {
        self.engine.compact(revision)?;
        // Where it cannot be noted, the history is back after a restart, and nothing worse.
        if let Err(error) = self.log.note_compaction(revision) {
            tracing::warn!(%error, "a compaction was not noted in the log");
        }
        // What is dead may be most of the files by now, and files are to shrink.
        self.log.drop_spares();
        const WORTHWHILE: u64 = 64 << 10;
        if !self.writing && self.log.bytes() > self.snapshot_bytes / 2 + WORTHWHILE {
            (self.snapshot_at, self.not_before) = (0, 0);
        }
        Ok(())
    }

    /// Completes a log file that is large enough, and starts a snapshot when one is due.
    fn maintain(&mut self) -> Option<SnapshotJob> {
        if let Err(error) = self.log.check() {
            for reply in self.waiting.drain(..) {
                let _ = reply.send(Err(error.clone()));
            }
            return None;
        }
        let bytes = self.log.bytes();
        // After much was deleted, most of a large snapshot is dead, and would wait for a log of its size.
        let wasted = self.snapshot_bytes > self.segment_bytes && self.engine.live_bytes() < self.snapshot_live / 2;
        let due = !self.writing && bytes >= self.not_before && (bytes >= self.snapshot_at || wasted);
        // Where a snapshot will complete the file soon, a file for the rest would be short, and not worth to be kept.
        let soon = self.snapshot_at.saturating_sub(bytes) < self.segment_bytes / 2;
        let longer = if soon { self.segment_bytes / 2 } else { 0 };
        if !due && self.log.file_bytes() < self.rotate_at + longer {
            return None;
        }
        // What the snapshot has must be the present by then.
        self.publisher.finish();
        if !self.waiting.is_empty() {
            // Nothing of the past may be left then, in a file that goes on over an older one neither.
            self.log.drop_spares();
        }
        // A snapshot at the seam of two files makes all files before it superfluous.
        if let Err(error) = self.log.rotate() {
            tracing::warn!(%error, "the log goes on in the same file");
            self.rotate_at = self.log.file_bytes() + self.segment_bytes / 4;
            self.not_before = self.log.bytes() + self.segment_bytes / 4;
            for reply in self.waiting.drain(..) {
                let _ = reply.send(Err(Error::Io(format!("no snapshot was written: {error}"))));
            }
            return None;
        }
        self.rotate_at = self.segment_bytes;
        if !due {
            return None;
        }
        let snapshot = self.engine.snapshot(ReadAt::Latest).ok()?;
        self.writing = true;
        self.writing_live = self.engine.live_bytes();
        self.served = std::mem::take(&mut self.waiting);
        let encryption = self.engine.config().encryption.clone();
        Some(SnapshotJob { medium: Arc::clone(&self.medium), snapshot, encryption, stop: Arc::clone(&self.stop) })
    }

    fn snapshot_written(&mut self, revision: Revision, written: io::Result<u64>) {
        (self.writing, self.not_before) = (false, 0);
        let kept = written.and_then(|bytes| {
            (self.snapshot_bytes, self.snapshot_live) = (bytes, self.writing_live);
            // One file, or as much as the log grows to, if each is worth it.
            let enough = if self.served.is_empty() { due_after(bytes, self.segment_bytes) } else { 0 };
            self.log.forget_before(revision, self.segment_bytes / 2, enough)
        });
        self.snapshot_at = due_after(self.snapshot_bytes, self.segment_bytes);
        for reply in self.served.drain(..) {
            let answer = kept.as_ref().map_err(|error| Error::Io(format!("no snapshot was written: {error}")));
            let _ = reply.send(answer.copied());
        }
        if let Err(error) = kept {
            if !self.stop.load(Ordering::Relaxed) {
                tracing::warn!(medium = %self.medium.describe(), %error, "no snapshot was written; the log grows on");
            }
            // What was kept for the log may be the room that was missing.
            self.log.drop_spares();
            self.not_before = self.log.bytes() + self.segment_bytes / 4;
        }
        if !self.waiting.is_empty() {
            (self.snapshot_at, self.not_before) = (0, 0);
        }
    }
}

/// Bytes of the log at which a snapshot is due: as many as the state has, or one file, so that the work of writing
/// snapshots stays in proportion to what is written.
fn due_after(snapshot_bytes: u64, segment_bytes: u64) -> u64 {
    snapshot_bytes.max(segment_bytes)
}

/// What a request that came too late is told.
pub(crate) fn refuse(request: Request) {
    match request {
        Request::Txn(_, reply) => drop(reply.send(Err(Error::Closed))),
        Request::Snapshot(reply) => drop(reply.send(Err(Error::Closed))),
        Request::Compact(_, reply) => drop(reply.send(Err(Error::Closed))),
        Request::Written(..) => {}
    }
}
