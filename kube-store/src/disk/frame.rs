//! Files and the frames in them: the checksummed units of the log and of snapshots.
//!
//! ```text
//! file header, 28 bytes              frame header, 36 bytes, then the payload
//!  0  magic         8 bytes           0  magic           4 bytes
//!  8  version       u32               4  payload length  u32
//! 12  salt          u32               8  revision        u64  of the first record
//! 16  base          u64              16  synced          u64  bytes of the file known to be durable before
//! 24  checksum      u32              24  records         u32
//!                                    28  kind            u32
//!                                    32  checksum        u32  of bytes 4 to 32 and the payload
//! ```
//!
//! Numbers are little-endian, checksums CRC-32 (IEEE). The checksum of a frame begins with the salt of its file, so that
//! neither bytes of an older file in the same blocks nor a value made to look like a frame pass for one.

use crate::Revision;

/// The version of the format that this crate writes. Version 2 came with sealed records, version 3 with log files over the
/// blocks of older ones.
pub(crate) const VERSION: u32 = 3;
/// The oldest version that it reads; a directory of an older one than [`VERSION`] is upgraded in place when it is opened.
pub(crate) const VERSION_OLDEST: u32 = 1;
pub(crate) const FILE_HEADER: usize = 28;
pub(crate) const FRAME_HEADER: usize = 36;
const CHECKSUM: usize = FRAME_HEADER - 4;
/// Payload bytes after which no further record is added to a frame.
pub(crate) const PAYLOAD_TARGET: usize = 8 << 20;
/// Payload bytes at most: the target, and the largest record.
pub(crate) const PAYLOAD_MAX: usize = PAYLOAD_TARGET + crate::VALUE_BYTES_MAX + 4 * crate::ATTRIBUTE_BYTES_MAX;

/// What a file is. The magic's first byte is not text, and its last two find a transfer that rewrote line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Log,
    /// A log file that is written over one that was superfluous. Behind its end stands what is left of that one.
    Recycled,
    Snapshot,
    Backup,
}

impl FileKind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Log => b"\xf5kkLOG\r\n",
            Self::Recycled => b"\xf5kkREC\r\n",
            Self::Snapshot => b"\xf5kkSNP\r\n",
            Self::Backup => b"\xf5kkBAK\r\n",
        }
    }
}

/// The start of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) salt: u32,
    /// Log: the revision before its first record. Snapshot and backup: the revision of the state.
    pub(crate) base: Revision,
}

/// Why a file header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It is not what was written.
    Damaged,
    /// It is intact and of this other version.
    Version(u32),
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER] {
        self.encode_as(VERSION)
    }

    /// The header of a file of this version.
    pub(crate) fn encode_as(&self, version: u32) -> [u8; FILE_HEADER] {
        let mut bytes = [0; FILE_HEADER];
        bytes[..8].copy_from_slice(self.kind.magic());
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header. Where a log is expected, one over an older file is as good.
    pub(crate) fn decode(expected: FileKind, bytes: &[u8; FILE_HEADER]) -> Result<Self, HeaderError> {
        let recycled = expected == FileKind::Log && bytes[..8] == *FileKind::Recycled.magic();
        let kind = if recycled { FileKind::Recycled } else { expected };
        if bytes[..8] != *kind.magic() || crc32fast::hash(&bytes[..24]) != u32_at(bytes, 24) {
            return Err(HeaderError::Damaged);
        }
        match u32_at(bytes, 8) {
            VERSION_OLDEST..=VERSION => Ok(Self { kind, salt: u32_at(bytes, 12), base: u64_at(bytes, 16) }),
            other => Err(HeaderError::Version(other)),
        }
    }

    /// Whether an intact header is one of an older version.
    pub(crate) fn is_outdated(bytes: &[u8; FILE_HEADER]) -> bool {
        u32_at(bytes, 8) < VERSION
    }
}

const FRAME_MAGIC: [u8; 4] = *b"\xf5kkf";

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Records: in a log one committed group, in a snapshot a run of versions.
    Records,
    /// Everything before is durable. Written when the log falls idle, so that damage to what came last is told from a
    /// write that was torn.
    Mark,
    /// The last frame of a log file; another file continues from `revision`.
    Seal,
    /// The history before `revision` was forgotten on request.
    Compacted,
    /// The last frame of a snapshot; `records` counts all of it.
    End,
    /// The first frame of a backup: when it was taken, as milliseconds since 1970, in 8 bytes.
    Taken,
}

const KINDS: [(FrameKind, u32); 6] = [
    (FrameKind::Records, 1),
    (FrameKind::Mark, 2),
    (FrameKind::Seal, 3),
    (FrameKind::Compacted, 4),
    (FrameKind::End, 5),
    (FrameKind::Taken, 6),
];

/// The start of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    pub(crate) revision: Revision,
    /// So many bytes of the file were durable when this frame was written: damage below is damage to data that was
    /// acknowledged, or at least may have been.
    pub(crate) synced: u64,
    pub(crate) records: u32,
}

/// A frame as it was found, before its checksum is known to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) header: FrameHeader,
    pub(crate) length: usize,
    checksum: u32,
}

/// A frame in the making: room for the header, then the payload as it is appended.
pub(crate) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(FRAME_HEADER, 0);
}

/// Completes the frame that `buffer` holds.
///
/// # Panics
/// When the payload is larger than a frame may be; its makers stop before.
pub(crate) fn finish(buffer: &mut [u8], salt: u32, header: FrameHeader) {
    let length = u32::try_from(buffer.len() - FRAME_HEADER).expect("a frame is filled to PAYLOAD_MAX at most");
    let code = KINDS.iter().find(|(kind, _)| *kind == header.kind).map_or(0, |(_, code)| *code);
    buffer[..4].copy_from_slice(&FRAME_MAGIC);
    buffer[4..8].copy_from_slice(&length.to_le_bytes());
    buffer[8..16].copy_from_slice(&header.revision.to_le_bytes());
    buffer[16..24].copy_from_slice(&header.synced.to_le_bytes());
    buffer[24..28].copy_from_slice(&header.records.to_le_bytes());
    buffer[28..32].copy_from_slice(&code.to_le_bytes());
    let checksum = checksum(salt, &buffer[4..CHECKSUM], &buffer[FRAME_HEADER..]);
    buffer[CHECKSUM..FRAME_HEADER].copy_from_slice(&checksum.to_le_bytes());
}

impl Candidate {
    /// Reads a header; `None` when these bytes are none.
    pub(crate) fn decode(bytes: &[u8; FRAME_HEADER]) -> Option<Self> {
        if bytes[..4] != FRAME_MAGIC {
            return None;
        }
        let length = usize::try_from(u32_at(bytes, 4)).ok().filter(|length| *length <= PAYLOAD_MAX)?;
        let code = u32_at(bytes, 28);
        let kind = KINDS.iter().find(|(_, c)| *c == code)?.0;
        let (revision, synced, records) = (u64_at(bytes, 8), u64_at(bytes, 16), u32_at(bytes, 24));
        let header = FrameHeader { kind, revision, synced, records };
        Some(Self { header, length, checksum: u32_at(bytes, CHECKSUM) })
    }

    /// Whether header and payload are what was written.
    pub(crate) fn is_intact(&self, salt: u32, header: &[u8; FRAME_HEADER], payload: &[u8]) -> bool {
        checksum(salt, &header[4..CHECKSUM], payload) == self.checksum
    }
}

/// Whether an intact frame in `bytes` says that the file of this header was durable beyond `offset`.
///
/// Frames of the file that this one is written over have another salt, and lower revisions.
pub(crate) fn proves_durable(offset: u64, file: &FileHeader, bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, &FRAME_MAGIC).any(|at| {
        let Some((header_bytes, after)) = bytes[at..].split_first_chunk::<FRAME_HEADER>() else { return false };
        let Some(candidate) = Candidate::decode(header_bytes) else { return false };
        let Some(payload) = after.get(..candidate.length) else { return false };
        candidate.header.synced > offset
            && candidate.header.revision >= file.base
            && candidate.is_intact(file.salt, header_bytes, payload)
    })
}

fn checksum(salt: u32, header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests;
