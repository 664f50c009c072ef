//! A random trace of writes, and what the store must hold after each of them.

use kubekit_store::conformance::extractor;
use kubekit_store::medium::Simulated;
use kubekit_store::{
    CommitMode, Config, Disk, EMPTY_REVISION, Error, History, ListRequest, Precondition, Revision, Store, TxnOutcome,
    Value,
};
use std::collections::BTreeMap;

/// Revision and bytes of each key.
pub(crate) type State = BTreeMap<String, (Revision, Vec<u8>)>;

/// Small files, so that a short trace goes through every kind of operation on the medium.
pub(crate) fn config() -> Config {
    Config::default().history(History::unbounded()).segment_bytes(3000).commit_mode(CommitMode::Inline)
}

pub(crate) fn open(medium: &Simulated) -> Result<Disk, Error> {
    Disk::open_on(medium.clone(), extractor(), config())
}

/// A write, or a request to compact.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(String, Vec<u8>),
    Delete(String),
    Compact,
}

/// Random steps, without an end.
#[derive(Debug)]
pub(crate) struct Trace(u64);

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

impl Iterator for Trace {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let key = format!("/p/{:02}", self.below(24));
        Some(match self.below(40) {
            0 => Step::Compact,
            1..10 => Step::Delete(key),
            _ => {
                let length = if self.below(10) == 0 { self.below(2500) } else { self.below(120) };
                let byte = u8::try_from(self.below(256)).unwrap();
                Step::Put(key, (0..length).map(|i| byte.wrapping_add(i.to_le_bytes()[0])).collect())
            }
        })
    }
}

/// What the store must hold.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) state: State,
    pub(crate) revision: Revision,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { state: State::new(), revision: EMPTY_REVISION }
    }

    /// Applies a step that was committed.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Compact => return,
            Step::Put(key, bytes) => {
                self.state.insert(key.clone(), (self.revision + 1, bytes.clone()));
            }
            Step::Delete(key) => {
                if self.state.remove(key).is_none() {
                    return;
                }
            }
        }
        self.revision += 1;
    }

    /// Runs a step on the store; when it is committed, also on the model.
    pub(crate) async fn run(&mut self, store: &Disk, step: &Step) -> Result<(), Error> {
        let outcome = match step {
            Step::Compact => return store.compact(self.revision).await,
            Step::Put(key, bytes) => {
                let value = Value { bytes: bytes.clone().into(), splice: 0 };
                store.put(key, Precondition::None, value).await?
            }
            Step::Delete(key) => store.delete(key, Precondition::None).await?,
        };
        self.apply(step);
        if let TxnOutcome::Committed { revision, .. } = outcome {
            assert_eq!(revision, self.revision);
        }
        Ok(())
    }

    /// Checks that the store holds this and nothing else.
    pub(crate) async fn check(&self, store: &Disk, place: &str) {
        assert_eq!(store.revision().await.unwrap(), self.revision, "{place}");
        assert_eq!(state(store).await, self.state, "{place}");
    }
}

pub(crate) async fn state(store: &Disk) -> State {
    let listing = store.list(ListRequest::default()).await.unwrap();
    listing.entries.map(|entry| (entry.key.to_string(), (entry.revision, entry.value.bytes.to_vec()))).collect()
}
