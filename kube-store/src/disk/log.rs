//! The log: files of frames that are written one behind the other, and synced before anybody is told.
//!
//! A file that a snapshot made superfluous is kept as a spare, and the next file is written over it: its blocks are
//! allocated, so that a sync has nothing but data to write.

use super::frame::{self, FILE_HEADER, FileHeader, FileKind, FrameHeader, FrameKind};
use super::medium::{Medium, MediumFile};
use super::{names, record};
use crate::index::history::Change;
use crate::{Encryption, Error, Result, Revision};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct Log {
    medium: Arc<dyn Medium>,
    file: Box<dyn MediumFile>,
    salt: u32,
    /// Bytes of the open file that are known to be good; everything beyond is to be cut off.
    len: u64,
    /// Bytes of the open file that are durable.
    synced: u64,
    /// Whether the last frame says that everything before it is durable.
    marked: bool,
    /// The revision of the last record.
    revision: Revision,
    /// Files that are complete, oldest first.
    sealed: Vec<Sealed>,
    base: Revision,
    /// Whether the open file is written over another, of which something may be left behind its end.
    recycled: bool,
    /// Files that can be written over.
    spares: Vec<Sealed>,
    buffer: Vec<u8>,
    poisoned: Option<String>,
}

/// A file that is not appended to any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) base: Revision,
    pub(crate) bytes: u64,
}

/// Where a log goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) base: Revision,
    pub(crate) salt: u32,
    pub(crate) len: u64,
    pub(crate) marked: bool,
}

/// A number that tells files apart. It need not be secret, only hard to guess for whoever writes values.
pub(crate) fn fresh_salt() -> u32 {
    let bits = RandomState::new().hash_one(0u8).to_le_bytes();
    u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]])
}

impl Log {
    /// Starts a new file after `revision`.
    pub(crate) fn create(medium: Arc<dyn Medium>, revision: Revision, sealed: Vec<Sealed>) -> Result<Self> {
        let salt = fresh_salt();
        let file = create_file(&*medium, revision, salt).map_err(|error| failed("creating a log file", &error))?;
        let end = End { base: revision, salt, len: FILE_HEADER as u64, marked: false };
        Ok(Self::at(medium, file, end, revision, sealed))
    }

    /// Continues the last file from where its intact part ends, and cuts off the rest.
    pub(crate) fn resume(medium: Arc<dyn Medium>, end: End, revision: Revision, sealed: Vec<Sealed>) -> Result<Self> {
        let name = names::log(end.base);
        let open = || -> io::Result<Box<dyn MediumFile>> {
            let mut file = medium.append(&name)?;
            if file.len()? > end.len {
                file.truncate(end.len)?;
            }
            // What was read may be in the page cache only, left by a process that was killed before its sync.
            file.sync()?;
            Ok(file)
        };
        let file = open().map_err(|error| failed(&format!("opening {name}"), &error))?;
        Ok(Self::at(medium, file, end, revision, sealed))
    }

    /// Goes on at the end of a file behind which nothing stands.
    fn at(
        medium: Arc<dyn Medium>,
        file: Box<dyn MediumFile>,
        end: End,
        revision: Revision,
        sealed: Vec<Sealed>,
    ) -> Self {
        let End { base, salt, len, marked } = end;
        Self {
            medium,
            file,
            salt,
            len,
            synced: len,
            marked,
            revision,
            sealed,
            base,
            recycled: false,
            spares: Vec::new(),
            buffer: Vec::new(),
            poisoned: None,
        }
    }

    /// The revision of the last record, which is durable.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.len + self.sealed.iter().map(|sealed| sealed.bytes).sum::<u64>()
    }

    /// Bytes of the open file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.len
    }

    /// Refuses everything once the medium has failed in a way after which nothing is known.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some(what) => Err(Error::Io(format!("{what}; the store takes no writes until it is opened again"))),
        }
    }

    /// Appends changes as one frame, and returns when they are durable.
    ///
    /// # Errors
    /// `NoSpace`: nothing changed. `Io`: unknown, and the log takes no more.
    pub(crate) fn commit(&mut self, changes: &[Change], encryption: &Encryption) -> Result<()> {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(()) };
        self.check()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        frame::begin(&mut buffer);
        for change in changes {
            // What cannot be encrypted is not written, and changes nothing.
            record::encode_change(change, encryption, &mut buffer)?;
        }
        let records = u32::try_from(changes.len()).expect("a frame has fewer records than bytes");
        let (kind, revision) = (FrameKind::Records, first.revision);
        frame::finish(&mut buffer, self.salt, FrameHeader { kind, revision, synced: self.synced, records });
        let appended = self.append(&buffer);
        // A large frame was an exception: keep what an ordinary one needs.
        const BUFFER_KEPT: usize = 1 << 20;
        if buffer.capacity() > BUFFER_KEPT {
            buffer = Vec::new();
        }
        self.buffer = buffer;
        appended?;
        self.sync()?;
        self.revision = last.revision;
        self.marked = false;
        Ok(())
    }

    /// Says in the log that everything so far is durable. Not synced: it costs a write into the page cache, and without
    /// it nothing is lost but the ability to tell damage in the last frame from a torn write.
    pub(crate) fn mark(&mut self) {
        if self.marked || self.poisoned.is_some() {
            return;
        }
        // A full medium has no room for it, and needs none.
        self.marked = self.note(FrameKind::Mark, self.revision).is_ok();
    }

    /// Marks, and makes the mark durable.
    pub(crate) fn close(&mut self) {
        self.mark();
        if self.poisoned.is_none()
            && let Err(error) = self.file.sync()
        {
            tracing::warn!(%error, "the log could not be synced when it was closed");
        }
    }

    /// Notes that history before `revision` was forgotten. Durable with the next commit.
    pub(crate) fn note_compaction(&mut self, revision: Revision) -> Result<()> {
        self.check()?;
        self.note(FrameKind::Compacted, revision)
    }

    fn note(&mut self, kind: FrameKind, revision: Revision) -> Result<()> {
        let mut note = Vec::new();
        frame::begin(&mut note);
        frame::finish(&mut note, self.salt, FrameHeader { kind, revision, synced: self.synced, records: 0 });
        self.append(&note)
    }

    /// Starts the next file and completes the open one.
    ///
    /// # Errors
    /// `NoSpace`: the open file goes on. `Io`: the log takes no more.
    pub(crate) fn rotate(&mut self) -> Result<()> {
        self.check()?;
        if self.base == self.revision {
            return Ok(());
        }
        let salt = fresh_salt();
        // The next file comes first: where the medium is full, the open one can still go on.
        let spare = self.spares.pop();
        let next = match spare {
            Some(spare) => recycle_file(&*self.medium, spare, self.revision, salt),
            None => create_file(&*self.medium, self.revision, salt),
        };
        let next = next.map_err(|error| failed("creating a log file", &error));
        let sealed = next.and_then(|file| self.note(FrameKind::Seal, self.revision).map(|()| file));
        let file = match sealed {
            Ok(file) => file,
            Err(error) => {
                if let Some(spare) = spare {
                    // Where it has its new name already, it is taken back under that.
                    self.discard(spare);
                }
                return Err(self.take_back_file(error));
            }
        };
        if self.recycled
            && let Err(error) = self.file.truncate(self.len)
        {
            return Err(self.poison("a complete log file could not be cut to its length", &error));
        }
        self.sync()?;
        self.sealed.push(Sealed { base: self.base, bytes: self.len });
        (self.file, self.salt, self.base, self.recycled) = (file, salt, self.revision, spare.is_some());
        (self.len, self.synced, self.marked) = (FILE_HEADER as u64, FILE_HEADER as u64, false);
        Ok(())
    }

    /// Removes the file that a rotation made in vain.
    fn take_back_file(&mut self, error: Error) -> Error {
        if self.poisoned.is_some() {
            return error;
        }
        match self.medium.remove(&names::log(self.revision)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                self.poison("a log file could not be taken back", &error)
            }
            _ => error,
        }
    }

    /// Removes the files and snapshots that a snapshot at `revision` makes superfluous, but for log files that are worth
    /// to be written over: those of `worth` bytes or more, until there are `enough` bytes of them.
    pub(crate) fn forget_before(&mut self, revision: Revision, worth: u64, enough: u64) -> io::Result<()> {
        let ends = self.sealed.iter().skip(1).map(|next| next.base).chain([self.base]);
        // A snapshot that follows another without a write in between finds nothing sealed.
        let superfluous = ends.take_while(|end| *end <= revision).count().min(self.sealed.len());
        let mut spares = Vec::new();
        let forgotten = self.forget_files(superfluous, revision, (worth, enough), &mut spares);
        match &forgotten {
            // Not before their names are durable: under the old one, what is written over them would be taken for damage.
            Ok(()) => self.spares.append(&mut spares),
            Err(_) => spares.into_iter().for_each(|spare| self.discard(spare)),
        }
        forgotten
    }

    fn forget_files(
        &mut self,
        superfluous: usize,
        revision: Revision,
        (worth, enough): (u64, u64),
        spares: &mut Vec<Sealed>,
    ) -> io::Result<()> {
        let mut kept: u64 = self.spares.iter().map(|spare| spare.bytes).sum();
        while let Some(spare) = self.spares.pop_if(|spare| kept - spare.bytes >= enough) {
            self.medium.remove(&names::spare(spare.base))?;
            kept -= spare.bytes;
        }
        for sealed in self.sealed.drain(..superfluous) {
            let name = names::log(sealed.base);
            if sealed.bytes < worth || kept >= enough {
                self.medium.remove(&name)?;
                continue;
            }
            self.medium.rename(&name, &names::spare(sealed.base))?;
            kept += sealed.bytes;
            spares.push(sealed);
        }
        for name in self.medium.list()? {
            if matches!(names::parse(&name), names::Name::Snapshot(older) if older < revision) {
                self.medium.remove(&name)?;
            }
        }
        self.medium.sync_dir()
    }

    /// Removes the files that were kept to be written over; `true` when there were some.
    pub(crate) fn drop_spares(&mut self) -> bool {
        let some = !self.spares.is_empty();
        for spare in std::mem::take(&mut self.spares) {
            self.discard(spare);
        }
        some
    }

    /// Removes a file that will not be written over after all.
    fn discard(&self, spare: Sealed) {
        let name = names::spare(spare.base);
        match self.medium.remove(&name) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(medium = %self.medium.describe(), name, %error, "a superfluous log file stays behind");
            }
            _ => {}
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let Err(error) = self.file.append(bytes) else {
            self.len += bytes.len() as u64;
            return Ok(());
        };
        if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return Err(self.poison("a write to the log failed", &error));
        }
        match self.file.truncate(self.len) {
            // What was kept for later is needed now.
            Ok(()) if self.drop_spares() => self.append(bytes),
            Ok(()) => Err(Error::NoSpace(format!("{}: {error}", self.medium.describe()))),
            Err(error) => Err(self.poison("a partial write to the log could not be taken back", &error)),
        }
    }

    fn sync(&mut self) -> Result<()> {
        // A failed sync is not repeated: the pages may be gone, and a second one would succeed without them.
        match self.file.sync() {
            Ok(()) => {
                self.synced = self.len;
                Ok(())
            }
            Err(error) => Err(self.poison("a sync of the log failed", &error)),
        }
    }

    fn poison(&mut self, what: &str, error: &io::Error) -> Error {
        tracing::error!(medium = %self.medium.describe(), %error, "the log takes no more writes: {what}");
        self.poisoned = Some(format!("{}: {what}: {error}", self.medium.describe()));
        failed(what, error)
    }
}

fn create_file(medium: &dyn Medium, base: Revision, salt: u32) -> io::Result<Box<dyn MediumFile>> {
    let mut file = medium.create(&names::log(base))?;
    file.append(&FileHeader { kind: FileKind::Log, salt, base }.encode())?;
    file.sync()?;
    medium.sync_dir()?;
    Ok(file)
}

/// Makes a log file of one that is superfluous. It has its name when it has its header, durably.
fn recycle_file(medium: &dyn Medium, spare: Sealed, base: Revision, salt: u32) -> io::Result<Box<dyn MediumFile>> {
    let name = names::spare(spare.base);
    let mut file = medium.overwrite(&name)?;
    file.append(&FileHeader { kind: FileKind::Recycled, salt, base }.encode())?;
    file.sync()?;
    medium.rename(&name, &names::log(base))?;
    medium.sync_dir()?;
    Ok(file)
}

fn failed(what: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::NoSpace(format!("{what}: {error}")),
        _ => Error::Io(format!("{what}: {error}")),
    }
}

#[cfg(test)]
mod tests;
