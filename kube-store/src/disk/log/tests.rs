//! Files that are kept to be written over, where something goes wrong with them.

use super::Log;
use crate::disk::medium::{Fault, Medium, Simulated};
use crate::disk::names;
use crate::index::history::Change;
use crate::{Attributes, Encryption, Entry, Revision, Value};
use std::sync::Arc;
use tokio::time::Instant;

fn put(log: &mut Log, revision: Revision) {
    let value = Value { bytes: vec![b'x'; 100].into(), splice: 0 };
    let entry = Arc::new(Entry::new("/p/a".into(), value, revision, Attributes::default()));
    let change = Change { revision, previous: None, entry: Some(entry), at: Instant::now() };
    log.commit(&[change], &Encryption::default()).unwrap();
}

/// A log with two complete files that a snapshot makes superfluous.
fn log(medium: &Simulated) -> Log {
    let mut log = Log::create(Arc::new(medium.clone()), 1, Vec::new()).unwrap();
    for revision in [2, 3] {
        put(&mut log, revision);
        log.rotate().unwrap();
    }
    log
}

/// Nothing is left to be written over, and the log goes on.
fn check(medium: &Simulated, mut log: Log) {
    assert!(!log.drop_spares());
    let left: Vec<_> = medium.names().into_iter().filter(|name| name.starts_with("spare-")).collect();
    assert!(left.is_empty(), "{left:?}");
    put(&mut log, 5);
}

#[test]
fn a_spare_that_could_not_be_written_over_is_removed() {
    let medium = Simulated::new(1);
    let mut log = log(&medium);
    log.forget_before(3, 0, 1).unwrap();
    put(&mut log, 4);
    medium.inject(Fault::AppendFails);
    log.rotate().unwrap_err();
    check(&medium, log);
}

#[test]
fn spares_whose_names_may_not_be_durable_are_removed() {
    let medium = Simulated::new(1);
    let mut log = log(&medium);
    // One file is enough, and the other cannot be removed.
    medium.remove(&names::log(2)).unwrap();
    log.forget_before(3, 0, 1).unwrap_err();
    put(&mut log, 4);
    check(&medium, log);
}
