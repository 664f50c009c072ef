//! The decision on a transaction: what it becomes, given the version that is there.

use crate::entry::Lifetime;
use crate::index::history::Change;
use crate::{
    Attributes, Config, Entry, Error, Extractor, Op, Precondition, Result, Revision, Txn, TxnOutcome, Value, limits,
};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::Instant;

/// A transaction that was checked, with its attributes extracted: all that can be done before it has its turn.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) key: String,
    pub(crate) precondition: Precondition,
    pub(crate) write: Option<Write>,
}

/// What a put writes.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) value: Value,
    pub(crate) attributes: Attributes,
    lifetime: Option<Lifetime>,
}

/// What a transaction becomes.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It changes the store.
    Commit(Change),
    /// Its precondition does not hold; this is there instead.
    Refuse(Option<Arc<Entry>>),
}

impl Prepared {
    /// Checks a transaction against the limits and completes it.
    pub(crate) fn new(txn: Txn, extractor: &Extractor, config: &Config) -> Result<Self> {
        limits::check(&txn)?;
        let write = match txn.op {
            Op::Delete => None,
            Op::Put { value, attributes, ttl_seconds } => {
                let attributes = attributes.unwrap_or_else(|| extractor.extract(&txn.key, &value.bytes));
                let bytes = attributes.bytes();
                if bytes > limits::ATTRIBUTE_BYTES_MAX {
                    let limit = limits::ATTRIBUTE_BYTES_MAX;
                    return Err(Error::Invalid(format!(
                        "the attributes of {:?} have {bytes} bytes; the limit is {limit}",
                        txn.key
                    )));
                }
                Some(Write { value, attributes, lifetime: ttl_seconds.map(|ttl| lifetime(ttl, config)) })
            }
        };
        Ok(Self { key: txn.key, precondition: txn.precondition, write })
    }

    /// The time to live, where it is a put with one.
    #[cfg(feature = "etcd")]
    pub(crate) fn ttl_seconds(&self) -> Option<u32> {
        self.write.as_ref()?.lifetime.map(|lifetime| lifetime.ttl_seconds)
    }

    /// Decides, given the current version of the key, and the revision that a commit would have.
    pub(crate) fn decide(self, current: Option<Arc<Entry>>, revision: Revision, at: Instant) -> Decision {
        let holds = match self.precondition {
            Precondition::None => true,
            Precondition::Absent => current.is_none(),
            Precondition::Revision(required) => current.as_ref().is_some_and(|entry| entry.revision == required),
        };
        if !holds || (self.write.is_none() && current.is_none()) {
            return Decision::Refuse(current);
        }
        let entry = self.write.map(|write| {
            // Versions of one key share the key's bytes.
            let key = current.as_ref().map_or_else(|| Arc::from(self.key), |entry| Arc::clone(&entry.key));
            let mut entry = Entry::new(key, write.value, revision, write.attributes);
            entry.lifetime = write.lifetime;
            Arc::new(entry)
        });
        Decision::Commit(Change { revision, previous: current, entry, at })
    }
}

fn lifetime(ttl_seconds: u32, config: &Config) -> Lifetime {
    let ttl = Duration::from_secs(ttl_seconds.into());
    let wall = config.wall_clock.now().duration_since(UNIX_EPOCH).unwrap_or_default() + ttl;
    let wall_millis = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    Lifetime { deadline: Instant::now() + ttl, wall_millis, ttl_seconds }
}

impl From<&Change> for TxnOutcome {
    fn from(change: &Change) -> Self {
        Self::Committed { revision: change.revision, entry: change.entry.clone(), previous: change.previous.clone() }
    }
}
