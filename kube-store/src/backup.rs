//! Backups: the state of any store at one revision as one file, and a data directory made from it.
//!
//! A backup is taken from a list, so that the store goes on meanwhile, and can be taken of every backend. Its bytes are
//! those of a snapshot of the disk backend with a header of their own: checksummed frames, and an end that counts.

use crate::disk::frame::{FileKind, FrameKind};
use crate::disk::log::Log;
use crate::disk::medium::{Directory, Medium};
use crate::disk::names::{self, Name};
use crate::disk::reader::{Next, Opened, Reader};
use crate::disk::record::Present;
use crate::disk::snapshot::{Encoder, read_state};
use crate::{Encryption, Entry, Error, ListRequest, Result, Revision, Store, WallClock};
use bytes::Bytes;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// By how many revisions a restored store goes on for each second since the backup, beginning with one: more than any
/// store commits, so that no revision is given out again that the one which was backed up may have served since. At this
/// rate the revisions of 285 years fit into 53 bits, which every client can read as a number.
pub const REVISIONS_A_SECOND: u64 = 1_000_000;

/// A backup of a store at one revision, in the making: an iterator over its bytes. Its values are as the store hands them
/// out: whoever encrypts them at rest has to encrypt the backup too.
pub struct Backup {
    revision: Revision,
    entries: Option<Box<dyn Iterator<Item = Arc<Entry>> + Send>>,
    encoder: Encoder,
    start: Option<Bytes>,
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl Backup {
    /// A backup of the present state of a store. It holds up no writer, however slowly it is read.
    ///
    /// # Errors
    /// Those of [`Store::list`].
    pub async fn of(store: &dyn Store, clock: &WallClock) -> Result<Self> {
        let listing = store.list(ListRequest::default()).await?;
        let revision = listing.revision;
        let (mut encoder, header) = Encoder::new(FileKind::Backup, revision, Encryption::default());
        let start = [&header[..], &encoder.taken(millis(clock.now()))].concat();
        Ok(Self { revision, entries: Some(listing.entries), encoder, start: Some(start.into()) })
    }

    /// The revision of the state.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl Iterator for Backup {
    type Item = Bytes;

    /// The next piece, of about 128 KiB.
    fn next(&mut self) -> Option<Bytes> {
        if let Some(start) = self.start.take() {
            return Some(start);
        }
        let entries = self.entries.as_mut()?;
        for entry in entries {
            // Nothing is encrypted here, which is all that could fail.
            if self.encoder.push(&entry).unwrap_or(false) {
                return Some(self.encoder.take().into());
            }
        }
        self.entries = None;
        Some(self.encoder.finish().into())
    }
}

fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Number of objects.
    pub entries: u64,
    /// The revision of the state.
    pub revision: Revision,
    /// When it was taken, by the clock of whoever took it.
    pub taken: SystemTime,
}

impl Contents {
    /// The revision at which a restored store goes on, some time after the backup was taken.
    pub fn next_revision(&self, now: SystemTime) -> Revision {
        let since = now.duration_since(self.taken).unwrap_or_default();
        self.revision.saturating_add(since.as_secs().saturating_add(1).saturating_mul(REVISIONS_A_SECOND))
    }
}

/// Reads a backup to its end, to know that it is whole.
///
/// # Errors
/// `Damaged` when it is not as it was written, `Io` when it cannot be read.
pub fn verify(backup: impl Read + Send + 'static, name: &str) -> Result<Contents> {
    let (mut reader, taken) = open(Box::new(backup), name)?;
    let entries = read_state(&mut reader, present(), &Encryption::default(), |_| Ok(()))?;
    Ok(Contents { entries: entries.into(), revision: reader.header.base, taken })
}

/// Makes a data directory of a backup, for [`Disk::open`](crate::Disk::open). The directory must hold no store, so that none
/// can be running on it, and nothing can be overwritten. The store goes on at [`Contents::next_revision`]: whoever watches
/// from a revision of before is told that it is compacted, and takes the state anew.
///
/// Gives what the backup held, and the revision at which the store goes on.
///
/// # Errors
/// `Invalid` when the directory holds a store, `Locked` when another process has it, `Damaged` when the backup is not as
/// it was written, `Io` and `NoSpace` when a file fails. There is no store in the directory then, unless `Io` says so.
pub fn restore(
    path: impl AsRef<Path>,
    backup: impl Read + Send + 'static,
    name: &str,
    clock: &WallClock,
) -> Result<(Contents, Revision)> {
    restore_on(Directory::new(path.as_ref()), backup, name, clock)
}

/// Makes a store on a medium of a backup; see [`restore`].
///
/// # Errors
/// Those of [`restore`].
pub fn restore_on(
    medium: impl Medium,
    backup: impl Read + Send + 'static,
    name: &str,
    clock: &WallClock,
) -> Result<(Contents, Revision)> {
    let medium: Arc<dyn Medium> = Arc::new(medium);
    let _lock = crate::disk::lock(&*medium)?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::NoSpace(format!("{}: restoring: {error}", medium.describe()))
        }
        _ => Error::Io(format!("{}: restoring: {error}", medium.describe())),
    };
    for file in medium.list().map_err(failed)? {
        match names::parse(&file) {
            Name::Log(_) | Name::Snapshot(_) => {
                let place = medium.describe();
                return Err(Error::Invalid(format!(
                    "{place} holds a store already ({file}); restore into another directory"
                )));
            }
            Name::Spare(_) | Name::Unfinished => medium.remove(&file).map_err(failed)?,
            Name::Foreign => {}
        }
    }
    let (mut reader, taken) = open(Box::new(backup), name)?;
    let mut contents = Contents { entries: 0, revision: reader.header.base, taken };
    let revision = contents.next_revision(clock.now());
    let unfinished = names::unfinished(revision);
    let written = write(&*medium, &unfinished, revision, &mut reader, failed);
    match written {
        Ok(entries) => contents.entries = entries,
        Err(error) => {
            // Of no use, and removed by the next attempt if it cannot be now.
            let _ = medium.remove(&unfinished);
            return Err(error);
        }
    }
    // The log comes first: without the snapshot it is no store that could be opened, and lost writes unnoticed.
    drop(Log::create(Arc::clone(&medium), revision, Vec::new())?);
    medium.rename(&unfinished, &names::snapshot(revision)).map_err(failed)?;
    medium.sync_dir().map_err(failed)?;
    Ok((contents, revision))
}

/// Writes the state of a backup as a snapshot of `revision`. It is of the version before encryption: the store that is
/// opened on it upgrades it, and so writes it anew under the keys that it is given.
fn write(
    medium: &dyn Medium,
    name: &str,
    revision: Revision,
    reader: &mut Reader,
    failed: impl Fn(io::Error) -> Error + Copy,
) -> Result<u64> {
    let mut file = medium.create(name).map_err(failed)?;
    let (mut encoder, _) = Encoder::new(FileKind::Snapshot, revision, Encryption::default());
    file.append(&encoder.outdated_header(FileKind::Snapshot)).map_err(failed)?;
    let entries = read_state(reader, present(), &Encryption::default(), |entry| {
        if encoder.push(&entry)? { file.append(&encoder.take()).map_err(failed) } else { Ok(()) }
    })?;
    file.append(&encoder.finish()).map_err(failed)?;
    file.sync().map_err(failed)?;
    Ok(entries.into())
}

fn present() -> Present {
    Present { instant: Instant::now(), wall: SystemTime::now() }
}

/// Opens a backup, and reads when it was taken.
fn open(backup: Box<dyn Read + Send>, name: &str) -> Result<(Reader, SystemTime)> {
    let Opened::Reader(mut reader) = Reader::over(backup, name.to_owned(), FileKind::Backup)? else {
        return Err(Error::Damaged(format!("{name} is no backup, or is cut off in its header")));
    };
    if let Next::Frame(header, payload) = reader.next()?
        && header.kind == FrameKind::Taken
        && let Ok(bytes) = payload.try_into()
        && let Some(taken) = UNIX_EPOCH.checked_add(Duration::from_millis(u64::from_le_bytes(bytes)))
    {
        return Ok((reader, taken));
    }
    Err(reader.damaged("the backup does not say when it was taken"))
}
