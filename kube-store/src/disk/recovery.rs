//! Reads a directory back: the last snapshot, then the log behind it.
//!
//! What was acknowledged is there, or the store does not start. A frame that is damaged may be cut off only as the last
//! of the log, and only if no later frame says that it was durable: then it is what a crash left of a write that
//! nobody was told of.

use super::frame::{FILE_HEADER, FileKind, FrameKind};
use super::log::{End, Log, Sealed};
use super::medium::Medium;
use super::names::{self, Name};
use super::reader::{Next, Opened, Reader};
use super::record::{self, Present, Record, Unreadable};
use super::snapshot;
use crate::engine::expiry::Expiry;
use crate::index::Index;
use crate::index::history::Change;
use crate::{Config, Entry, Error, Result, Revision, store};
use std::io;
use std::sync::Arc;
use tokio::time::Instant;

/// A directory, read back.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) expiry: Expiry,
    pub(crate) log: Log,
    /// Bytes of the snapshot, if there is one, and of the state in it.
    pub(crate) snapshot_bytes: (u64, u64),
    /// Whether something in the directory is of an older version of the format.
    pub(crate) outdated: bool,
    pub(crate) report: Recovery,
}

/// How the store that had a directory before ended. What it had acknowledged is there in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the log ends with the mark that a store writes when it is closed, or when it has been idle, and nothing
    /// stands behind it. If not, the process or the machine stopped while something was written, or the last bytes of the
    /// log are damaged. In a log file over an older one, a torn write behind a mark cannot be told from what the older file
    /// left there: then this is `true`.
    pub in_order: bool,
    /// Bytes behind the last intact write, which were never acknowledged and are cut off. In a log file over an older one
    /// none are counted, since they cannot be told from those that the older file left in the same blocks.
    pub cut_bytes: u64,
}

/// The state while it is read.
struct Replay<'a> {
    medium: &'a dyn Medium,
    config: &'a Config,
    present: Present,
    index: Index,
    expiry: Expiry,
    outdated: bool,
    /// Bytes of writes that were never acknowledged.
    cut_bytes: u64,
    /// Whether a file is there that was never in use.
    unused: bool,
}

/// What was found in one log file.
struct File {
    /// Where it goes on; `None` when it is complete.
    open: Option<End>,
    used: bool,
    bytes: u64,
    /// The revision of its last record.
    revision: Revision,
}

/// Reads a directory, and opens its log.
pub(crate) fn recover(medium: &Arc<dyn Medium>, config: &Config) -> Result<Recovered> {
    let found = Found::look(&**medium)?;
    let mut replay = Replay {
        medium: &**medium,
        config,
        present: Present { instant: Instant::now(), wall: config.wall_clock.now() },
        index: Index::new(store::EMPTY_REVISION, &config.indexed),
        expiry: Expiry::default(),
        outdated: false,
        cut_bytes: 0,
        unused: false,
    };
    let snapshot_bytes = match found.snapshot {
        Some(revision) => (replay.snapshot(revision)?, replay.index.live_bytes() as u64),
        None => (0, 0),
    };
    let start = replay.index.revision();
    let logs = replay.relevant(&found, start)?;
    let mut sealed = Vec::new();
    let mut open: Option<End> = None;
    let mut continued = true;
    for base in logs {
        let first = base <= start;
        let file = replay.file(base, first)?;
        let revision = replay.index.revision();
        let leftover = base < revision || (open.is_some() && base == revision);
        if !first && !file.used && leftover {
            // A rotation makes the next file before it completes the open one, and did not come so far; the open one
            // may have gone on since, where the file could not be taken back durably.
            remove(&**medium, &names::log(base))?;
            replay.unused = true;
            continue;
        }
        if let Some(end) = open {
            // The next file, even without a frame, shows that this one was complete up to it.
            return Err(replay.incomplete(end));
        }
        if file.revision < revision || base > revision {
            let found = file.revision.min(revision);
            let expected = base.max(revision);
            return Err(missing(&**medium, &format!("the log between revisions {found} and {expected}")));
        }
        open = file.open;
        continued = open.is_some() || !file.used;
        if !continued {
            sealed.push(Sealed { base, bytes: file.bytes });
        }
    }
    if !continued {
        // The next file is made durable before one is completed.
        return Err(missing(&**medium, &format!("the log after revision {}", replay.index.revision())));
    }
    let report = replay.report(open);
    let Replay { index, expiry, outdated, .. } = replay;
    // What was removed may not come back after the next write.
    medium.sync_dir().map_err(|error| failed(&**medium, "syncing the directory", &error))?;
    let log = match open {
        // Nothing is lost with a file that has no records, and a new one is of the present version.
        Some(end) if outdated && end.base == index.revision() => Log::create(Arc::clone(medium), end.base, sealed)?,
        Some(end) => Log::resume(Arc::clone(medium), end, index.revision(), sealed)?,
        None => Log::create(Arc::clone(medium), index.revision(), sealed)?,
    };
    Ok(Recovered { index, expiry, log, snapshot_bytes, outdated, report })
}

/// The files of a directory.
struct Found {
    snapshot: Option<Revision>,
    /// Bases of log files, in order.
    logs: Vec<Revision>,
}

impl Found {
    fn look(medium: &dyn Medium) -> Result<Self> {
        let mut found = Self { snapshot: None, logs: Vec::new() };
        let listed = medium.list().map_err(|error| failed(medium, "listing the directory", &error))?;
        for name in listed {
            match names::parse(&name) {
                Name::Log(base) => found.logs.push(base),
                Name::Snapshot(revision) => found.snapshot = found.snapshot.max(Some(revision)),
                // Spares that were there when the machine stopped may be log files by another name.
                Name::Unfinished | Name::Spare(_) => remove(medium, &name)?,
                Name::Foreign => {}
            }
        }
        found.logs.sort_unstable();
        Ok(found)
    }
}

fn remove(medium: &dyn Medium, name: &str) -> Result<()> {
    medium.remove(name).map_err(|error| failed(medium, &format!("removing {name}"), &error))
}

fn failed(medium: &dyn Medium, what: &str, error: &io::Error) -> Error {
    Error::Io(format!("{}: {what}: {error}", medium.describe()))
}

fn missing(medium: &dyn Medium, what: &str) -> Error {
    Error::Damaged(format!(
        "{}: {what} is missing. Acknowledged writes would be lost, so the store does not start; restore the directory \
         from a backup",
        medium.describe()
    ))
}

impl Replay<'_> {
    fn snapshot(&mut self, revision: Revision) -> Result<u64> {
        let (index, expiry) = (&mut self.index, &mut self.expiry);
        let found = snapshot::read(self.medium, revision, self.present, &self.config.encryption, |entry: Entry| {
            let entry = Arc::new(entry);
            if let Some(lifetime) = entry.lifetime {
                expiry.restore(lifetime.deadline, entry.revision, &entry.key);
            }
            index.restore(entry);
        })?;
        self.index.begin_at(revision);
        self.outdated |= found.outdated;
        Ok(found.bytes)
    }

    /// The log files that say something of what comes after `start`; those that do not are removed.
    fn relevant(&self, found: &Found, start: Revision) -> Result<Vec<Revision>> {
        let mut logs = found.logs.clone();
        while let [first, second, ..] = logs[..]
            && second <= start
        {
            remove(self.medium, &names::log(first))?;
            logs.remove(0);
        }
        match logs.first() {
            None if found.snapshot.is_some() => Err(missing(self.medium, &format!("the log after revision {start}"))),
            Some(first) if *first > start && found.snapshot.is_some() => {
                Err(missing(self.medium, &format!("the log between revisions {start} and {first}")))
            }
            Some(first) if *first > start => Err(missing(self.medium, "the snapshot that the log builds on")),
            _ => Ok(logs),
        }
    }

    /// Reads one log file.
    fn file(&mut self, base: Revision, first: bool) -> Result<File> {
        let name = names::log(base);
        let Opened::Reader(mut reader) = Reader::open(self.medium, &name, FileKind::Log)? else {
            self.unused = true;
            return Ok(File { open: None, used: false, bytes: 0, revision: base });
        };
        if reader.header.base != base {
            return Err(reader.damaged("the header is that of another log file"));
        }
        self.outdated |= reader.outdated;
        let recycled = reader.header.kind == FileKind::Recycled;
        let before = self.index.revision();
        let continues = first || base == before;
        let mut revision = base;
        let mut used = false;
        let mut marked = false;
        loop {
            let (header, payload) = match reader.next()? {
                Next::Frame(header, payload) => (header, payload),
                Next::End => break,
                Next::Damaged { durable: true, .. } => {
                    return Err(reader.damaged("the log is damaged, and what follows shows that it was durable"));
                }
                // What an older file left, or a torn write over it.
                Next::Damaged { durable: false, .. } if recycled => break,
                Next::Damaged { durable: false, bytes } => {
                    self.cut_bytes += bytes;
                    let (medium, offset) = (self.medium.describe(), reader.offset);
                    tracing::warn!(medium, name, offset, bytes, "cutting off a write that was never acknowledged");
                    break;
                }
            };
            if !continues {
                let what = format!("the file does not continue from revision {before}, where the one before it ends");
                return Err(reader.damaged(&what));
            }
            used = true;
            marked = header.kind == FrameKind::Mark;
            match header.kind {
                FrameKind::Mark => {}
                FrameKind::Seal => {
                    let bytes = reader.offset;
                    if !recycled && !matches!(reader.next()?, Next::End) {
                        return Err(reader.damaged("something follows the end of a complete log file"));
                    }
                    return Ok(File { open: None, used, bytes, revision });
                }
                FrameKind::Compacted => while self.index.compact_step(header.revision).is_some() {},
                FrameKind::End | FrameKind::Taken => {
                    return Err(reader.damaged("a frame of another kind of file stands in the log"));
                }
                FrameKind::Records => {
                    let mut rest = payload;
                    for _ in 0..header.records {
                        revision += 1;
                        match self.record(&mut rest, revision) {
                            Ok(()) => {}
                            Err(Unreadable::Locked(error)) => return Err(error),
                            Err(Unreadable::Damaged) => {
                                let what = format!("the record of revision {revision} cannot be read");
                                return Err(reader.damaged(&what));
                            }
                        }
                    }
                }
            }
        }
        let end = End { base, salt: reader.header.salt, len: reader.offset, marked };
        Ok(File { open: Some(end), used, bytes: reader.offset, revision })
    }

    /// Applies one record, unless the snapshot has it already.
    fn record(&mut self, bytes: &mut &[u8], revision: Revision) -> Result<(), Unreadable> {
        let record = record::decode(bytes, self.present, &self.config.encryption)?;
        let (key, found) = match &record {
            Record::Put(entry) => (&*entry.key, entry.revision),
            Record::Delete { key, revision } => (&**key, *revision),
        };
        if found != revision {
            return Err(Unreadable::Damaged);
        }
        if revision <= self.index.revision() {
            return Ok(());
        }
        let previous = self.index.current(key).cloned();
        let entry = match record {
            Record::Delete { .. } => None,
            Record::Put(mut entry) => {
                if let Some(previous) = &previous {
                    entry.key = Arc::clone(&previous.key);
                }
                Some(Arc::new(entry))
            }
        };
        if previous.is_none() && entry.is_none() {
            return Err(Unreadable::Damaged);
        }
        let change = Change { revision, previous, entry, at: self.present.instant };
        self.expiry.update(&change);
        self.index.apply(change);
        while self.index.trim_step(&self.config.history, self.present.instant).is_some() {}
        Ok(())
    }

    /// How the log ends that goes on at `open`.
    fn report(&self, open: Option<End>) -> Recovery {
        let ended = open.is_none_or(|end| end.marked || end.len == FILE_HEADER as u64);
        Recovery { in_order: ended && self.cut_bytes == 0 && !self.unused, cut_bytes: self.cut_bytes }
    }

    fn incomplete(&self, end: End) -> Error {
        Error::Damaged(format!(
            "{}: {}, byte {}: the log file ends here, although another follows. Acknowledged writes would be lost, so \
             the store does not start; restore the directory from a backup",
            self.medium.describe(),
            names::log(end.base),
            end.len
        ))
    }
}
