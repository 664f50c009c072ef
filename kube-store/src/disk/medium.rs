//! The seam under the disk backend: one directory of files that are written from their start to their end.
//!
//! The log needs very little of a file system, and says here what it relies on. [`Directory`] is a real directory;
//! [`Simulated`] keeps files in memory, loses what was not synced, and fails on request.

mod directory;
mod simulated;

pub use directory::Directory;
pub use simulated::{Fault, Simulated};

use std::fmt::Debug;
use std::io::{Read, Result};

/// One directory of files that are written from their start to their end, into nothing or over an older file.
///
/// # What an implementation promises
///
/// * Bytes that were appended before a [`MediumFile::sync`] that succeeded are there after a crash.
/// * Bytes that were appended and not synced may be there after a crash, in part, in any order, or as zeros.
/// * Of bytes that were written over others and not synced, any part may be there after a crash; the rest is as before.
/// * After [`Medium::sync_dir`] the names of files are those that were given by `create`, `rename` and `remove` before.
///   Without it, each of these may have happened or not.
/// * `rename` replaces the target atomically.
/// * Once `sync` has failed, nothing is known of any byte that was appended since the last one that succeeded, and a
///   repetition that succeeds proves nothing (on Linux, the pages that could not be written are dropped). The log
///   never repeats a failed sync.
/// * An error of kind [`StorageFull`](std::io::ErrorKind::StorageFull) or
///   [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded) from `append` means that space is short.
pub trait Medium: Debug + Send + Sync + 'static {
    /// Where this is, for messages.
    fn describe(&self) -> String;

    /// Takes the directory for this process, for as long as the lock lives, and creates it if it is not there.
    ///
    /// # Errors
    /// Of kind [`WouldBlock`](std::io::ErrorKind::WouldBlock) when another process, or another store in this one, has it.
    fn lock(&self) -> Result<Box<dyn MediumLock>>;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> Result<Vec<String>>;

    /// Opens a file for reading from its start.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read.
    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Creates an empty file, or empties the one that is there, for appending.
    ///
    /// # Errors
    /// When the file cannot be created.
    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>>;

    /// Opens a file that is there for appending.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be written.
    fn append(&self, name: &str) -> Result<Box<dyn MediumFile>>;

    /// Opens a file that is there for writing over what it has, from its start. Where its bytes are in place already, a
    /// sync has no lengths and no allocations to make durable, and costs half.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be written.
    fn overwrite(&self, name: &str) -> Result<Box<dyn MediumFile>>;

    /// Renames a file, over another one if that is there.
    ///
    /// # Errors
    /// When there is no such file, or the directory cannot be written.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no such file, or the directory cannot be written.
    fn remove(&self, name: &str) -> Result<()>;

    /// Makes the names of files durable.
    ///
    /// # Errors
    /// When the directory cannot be synced.
    fn sync_dir(&self) -> Result<()>;
}

/// The hold of one store on a directory. Dropping it gives the directory free.
pub trait MediumLock: Debug + Send + Sync {}

/// A file that is written to.
pub trait MediumFile: Debug + Send {
    /// Writes all of `bytes` behind those of before: at the end, or over what stands there in a file that was opened by
    /// [`Medium::overwrite`]. When it fails, any part of them may have been written.
    ///
    /// # Errors
    /// When not everything could be written.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes everything durable that was written.
    ///
    /// # Errors
    /// When it is not known to be durable.
    fn sync(&mut self) -> Result<()>;

    /// Cuts the file back to `len` bytes, which is not more than it has. What is appended next stands there.
    ///
    /// # Errors
    /// When the file still has its former length, or an unknown one.
    fn truncate(&mut self, len: u64) -> Result<()>;

    /// Number of bytes, those that are still to be written over among them.
    ///
    /// # Errors
    /// When the medium does not say.
    fn len(&self) -> Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// Those of [`MediumFile::len`].
    fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }
}
