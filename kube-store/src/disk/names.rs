//! The names of files in a data directory.

use crate::Revision;

const LOG: &str = "log-";
const SNAPSHOT: &str = "snapshot-";
const SPARE: &str = "spare-";
const UNFINISHED: &str = ".tmp";

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A log file that continues from this revision.
    Log(Revision),
    /// A snapshot of this revision.
    Snapshot(Revision),
    /// A log file that is superfluous, and kept so that the next one need not be allocated.
    Spare(Revision),
    /// A snapshot that was not completed.
    Unfinished,
    /// Not one of ours.
    Foreign,
}

/// The name of the log file that continues from `base`. All revisions have the width of the largest one, so that names
/// sort as revisions do.
pub(crate) fn log(base: Revision) -> String {
    format!("{LOG}{base:020}")
}

/// The name of the snapshot of `revision`.
pub(crate) fn snapshot(revision: Revision) -> String {
    format!("{SNAPSHOT}{revision:020}")
}

/// The name of the snapshot of `revision` while it is written.
pub(crate) fn unfinished(revision: Revision) -> String {
    format!("{SNAPSHOT}{revision:020}{UNFINISHED}")
}

/// The name that the log file with this base has once it is superfluous.
pub(crate) fn spare(base: Revision) -> String {
    format!("{SPARE}{base:020}")
}

/// Reads a name.
pub(crate) fn parse(name: &str) -> Name {
    let revision = |digits: &str| if digits.len() == 20 { digits.parse().ok() } else { None };
    if name.starts_with(SNAPSHOT) && name.ends_with(UNFINISHED) {
        return Name::Unfinished;
    }
    let of = |prefix: &str| name.strip_prefix(prefix).and_then(revision);
    let ours = of(LOG).map(Name::Log).or_else(|| of(SNAPSHOT).map(Name::Snapshot));
    ours.or_else(|| of(SPARE).map(Name::Spare)).unwrap_or(Name::Foreign)
}
