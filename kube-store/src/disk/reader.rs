//! Reads a file frame by frame.

use super::frame::{self, Candidate, FILE_HEADER, FRAME_HEADER, FileHeader, FileKind, FrameHeader, HeaderError};
use super::medium::Medium;
use crate::{Error, Result};
use std::io::Read;

/// A file that is being read.
pub(crate) struct Reader {
    file: Box<dyn Read + Send>,
    pub(crate) header: FileHeader,
    /// Where the next frame begins.
    pub(crate) offset: u64,
    payload: Vec<u8>,
    describe: String,
    /// Whether the file is of an older version of the format.
    pub(crate) outdated: bool,
}

/// What stands at a place in a file.
pub(crate) enum Next<'a> {
    Frame(FrameHeader, &'a [u8]),
    /// The file ends here, between two frames.
    End,
    /// These bytes are no intact frame.
    Damaged {
        /// Whether a later frame says that they were durable, so that they may have been acknowledged.
        durable: bool,
        /// How many there are up to the end of the file.
        bytes: u64,
    },
}

/// A file as it was opened.
pub(crate) enum Opened {
    Reader(Reader),
    /// The header is damaged, and nothing can stand behind it: the file was never in use.
    NeverUsed,
}

impl Reader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// `Damaged` when the header is not what was written, or of another version.
    pub(crate) fn open(medium: &dyn Medium, name: &str, kind: FileKind) -> Result<Opened> {
        let describe = format!("{}: {name}", medium.describe());
        let file = medium.read(name).map_err(|error| Error::Io(format!("reading {describe}: {error}")))?;
        Self::over(file, describe, kind)
    }

    /// Reads the header of a file that is open already.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub(crate) fn over(mut file: Box<dyn Read + Send>, describe: String, kind: FileKind) -> Result<Opened> {
        let io = |error: std::io::Error| Error::Io(format!("reading {describe}: {error}"));
        let mut bytes = Vec::new();
        file.by_ref().take(FILE_HEADER as u64).read_to_end(&mut bytes).map_err(io)?;
        let header = bytes
            .first_chunk::<FILE_HEADER>()
            .map_or(Err(HeaderError::Damaged), |bytes| FileHeader::decode(kind, bytes));
        match header {
            Ok(header) => {
                let offset = FILE_HEADER as u64;
                let outdated = bytes.first_chunk().is_some_and(FileHeader::is_outdated);
                Ok(Opened::Reader(Self { file, header, offset, payload: Vec::new(), describe, outdated }))
            }
            Err(HeaderError::Version(version)) => Err(Error::Damaged(format!(
                "{describe}: format version {version}; this build reads versions {} to {}. Use a build that \
                 reads it, which upgrades the directory in place",
                frame::VERSION_OLDEST,
                frame::VERSION
            ))),
            Err(HeaderError::Damaged) => {
                let mut beyond = [0; 1];
                // The header is synced before anything is put behind it.
                if file.read(&mut beyond).map_err(io)? == 0 {
                    return Ok(Opened::NeverUsed);
                }
                let what = match kind {
                    FileKind::Backup => "this is no backup, or its header is damaged",
                    FileKind::Log | FileKind::Recycled | FileKind::Snapshot => {
                        "the header is damaged, or this is no file of a store. Restore the directory from a backup"
                    }
                };
                Err(Error::Damaged(format!("{describe}: {what}")))
            }
        }
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// `Io` when the medium fails.
    pub(crate) fn next(&mut self) -> Result<Next<'_>> {
        let mut head = Vec::with_capacity(FRAME_HEADER);
        self.read_up_to(FRAME_HEADER, &mut head)?;
        if head.is_empty() {
            return Ok(Next::End);
        }
        let candidate = head.first_chunk::<FRAME_HEADER>().and_then(Candidate::decode);
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        if let (Some(candidate), Some(bytes)) = (candidate, head.first_chunk::<FRAME_HEADER>()) {
            self.read_up_to(candidate.length, &mut payload)?;
            let whole = payload.len() == candidate.length;
            if whole && candidate.is_intact(self.header.salt, bytes, &payload) {
                self.offset += (FRAME_HEADER + candidate.length) as u64;
                self.payload = payload;
                return Ok(Next::Frame(candidate.header, &self.payload));
            }
        }
        // The damage may be in the length, so that the next frame may begin anywhere behind the first byte.
        head.append(&mut payload);
        self.read_up_to(usize::MAX, &mut head)?;
        let bytes = head.len() as u64;
        Ok(Next::Damaged { bytes, durable: frame::proves_durable(self.offset, &self.header, &head[1..]) })
    }

    fn read_up_to(&mut self, count: usize, into: &mut Vec<u8>) -> Result<()> {
        let read = self.file.by_ref().take(count as u64).read_to_end(into);
        read.map(|_| ()).map_err(|error| Error::Io(format!("reading {}: {error}", self.describe)))
    }

    /// An error that says what is damaged here, and what to do.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        Error::Damaged(format!(
            "{}, byte {}: {what}. {}",
            self.describe,
            self.offset,
            match self.header.kind {
                FileKind::Backup => "Use another backup",
                FileKind::Log | FileKind::Recycled | FileKind::Snapshot => {
                    "Acknowledged writes would be lost, so the store does not start; restore the directory from a backup"
                }
            }
        ))
    }
}
