//! Snapshots: the present state in one file, so that the log before it can go.

use super::frame::{self, FILE_HEADER, FileHeader, FileKind, FrameHeader, FrameKind};
use super::medium::Medium;
use super::reader::{Next, Opened, Reader};
use super::record::{self, Present, Record, Unreadable};
use super::{log::fresh_salt, names};
use crate::index::Snapshot;
use crate::{Encryption, Entry, Error, Result, Revision};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Payload bytes of a frame: large enough to write at the speed of the medium, and small enough that they are still in the
/// processor's cache when they are summed and written.
const FRAME_TARGET: usize = 128 << 10;

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
    let mut file = medium.create(name)?;
    let (mut encoder, header) = Encoder::new(FileKind::Snapshot, snapshot.revision, encryption.clone());
    file.append(&header)?;
    for entry in snapshot.walk("", None) {
        if encoder.push(&entry).map_err(io::Error::other)? {
            if stop.load(Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is closing"));
            }
            file.append(&encoder.take())?;
        }
    }
    file.append(&encoder.finish())?;
    file.sync()?;
    file.len()
}

/// Makes the frames of a state: those of a snapshot, and of a backup.
#[derive(Debug)]
pub(crate) struct Encoder {
    salt: u32,
    revision: Revision,
    buffer: Vec<u8>,
    /// Records in the buffer, and in all.
    records: u32,
    total: u32,
    encryption: Encryption,
}

impl Encoder {
    /// An encoder of the state at `revision`, and the header of its file.
    pub(crate) fn new(kind: FileKind, revision: Revision, encryption: Encryption) -> (Self, [u8; FILE_HEADER]) {
        let salt = fresh_salt();
        let mut buffer = Vec::new();
        frame::begin(&mut buffer);
        let header = FileHeader { kind, salt, base: revision }.encode();
        (Self { salt, revision, buffer, records: 0, total: 0, encryption }, header)
    }

    /// The header of a file of the oldest version, which is one without encryption: whoever opens it writes it anew.
    pub(crate) fn outdated_header(&self, kind: FileKind) -> [u8; FILE_HEADER] {
        FileHeader { kind, salt: self.salt, base: self.revision }.encode_as(frame::VERSION_OLDEST)
    }

    /// Adds a version; `true` when a frame is to be taken.
    ///
    /// # Errors
    /// When it cannot be encrypted.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<bool> {
        record::encode_entry(entry, &self.encryption, &mut self.buffer)?;
        self.records += 1;
        Ok(self.buffer.len() >= FRAME_TARGET)
    }

    /// The frame so far.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.total += self.records;
        let records = std::mem::take(&mut self.records);
        self.frame(FrameKind::Records, records)
    }

    /// A frame that says when a backup was taken.
    pub(crate) fn taken(&mut self, wall_millis: u64) -> Vec<u8> {
        self.buffer.extend_from_slice(&wall_millis.to_le_bytes());
        self.frame(FrameKind::Taken, 0)
    }

    /// What is left, and the end.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut rest = if self.records > 0 { self.take() } else { Vec::new() };
        rest.append(&mut self.frame(FrameKind::End, self.total));
        rest
    }

    fn frame(&mut self, kind: FrameKind, records: u32) -> Vec<u8> {
        let mut frame = std::mem::take(&mut self.buffer);
        frame::finish(&mut frame, self.salt, FrameHeader { kind, revision: self.revision, synced: 0, records });
        // The next one is about as large, unless one object made this one larger than frames are.
        self.buffer.reserve(frame.len().min(FRAME_TARGET + FRAME_TARGET / 4));
        frame::begin(&mut self.buffer);
        frame
    }
}

/// What reading a snapshot back gives beside its versions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
    /// Whether it is of an older version of the format.
    pub(crate) outdated: bool,
}

/// Reads a snapshot. Every byte of it must be as it was written: it was complete before it had its name.
pub(crate) fn read(
    medium: &dyn Medium,
    revision: Revision,
    present: Present,
    encryption: &Encryption,
    mut restore: impl FnMut(Entry),
) -> Result<Found> {
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
    read_state(&mut reader, present, encryption, |entry| {
        restore(entry);
        Ok(())
    })?;
    Ok(Found { bytes: reader.offset, outdated: reader.outdated })
}

/// Reads the frames of a state to their end, and gives the number of versions.
pub(crate) fn read_state(
    reader: &mut Reader,
    present: Present,
    encryption: &Encryption,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<u32> {
    let revision = reader.header.base;
    let mut total = 0u32;
    loop {
        let (header, mut payload) = match reader.next()? {
            Next::Frame(header, payload) => (header, payload),
            Next::End => return Err(reader.damaged("the file is cut off")),
            Next::Damaged { .. } => return Err(reader.damaged("the file is damaged")),
        };
        if header.kind == FrameKind::End {
            let complete = header.records == total && header.revision == revision;
            if !complete || !matches!(reader.next()?, Next::End) {
                return Err(reader.damaged("the file does not end where it says"));
            }
            return Ok(total);
        }
        for _ in 0..header.records {
            match record::decode(&mut payload, present, encryption) {
                Ok(Record::Put(entry)) if entry.revision <= revision => each(entry)?,
                Err(Unreadable::Locked(error)) => return Err(error),
                _ => return Err(reader.damaged("a record cannot be read")),
            }
        }
        total = total.saturating_add(header.records);
    }
}
