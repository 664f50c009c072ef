//! Snapshots: the present state in one file, so that the log before it can go.

use super::frame::{self, FileHeader, FileKind, FrameHeader, FrameKind};
use super::medium::Medium;
use super::reader::{Next, Opened, Reader};
use super::record::{self, Present, Record, Unreadable};
use super::{log::fresh_salt, names};
use crate::index::Snapshot;
use crate::{Encryption, Entry, Error, Result, Revision};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Payload bytes of a frame: large enough to write at the speed of the medium, small beside the state.
const FRAME_TARGET: usize = 1 << 20;

/// Writes a snapshot, and gives its bytes. It gets its name when it is complete and durable; `stop` ends it early.
pub(crate) fn write(
    medium: &dyn Medium,
    snapshot: &Snapshot,
    encryption: &Encryption,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let revision = snapshot.revision;
    let unfinished = names::unfinished(revision);
    let bytes = write_unfinished(medium, snapshot, encryption, &unfinished, stop);
    if bytes.is_err() {
        // It is of no use, and would be removed at the next start.
        let _ = medium.remove(&unfinished);
        return bytes;
    }
    medium.rename(&unfinished, &names::snapshot(revision))?;
    medium.sync_dir()?;
    bytes
}

fn write_unfinished(
    medium: &dyn Medium,
    snapshot: &Snapshot,
    encryption: &Encryption,
    name: &str,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let salt = fresh_salt();
    let revision = snapshot.revision;
    let mut file = medium.create(name)?;
    file.append(&FileHeader { kind: FileKind::Snapshot, salt, base: revision }.encode())?;
    let header = |kind, records| FrameHeader { kind, revision, synced: 0, records };
    let mut buffer = Vec::new();
    let mut total = 0u32;
    let mut records = 0u32;
    frame::begin(&mut buffer);
    for entry in snapshot.walk("", None) {
        record::encode_entry(&entry, encryption, &mut buffer).map_err(io::Error::other)?;
        records += 1;
        if buffer.len() >= FRAME_TARGET {
            if stop.load(Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is closing"));
            }
            frame::finish(&mut buffer, salt, header(FrameKind::Records, records));
            file.append(&buffer)?;
            frame::begin(&mut buffer);
            total += std::mem::take(&mut records);
        }
    }
    if records > 0 {
        frame::finish(&mut buffer, salt, header(FrameKind::Records, records));
        file.append(&buffer)?;
        frame::begin(&mut buffer);
        total += records;
    }
    frame::finish(&mut buffer, salt, header(FrameKind::End, total));
    file.append(&buffer)?;
    file.sync()?;
    file.len()
}

/// Reads a snapshot, and gives its bytes. Every byte of it must be as it was written: it was complete before it had its name.
pub(crate) fn read(
    medium: &dyn Medium,
    revision: Revision,
    present: Present,
    encryption: &Encryption,
    mut restore: impl FnMut(Entry),
) -> Result<u64> {
    let name = names::snapshot(revision);
    let Opened::Reader(mut reader) = Reader::open(medium, &name, FileKind::Snapshot)? else {
        return Err(Error::Damaged(format!(
            "{}: {name} is cut off in its header. Restore the directory from a backup",
            medium.describe()
        )));
    };
    if reader.header.base != revision {
        return Err(reader.damaged("the header is that of another snapshot"));
    }
    let mut total = 0u32;
    loop {
        let (header, mut payload) = match reader.next()? {
            Next::Frame(header, payload) => (header, payload),
            Next::End => return Err(reader.damaged("the snapshot is cut off")),
            Next::Damaged { .. } => return Err(reader.damaged("the snapshot is damaged")),
        };
        if header.kind == FrameKind::End {
            let complete = header.records == total && header.revision == revision;
            if !complete || !matches!(reader.next()?, Next::End) {
                return Err(reader.damaged("the snapshot does not end where it says"));
            }
            return Ok(reader.offset);
        }
        for _ in 0..header.records {
            match record::decode(&mut payload, present, encryption) {
                Ok(Record::Put(entry)) if entry.revision <= revision => restore(entry),
                Err(Unreadable::Locked(error)) => return Err(error),
                _ => return Err(reader.damaged("a record cannot be read")),
            }
        }
        total += header.records;
    }
}
