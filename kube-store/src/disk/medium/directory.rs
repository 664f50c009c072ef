//! A directory of a real file system.

use super::{Medium, MediumFile, MediumLock};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file whose lock says that the directory is taken. It stays behind; what counts is the lock, which the operating
/// system gives free when the process ends, however it ends.
const LOCK: &str = "lock";

/// A directory of a real file system.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn create_dir(&self) -> Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        // Values may be secret.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)?;
        // The new directory's own name must be durable too, or everything in it is lost with it.
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => Ok(()),
        }
    }
}

/// Makes the names in a directory durable. Windows has no such call: NTFS journals names by itself.
fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}

#[derive(Debug)]
struct Lock {
    _file: File,
}

impl MediumLock for Lock {}

impl Medium for Directory {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn lock(&self) -> Result<Box<dyn MediumLock>> {
        self.create_dir()?;
        let path = self.path.join(LOCK);
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: on some systems the file of a lock cannot be read by others.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.is_empty() { String::new() } else { format!(" {}", holder.trim()) };
                return Err(Error::new(ErrorKind::WouldBlock, format!("process{holder} has it open")));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Box::new(Lock { _file: file }))
    }

    fn list(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // A name that is not text is not one of ours.
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.path.join(name))?))
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(Written { file: options.open(self.path.join(name))? }))
    }

    fn append(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let mut file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Box::new(Written { file }))
    }

    fn overwrite(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        Ok(Box::new(Written { file }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> Result<()> {
        sync_directory(&self.path)
    }
}

#[derive(Debug)]
struct Written {
    file: File,
}

impl MediumFile for Written {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        // fdatasync: it includes the length of the file, which is all of the metadata that matters here.
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len)).map(|_| ())
    }

    fn len(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }
}
