//! What a watch delivered, and the nine checks that etcd's robustness suite makes of it, under its names.

use super::{Event, EventKind, Journal, Violation};
use crate::{Revision, Selector};

/// An event, as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What happened.
    pub kind: EventKind,
    /// At which revision.
    pub revision: Revision,
    /// Key, text and revision of the version that the event carries; for a delete the last that was in the set.
    pub version: Option<(String, String, Revision)>,
}

impl From<&Event> for Delivered {
    fn from(event: &Event) -> Self {
        let version = event.entry.as_ref();
        Self {
            kind: event.kind,
            revision: event.revision,
            version: version.map(|entry| {
                (entry.key.to_string(), String::from_utf8_lossy(&entry.value.bytes).into_owned(), entry.revision)
            }),
        }
    }
}

/// One stream of a watch, from its start to its end.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The prefix that was watched.
    pub prefix: String,
    /// What was selected.
    pub selector: Selector,
    /// After which revision.
    pub after: Revision,
    /// What was delivered, in order.
    pub events: Vec<Delivered>,
}

/// One of the nine checks.
#[derive(Clone, Copy)]
pub struct WatchCheck {
    /// Its name in etcd's suite.
    pub name: &'static str,
    check: fn(&Watched, &Journal) -> Result<(), String>,
}

impl std::fmt::Debug for WatchCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchCheck").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WatchCheck {
    /// Holds a stream against what has happened.
    ///
    /// # Errors
    /// When it breaks the promise.
    pub fn run(&self, watched: &Watched, journal: &Journal) -> Result<(), Violation> {
        let Watched { prefix, after, .. } = watched;
        (self.check)(watched, journal)
            .map_err(|what| Violation(format!("watch of {prefix:?} after {after} is not {}: {what}", self.name)))
    }
}

/// The checks.
pub const CHECKS: &[WatchCheck] = &[
    WatchCheck { name: "Filter", check: filter },
    WatchCheck { name: "Ordered", check: ordered },
    WatchCheck { name: "Unique", check: unique },
    WatchCheck { name: "Atomic", check: atomic },
    WatchCheck { name: "Bookmarkable", check: bookmarkable },
    WatchCheck { name: "Reliable", check: reliable },
    WatchCheck { name: "Resumable", check: resumable },
    WatchCheck { name: "PrevKV", check: prev_kv },
    WatchCheck { name: "IsCreate", check: is_create },
];

impl Watched {
    fn selects(&self, key: &str, text: &str) -> bool {
        let attributes = crate::conformance::extractor().extract(key, text.as_bytes());
        key.starts_with(&self.prefix) && self.selector.matches(&attributes)
    }

    /// The changes that the watch has to deliver.
    fn due<'a>(&'a self, journal: &'a Journal) -> impl Iterator<Item = Due<'a>> {
        journal.changes.range(self.after + 1..).filter_map(|(revision, change)| {
            let (before, after, _) = self.due_at(journal, *revision)?;
            (before || after).then_some(Due { revision: *revision, key: &change.key })
        })
    }

    /// Whether the key was in the set before and after the change of a revision, and its version before.
    fn due_at(&self, journal: &Journal, revision: Revision) -> Option<Membership> {
        let change = journal.changes.get(&revision)?;
        let before = journal.before(&change.key, revision).filter(|(_, text)| self.selects(&change.key, text));
        let after = change.text.as_deref().is_some_and(|text| self.selects(&change.key, text));
        Some((before.is_some(), after, before))
    }

    fn changes(&self) -> impl Iterator<Item = &Delivered> {
        self.events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Added | EventKind::Modified | EventKind::Deleted))
    }
}

/// Whether a key was in the set before and after a change, and its version before.
type Membership = (bool, bool, Option<super::Version>);

struct Due<'a> {
    revision: Revision,
    key: &'a str,
}

/// Nothing comes that was not asked for.
fn filter(watched: &Watched, _: &Journal) -> Result<(), String> {
    let strange = watched
        .changes()
        .find(|event| !event.version.as_ref().is_some_and(|(key, text, _)| watched.selects(key, text)));
    strange.map_or(Ok(()), |event| Err(format!("{event:?} is not selected")))
}

/// Revisions rise.
fn ordered(watched: &Watched, _: &Journal) -> Result<(), String> {
    let changes: Vec<_> = watched.changes().collect();
    let fall = changes.windows(2).find(|pair| pair[0].revision > pair[1].revision);
    fall.map_or(Ok(()), |pair| Err(format!("{:?} comes after {:?}", pair[1], pair[0])))
}

/// No event comes twice.
fn unique(watched: &Watched, _: &Journal) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    let twice = watched.changes().find(|event| !seen.insert(event.revision));
    twice.map_or(Ok(()), |event| Err(format!("{event:?} comes twice")))
}

/// An event is all of its transaction: the key and the text that were written at its revision.
fn atomic(watched: &Watched, journal: &Journal) -> Result<(), String> {
    for event in watched.changes() {
        let Some(change) = journal.changes.get(&event.revision) else {
            return Err(format!("nothing happened at the revision of {event:?}"));
        };
        let Some((key, text, revision)) = &event.version else { return Err(format!("{event:?} carries nothing")) };
        let whole = key == &change.key
            && (event.kind == EventKind::Deleted
                || (change.text.as_ref() == Some(text) && *revision == event.revision));
        if !whole {
            return Err(format!("{event:?} is not what happened: {change:?}"));
        }
    }
    Ok(())
}

/// What precedes a bookmark has been delivered before it, and nothing of it comes after it.
fn bookmarkable(watched: &Watched, journal: &Journal) -> Result<(), String> {
    let mut told = watched.after;
    let mut delivered = watched.after;
    for event in &watched.events {
        match event.kind {
            EventKind::Progress => {
                let missing =
                    watched.due(journal).find(|due| due.revision > delivered && due.revision <= event.revision);
                if let Some(due) = missing {
                    return Err(format!("{event:?} comes before revision {} of {}", due.revision, due.key));
                }
                told = told.max(event.revision);
            }
            EventKind::InitialEnd => {}
            _ if event.revision <= told => return Err(format!("{event:?} comes after a bookmark of {told}")),
            _ => delivered = delivered.max(event.revision),
        }
    }
    Ok(())
}

/// Nothing is left out between two events that were delivered.
fn reliable(watched: &Watched, journal: &Journal) -> Result<(), String> {
    let delivered: Vec<_> = watched.changes().map(|event| event.revision).collect();
    let (Some(first), Some(last)) = (delivered.first(), delivered.last()) else { return Ok(()) };
    let due = watched.due(journal).map(|due| due.revision);
    let due: Vec<_> = due.filter(|revision| revision >= first && revision <= last).collect();
    match due.iter().find(|revision| !delivered.contains(revision)) {
        Some(missing) => Err(format!("revision {missing} is left out")),
        None => Ok(()),
    }
}

/// The first event is the first one behind the revision that the watch was asked to start after.
fn resumable(watched: &Watched, journal: &Journal) -> Result<(), String> {
    let (Some(first), Some(due)) = (watched.changes().next(), watched.due(journal).next()) else { return Ok(()) };
    if first.revision == due.revision {
        return Ok(());
    }
    Err(format!("it begins with {first:?}, and not with revision {}", due.revision))
}

/// A delete carries the last version that was in the set.
fn prev_kv(watched: &Watched, journal: &Journal) -> Result<(), String> {
    for event in watched.changes().filter(|event| event.kind == EventKind::Deleted) {
        let before = watched.due_at(journal, event.revision).and_then(|(_, _, before)| before);
        let carried = event.version.as_ref().map(|(_, text, revision)| (*revision, text.clone()));
        if before != carried {
            return Err(format!("{event:?} does not carry {before:?}"));
        }
    }
    Ok(())
}

/// An event is `Added` when nothing was in the set before, and otherwise `Modified` or `Deleted`.
fn is_create(watched: &Watched, journal: &Journal) -> Result<(), String> {
    for event in watched.changes() {
        let expected = match watched.due_at(journal, event.revision) {
            Some((false, true, _)) => EventKind::Added,
            Some((true, true, _)) => EventKind::Modified,
            Some((true, false, _)) => EventKind::Deleted,
            Some((false, false, _)) | None => return Err(format!("{event:?} is no change of the set")),
        };
        if event.kind != expected {
            return Err(format!("{event:?} must be {expected:?}"));
        }
    }
    Ok(())
}
