//! A simulated medium that keeps what a machine would find if it stopped after each of its operations.

use kubekit_store::medium::{Medium, MediumFile, MediumLock, Simulated};
use parking_lot::Mutex;
use std::io::{Read, Result};
use std::sync::Arc;

/// A simulated medium, observed.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    medium: Simulated,
    stops: Arc<Mutex<Vec<Simulated>>>,
    seed: u64,
}

impl Observed {
    pub(crate) fn new(seed: u64) -> Self {
        Self { medium: Simulated::new(seed), stops: Arc::default(), seed }
    }

    /// The stops since the last call, in order.
    pub(crate) fn stops(&self) -> Vec<Simulated> {
        std::mem::take(&mut *self.stops.lock())
    }

    fn after<T>(&self, done: Result<T>) -> Result<T> {
        let stopped = self.medium.stopped(self.seed ^ self.medium.operations());
        self.stops.lock().push(stopped);
        done
    }
}

impl Medium for Observed {
    fn describe(&self) -> String {
        self.medium.describe()
    }

    fn lock(&self) -> Result<Box<dyn MediumLock>> {
        self.medium.lock()
    }

    fn list(&self) -> Result<Vec<String>> {
        self.medium.list()
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        self.medium.read(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let file = self.after(self.medium.create(name))?;
        Ok(Box::new(ObservedFile { file, medium: self.clone() }))
    }

    fn append(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        Ok(Box::new(ObservedFile { file: self.medium.append(name)?, medium: self.clone() }))
    }

    fn overwrite(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        Ok(Box::new(ObservedFile { file: self.medium.overwrite(name)?, medium: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.after(self.medium.rename(from, to))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.after(self.medium.remove(name))
    }

    fn sync_dir(&self) -> Result<()> {
        self.after(self.medium.sync_dir())
    }
}

#[derive(Debug)]
struct ObservedFile {
    file: Box<dyn MediumFile>,
    medium: Observed,
}

impl MediumFile for ObservedFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let done = self.file.append(bytes);
        self.medium.after(done)
    }

    fn sync(&mut self) -> Result<()> {
        let done = self.file.sync();
        self.medium.after(done)
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        let done = self.file.truncate(len);
        self.medium.after(done)
    }

    fn len(&self) -> Result<u64> {
        self.file.len()
    }
}
