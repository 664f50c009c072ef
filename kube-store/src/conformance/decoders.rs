//! Every decoder of the store, as functions of arbitrary bytes: what the fuzz targets of `fuzz/` run, and what the tests of
//! the crate run on random bytes. Each may refuse, and none may panic; what it accepts must come back from its encoder.

use crate::disk::frame::{self, Candidate, FILE_HEADER, FRAME_HEADER, FileHeader, FileKind};
use crate::disk::medium::Simulated;
use crate::disk::names::{self, Name};
use crate::disk::record::{self, Present, Record};
use crate::{CommitMode, Config, Disk, Encryption, Error, Extractor, backup, stored};
use bytes::Bytes;
use std::io::Cursor;
use std::time::SystemTime;
use tokio::time::Instant;

/// A decoder, by name.
pub type Decoder = (&'static str, fn(&[u8]));

/// All of them.
pub const DECODERS: &[Decoder] = &[
    ("names", file_names),
    ("headers", headers),
    ("frames", frames),
    ("records", records),
    ("stored", stored_forms),
    ("log", log),
    ("snapshot", snapshot),
    ("backup", backups),
];

/// Names of files.
///
/// # Panics
/// When a name that is one of the store's is not the name that the store would give.
pub fn file_names(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    match names::parse(name) {
        Name::Log(revision) => assert_eq!(names::log(revision), name),
        Name::Snapshot(revision) => assert_eq!(names::snapshot(revision), name),
        Name::Spare(revision) => assert_eq!(names::spare(revision), name),
        Name::Unfinished | Name::Foreign => {}
    }
}

/// Headers of files.
///
/// # Panics
/// When a header that was accepted does not come back.
pub fn headers(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<FILE_HEADER>() else { return };
    for kind in [FileKind::Log, FileKind::Snapshot, FileKind::Backup] {
        if let Ok(header) = FileHeader::decode(kind, bytes) {
            let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
            assert_eq!(header.encode_as(version), *bytes);
        }
    }
}

/// Frames, and the search for one that proves what was durable.
pub fn frames(bytes: &[u8]) {
    if let Some((header, payload)) = bytes.split_first_chunk::<FRAME_HEADER>()
        && let Some(candidate) = Candidate::decode(header)
    {
        candidate.is_intact(0, header, payload.get(..candidate.length).unwrap_or(payload));
    }
    frame::proves_durable(0, &FileHeader { kind: FileKind::Log, salt: 0, base: 0 }, bytes);
}

/// Records.
///
/// # Panics
/// When a record that was accepted does not come back.
pub fn records(bytes: &[u8]) {
    let encryption = Encryption::default();
    let present = Present { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
    let mut rest = bytes;
    while let Ok(record) = record::decode(&mut rest, present, &encryption) {
        let Record::Put(entry) = record else { continue };
        let mut encoded = Vec::new();
        record::encode_entry(&entry, &encryption, &mut encoded).expect("nothing is encrypted");
        let again = record::decode(&mut &encoded[..], present, &encryption);
        let Ok(Record::Put(again)) = again else { panic!("{again:?} came back from a put") };
        assert_eq!((&again.key, again.revision, &again.value), (&entry.key, entry.revision, &entry.value));
        assert_eq!(again.attributes, entry.attributes);
        if rest.is_empty() {
            break;
        }
    }
}

/// The stored form of a version.
///
/// # Panics
/// When a form that was accepted does not come back.
pub fn stored_forms(bytes: &[u8]) {
    let Some((value, attributes)) = stored::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let mut encoded = Vec::new();
    stored::encode(&value, &attributes, &mut encoded);
    assert_eq!(stored::decode(&encoded.into()), Some((value, attributes)));
}

/// The only log file of a directory.
pub fn log(bytes: &[u8]) {
    for kind in [FileKind::Log, FileKind::Recycled] {
        directory(&names::log(crate::EMPTY_REVISION), kind, crate::EMPTY_REVISION, bytes);
    }
}

/// The only snapshot of a directory.
pub fn snapshot(bytes: &[u8]) {
    directory(&names::snapshot(7), FileKind::Snapshot, 7, bytes);
}

/// A backup.
pub fn backups(bytes: &[u8]) {
    let header = FileHeader { kind: FileKind::Backup, salt: 0, base: 7 }.encode();
    for bytes in [bytes.to_vec(), [&header[..], bytes].concat()] {
        check(backup::verify(Cursor::new(bytes), "a backup").err());
    }
}

/// Opens a directory with one file of these bytes, with and without a good header before them.
fn directory(name: &str, kind: FileKind, base: u64, bytes: &[u8]) {
    let header = FileHeader { kind, salt: 0, base }.encode();
    for bytes in [bytes.to_vec(), [&header[..], bytes].concat()] {
        let medium = Simulated::new(1);
        medium.set_contents(name, bytes);
        let config = Config::default().commit_mode(CommitMode::Inline);
        check(Disk::open_on(medium, Extractor::none(), config).err());
    }
}

/// Damage is what there may be; nothing here fails otherwise.
fn check(error: Option<Error>) {
    assert!(matches!(error, None | Some(Error::Damaged(_))), "{error:?}");
}

#[cfg(test)]
mod tests;
