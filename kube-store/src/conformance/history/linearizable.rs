//! Whether the answers of a history fit one order of all operations, in which each takes effect between its question and
//! its answer.

use super::{Asked, Journal, Judged, Operation, Told, Version, Violation};
use crate::{Precondition, Revision};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Judges a history. The order of writes is that of their revisions. A read, or a refusal, is given the first place in
/// that order that its answer and the answers before its question permit: if any order exists, then this one does.
pub(super) fn check(operations: &mut [Operation], journal: &Journal) -> Result<Judged, Violation> {
    let mut judged = Judged::default();
    // An answer that was never given may still be given after all others.
    for operation in operations.iter_mut().filter(|operation| operation.told == Told::Unknown) {
        operation.told_at = u64::MAX;
    }
    let lost = lost_answers(operations, journal)?;
    operations.sort_by_key(|operation| operation.asked_at);
    // Moments that have been settled, by the time of their answer, and the latest of those answered by now.
    let mut answered: BinaryHeap<Reverse<(u64, Revision)>> = BinaryHeap::new();
    let mut bound: Revision = 0;
    for operation in operations.iter() {
        while let Some(Reverse((told_at, moment))) = answered.peek().copied()
            && told_at < operation.asked_at
        {
            bound = bound.max(moment);
            answered.pop();
        }
        let moment = match &operation.told {
            Told::NotDone => continue,
            Told::Unknown => {
                let Some(revision) = lost.get(&operation.asked_at) else {
                    judged.unknown_not_done += usize::from(operation.asked != Asked::Get);
                    continue;
                };
                judged.unknown_done += 1;
                committed(operation, *revision, None, journal)?;
                *revision
            }
            Told::Committed(revision, previous) => {
                judged.answered += 1;
                committed(operation, *revision, Some(previous), journal)?;
                *revision
            }
            Told::Refused(version) | Told::Found(version) => {
                judged.answered += 1;
                refused(operation, version.as_ref())?;
                let moment = journal.moment_of(&operation.key, version.as_ref(), bound);
                moment.ok_or_else(|| {
                    broken(operation, &format!("it is stale, or was never there, after revision {bound} was told"))
                })?
            }
        };
        let write = matches!(operation.told, Told::Committed(..) | Told::Unknown);
        if write && moment <= bound {
            return Err(broken(operation, &format!("revision {moment} lies before {bound}, which was told before")));
        }
        answered.push(Reverse((operation.told_at, moment)));
    }
    Ok(judged)
}

fn broken(operation: &Operation, what: &str) -> Violation {
    let Operation { key, asked, asked_at, told, told_at } = operation;
    Violation(format!("not linearizable: {key}: {asked:?} at {asked_at} was told {told:?} at {told_at}: {what}"))
}

/// Finds for each change that nobody was told of whose write it was: the revision, by the time of the question.
fn lost_answers(operations: &[Operation], journal: &Journal) -> Result<BTreeMap<u64, Revision>, Violation> {
    let mut told = BTreeSet::new();
    for operation in operations {
        if let Told::Committed(revision, _) = operation.told
            && !told.insert(revision)
        {
            return Err(broken(operation, "another write was told the same revision"));
        }
    }
    let mut lost = BTreeMap::new();
    for (revision, change) in journal.changes.iter().filter(|(revision, _)| !told.contains(revision)) {
        let of_it = operations.iter().find(|operation| {
            operation.told == Told::Unknown
                && operation.key == change.key
                && !lost.contains_key(&operation.asked_at)
                && match (&operation.asked, &change.text) {
                    (Asked::Put(_, text), Some(written)) => text == written,
                    (Asked::Delete(precondition), None) => {
                        holds(*precondition, journal.before(&change.key, *revision).as_ref())
                    }
                    _ => false,
                }
        });
        match of_it {
            Some(operation) => lost.insert(operation.asked_at, *revision),
            None => return Err(Violation(format!("nobody asked for the change of revision {revision}: {change:?}"))),
        };
    }
    Ok(lost)
}

fn holds(precondition: Precondition, version: Option<&Version>) -> bool {
    match precondition {
        Precondition::None => true,
        Precondition::Absent => version.is_none(),
        Precondition::Revision(required) => version.is_some_and(|(revision, _)| *revision == required),
    }
}

/// Checks a write that took effect against the state that it found.
fn committed(
    operation: &Operation,
    revision: Revision,
    previous: Option<&Option<Version>>,
    journal: &Journal,
) -> Result<(), Violation> {
    let before = journal.before(&operation.key, revision);
    let (precondition, text) = match &operation.asked {
        Asked::Put(precondition, text) => (*precondition, Some(text)),
        Asked::Delete(precondition) => (*precondition, None),
        Asked::Get => return Err(broken(operation, "a read changes nothing")),
    };
    let Some(change) = journal.changes.get(&revision) else {
        return Err(broken(operation, "it is not there: an acknowledged write was lost"));
    };
    if change.key != operation.key || change.text.as_ref() != text {
        return Err(broken(operation, &format!("the store has {change:?} at this revision")));
    }
    if !holds(precondition, before.as_ref()) {
        return Err(broken(operation, &format!("its precondition did not hold: {before:?} was there")));
    }
    if text.is_none() && before.is_none() {
        return Err(broken(operation, "there was nothing to delete"));
    }
    match previous {
        Some(previous) if *previous != before => Err(broken(operation, &format!("{before:?} was there"))),
        _ => Ok(()),
    }
}

/// Checks that a refusal says what justifies it.
fn refused(operation: &Operation, version: Option<&Version>) -> Result<(), Violation> {
    let justified = match &operation.asked {
        Asked::Get => true,
        Asked::Put(precondition, _) => !holds(*precondition, version),
        Asked::Delete(precondition) => version.is_none() || !holds(*precondition, version),
    };
    if justified { Ok(()) } else { Err(broken(operation, "its precondition held")) }
}
