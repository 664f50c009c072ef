//! A directory in memory that crashes and fails on request.

use super::{Medium, MediumFile, MediumLock};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{Cursor, Error, ErrorKind, Read, Result};
use std::sync::Arc;

/// A medium in memory. Clones are handles on one medium, which outlives the stores that are opened on it.
///
/// It counts its operations that change something. A crash can be planned at any of them: from there on everything fails,
/// until [`Simulated::restart`] brings back what a machine would find: what was synced, and of the rest a part that the
/// seed decides.
#[derive(Clone, Debug)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The machine stops at this operation, counted by [`Simulated::operations`]. An append is done in part.
    CrashAt(u64),
    /// No more bytes than this fit on the medium.
    Capacity(u64),
    /// The next sync fails; what was not synced by then is lost, as Linux loses it.
    SyncFails,
    /// The next append fails with an error that is not one of space.
    AppendFails,
}

#[derive(Debug)]
struct State {
    random: u64,
    files: BTreeMap<u64, Content>,
    /// Names as the process sees them, and as they are after a crash.
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    next_file: u64,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    capacity: u64,
    sync_fails: bool,
    append_fails: bool,
    locked: bool,
    /// Handles of before a crash are dead.
    epoch: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// So many bytes are on the medium, but for those of `before`.
    synced: usize,
    /// What was there before it was written over, and where; oldest first. Nothing of that is synced.
    before: Vec<(usize, Vec<u8>)>,
    /// What was cut off since the last sync, while nothing was appended.
    cut: Vec<u8>,
}

impl Content {
    /// Writes at a place that is not behind the end.
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let over = bytes.len().min(self.bytes.len() - at);
        let known = self.synced.clamp(at, at + over);
        if known > at {
            self.before.push((at, self.bytes[at..known].to_vec()));
        }
        self.bytes[at..at + over].copy_from_slice(&bytes[..over]);
        self.bytes.extend_from_slice(&bytes[over..]);
        if over < bytes.len() {
            self.cut.clear();
        }
    }

    fn truncate(&mut self, len: usize) {
        if len < self.synced {
            let cut = self.bytes[len..self.synced].to_vec();
            self.cut.splice(..0, cut);
        }
        self.bytes.truncate(len);
        self.synced = self.synced.min(len);
    }

    fn sync(&mut self) {
        self.synced = self.bytes.len();
        self.before.clear();
        self.cut.clear();
    }
}

impl Simulated {
    /// An empty medium; the seed decides what a crash leaves of bytes that were not synced.
    pub fn new(seed: u64) -> Self {
        let state = State {
            // Any seed but 0 is good for xorshift.
            random: seed.wrapping_mul(2).wrapping_add(1),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            next_file: 0,
            operations: 0,
            crash_at: None,
            crashed: false,
            capacity: u64::MAX,
            sync_fails: false,
            append_fails: false,
            locked: false,
            epoch: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Plans a fault, or lifts one: an unlimited capacity is `u64::MAX`.
    pub fn inject(&self, fault: Fault) {
        let mut state = self.state.lock();
        match fault {
            Fault::CrashAt(operation) => state.crash_at = Some(operation),
            Fault::Capacity(bytes) => state.capacity = bytes,
            Fault::SyncFails => state.sync_fails = true,
            Fault::AppendFails => state.append_fails = true,
        }
    }

    /// Operations so far that changed something: appends, syncs, truncations and those on names.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Whether a planned crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.state.lock().crashed
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.state.lock().bytes()
    }

    /// The machine stops now, if it did not before, and starts again: what was not synced is lost or torn, the lock
    /// is free, and faults are over.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        state.tear();
        state.crashed = false;
        state.crash_at = None;
        state.sync_fails = false;
        state.append_fails = false;
        state.capacity = u64::MAX;
        state.locked = false;
        state.epoch += 1;
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// The bytes of a file, if it is there.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        state.names.get(name).map(|file| state.files[file].bytes.clone())
    }

    /// Replaces the bytes of a file, durably, or adds the file.
    pub fn set_contents(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let file = state.new_file(name);
        state.durable_names.insert(name.to_owned(), file);
        let synced = bytes.len();
        state.files.insert(file, Content { bytes, synced, ..Content::default() });
    }

    /// Turns one bit of a file over.
    ///
    /// # Panics
    /// When there is no such file or bit.
    pub fn flip_bit(&self, name: &str, bit: u64) {
        let mut state = self.state.lock();
        let file = state.names[name];
        let content = state.files.get_mut(&file).expect("a name leads to a file");
        let byte = usize::try_from(bit / 8).expect("a file fits into memory");
        content.bytes[byte] ^= 1 << (bit % 8);
    }

    /// What a machine would find if this one stopped now, as a medium of its own. This one goes on.
    #[must_use]
    pub fn stopped(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        {
            let (state, mut stopped) = (self.state.lock(), copy.state.lock());
            stopped.files = state.files.clone();
            stopped.names = state.names.clone();
            stopped.durable_names = state.durable_names.clone();
            stopped.next_file = state.next_file;
            stopped.tear();
        }
        copy
    }

    /// A medium of its own with the same files.
    #[must_use]
    pub fn fork(&self) -> Self {
        let fork = Self::new(self.state.lock().random);
        for name in self.names() {
            if let Some(bytes) = self.contents(&name) {
                fork.set_contents(&name, bytes);
            }
        }
        fork
    }
}

fn stopped() -> Error {
    Error::other("the simulated machine has stopped")
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{name} does not exist"))
}

impl State {
    fn bytes(&self) -> u64 {
        self.names.values().map(|file| self.files[file].bytes.len() as u64).sum()
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random() % bound as u64).expect("less than a usize")
    }

    /// Counts an operation; `false` when the machine stops at it.
    fn step(&mut self) -> Result<bool> {
        if self.crashed {
            return Err(stopped());
        }
        self.operations += 1;
        if self.crash_at.is_some_and(|at| self.operations >= at) {
            self.crashed = true;
        }
        Ok(!self.crashed)
    }

    /// Counts an operation that either happens as a whole or not at all.
    fn atomic_step(&mut self) -> Result<()> {
        if self.step()? { Ok(()) } else { Err(stopped()) }
    }

    fn new_file(&mut self, name: &str) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, Content::default());
        self.names.insert(name.to_owned(), file);
        file
    }

    /// What is there after the machine has stopped.
    fn tear(&mut self) {
        // Names that were not made durable: as they were, or as they are, one by one.
        let mut changed: Vec<String> = self.names.keys().chain(self.durable_names.keys()).cloned().collect();
        changed.sort();
        changed.dedup();
        for name in changed {
            let (now, then) = (self.names.get(&name).copied(), self.durable_names.get(&name).copied());
            if now != then && self.below(2) == 0 {
                match now {
                    Some(file) => self.durable_names.insert(name, file),
                    None => self.durable_names.remove(&name),
                };
            }
        }
        self.names = self.durable_names.clone();
        let named: Vec<u64> = self.names.values().copied().collect();
        self.files.retain(|file, _| named.contains(file));
        for file in named {
            let mut content = self.files.remove(&file).unwrap_or_default();
            self.tear_content(&mut content);
            self.files.insert(file, content);
        }
    }

    /// Of bytes that were not synced, some sectors are there, some are zeros or as before, and the end may be missing, or
    /// what was cut off from it be back.
    fn tear_content(&mut self, content: &mut Content) {
        let unsynced = content.bytes.len() - content.synced;
        if unsynced > 0 {
            let kept = match self.below(4) {
                0 => 0,
                1 => unsynced,
                _ => self.below(unsynced + 1),
            };
            content.bytes.truncate(content.synced + kept);
            let whole = self.below(2) == 0;
            let mut start = content.synced;
            while start < content.bytes.len() {
                let end = ((start / SECTOR + 1) * SECTOR).min(content.bytes.len());
                if !whole && self.below(4) == 0 {
                    content.bytes[start..end].fill(0);
                }
                start = end;
            }
        }
        let cut = std::mem::take(&mut content.cut);
        if self.below(2) == 0 {
            content.bytes.extend(cut);
        }
        self.tear_overwritten(content);
        content.sync();
    }

    fn tear_overwritten(&mut self, content: &mut Content) {
        let chance = self.below(5);
        for (at, before) in std::mem::take(&mut content.before).into_iter().rev() {
            let mut start = at;
            while start < at + before.len() {
                let end = ((start / SECTOR + 1) * SECTOR).min(at + before.len());
                let there = content.bytes.get_mut(start..end);
                if let Some(there) = there
                    && self.below(4) < chance
                {
                    there.copy_from_slice(&before[start - at..end - at]);
                }
                start = end;
            }
        }
    }
}

/// What a medium writes as a whole.
const SECTOR: usize = 512;

#[derive(Debug)]
struct Lock {
    medium: Simulated,
    epoch: u64,
}

impl MediumLock for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.medium.state.lock();
        if state.epoch == self.epoch {
            state.locked = false;
        }
    }
}

impl Medium for Simulated {
    fn describe(&self) -> String {
        "simulated medium".to_owned()
    }

    fn lock(&self) -> Result<Box<dyn MediumLock>> {
        let mut state = self.state.lock();
        if state.crashed {
            return Err(stopped());
        }
        if std::mem::replace(&mut state.locked, true) {
            return Err(Error::new(ErrorKind::WouldBlock, "another store has it open"));
        }
        Ok(Box::new(Lock { medium: self.clone(), epoch: state.epoch }))
    }

    fn list(&self) -> Result<Vec<String>> {
        let state = self.state.lock();
        if state.crashed { Err(stopped()) } else { Ok(state.names.keys().cloned().collect()) }
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        if self.state.lock().crashed {
            return Err(stopped());
        }
        self.contents(name)
            .map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>)
            .ok_or_else(|| missing(name))
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let mut state = self.state.lock();
        state.atomic_step()?;
        let file = state.new_file(name);
        Ok(Box::new(Handle { medium: self.clone(), file, epoch: state.epoch, at: None }))
    }

    fn append(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let state = self.state.lock();
        let file = *state.names.get(name).ok_or_else(|| missing(name))?;
        Ok(Box::new(Handle { medium: self.clone(), file, epoch: state.epoch, at: None }))
    }

    fn overwrite(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let state = self.state.lock();
        let file = *state.names.get(name).ok_or_else(|| missing(name))?;
        Ok(Box::new(Handle { medium: self.clone(), file, epoch: state.epoch, at: Some(0) }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.atomic_step()?;
        let file = state.names.remove(from).ok_or_else(|| missing(from))?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.atomic_step()?;
        state.names.remove(name).map(|_| ()).ok_or_else(|| missing(name))
    }

    fn sync_dir(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.atomic_step()?;
        state.durable_names = state.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct Handle {
    medium: Simulated,
    file: u64,
    epoch: u64,
    /// Where the next bytes go, if not at the end.
    at: Option<usize>,
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut State, u64) -> Result<T>) -> Result<T> {
        let mut state = self.medium.state.lock();
        if state.epoch == self.epoch { act(&mut state, self.file) } else { Err(stopped()) }
    }
}

fn content(state: &mut State, file: u64) -> &mut Content {
    state.files.entry(file).or_default()
}

impl MediumFile for Handle {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let at = self.at;
        let mut end = None;
        let done = self.with(|state, file| {
            let goes_on = state.step()?;
            let room = usize::try_from(state.capacity.saturating_sub(state.bytes())).unwrap_or(usize::MAX);
            let length = content(state, file).bytes.len();
            let at = at.unwrap_or(length);
            let room = room.saturating_add(length - at);
            let failing = std::mem::take(&mut state.append_fails);
            let written = match (goes_on, failing) {
                (true, false) => bytes.len().min(room),
                _ => state.below(bytes.len() + 1).min(room),
            };
            content(state, file).write(at, &bytes[..written]);
            end = Some(at + written);
            match (goes_on, failing) {
                (false, _) => Err(stopped()),
                (true, true) => Err(Error::other("injected: the write failed")),
                (true, false) if written < bytes.len() => {
                    Err(Error::new(ErrorKind::StorageFull, "injected: no space left on the medium"))
                }
                (true, false) => Ok(()),
            }
        });
        self.at = self.at.and(end);
        done
    }

    fn sync(&mut self) -> Result<()> {
        self.with(|state, file| {
            state.atomic_step()?;
            if std::mem::take(&mut state.sync_fails) {
                let content = content(state, file);
                let synced = content.synced;
                content.bytes[synced..].fill(0);
                for (at, before) in std::mem::take(&mut content.before).into_iter().rev() {
                    if let Some(there) = content.bytes.get_mut(at..at + before.len()) {
                        there.copy_from_slice(&before);
                    }
                }
                return Err(Error::other("injected: the sync failed"));
            }
            content(state, file).sync();
            Ok(())
        })
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        self.with(|state, file| {
            state.atomic_step()?;
            content(state, file).truncate(usize::try_from(len).unwrap_or(usize::MAX));
            Ok(())
        })?;
        self.at = None;
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        self.with(|state, file| Ok(content(state, file).bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests;
