//! Random operations against a model: a map for each revision, and a list of everything that happened.

use super::{Subject, short};
use crate::{
    EMPTY_REVISION, Error, ListRequest, Operator, Precondition, ReadAt, Requirement, Revision, Selector, TxnOutcome,
    Watch, WatchRequest,
};
use futures::StreamExt;
use std::collections::{BTreeMap, VecDeque};

/// Text and revision of a key.
type Versions = BTreeMap<String, (String, Revision)>;

/// Runs so many random operations on an empty store and compares every answer with a model: transactions with all
/// preconditions, reads and pages at any revision, selectors, watches that come, go and resume, compaction.
///
/// # Panics
/// When the store and the model disagree; the message has the seed.
pub async fn random_operations(store: Subject, seed: u64, operations: usize) {
    let mut run = Run::new(store, seed);
    for number in 0..operations {
        run.place = format!("seed {seed}, operation {number}");
        run.operation().await;
    }
    run.drain().await;
}

pub(super) async fn random_operations_agree_with_the_model(store: Subject) {
    random_operations(store, 1, 800).await;
}

struct Run {
    store: Subject,
    random: u64,
    place: String,
    /// The state at every revision from `floor` on.
    states: VecDeque<Versions>,
    floor: Revision,
    /// Before and after of the transaction of every revision, from `EMPTY_REVISION + 1` on.
    changes: Vec<Change>,
    watches: Vec<Watched>,
}

struct Change {
    key: String,
    before: Option<String>,
    after: Option<String>,
}

struct Watched {
    events: Watch,
    prefix: String,
    selector: Selector,
    /// Changes up to this revision have been compared.
    through: Revision,
}

fn matches(selector: &Selector, text: &str) -> bool {
    selector.matches(&super::extractor().extract("", text.as_bytes()))
}

impl Watched {
    fn expected(&self, change: &Change, revision: Revision) -> Option<String> {
        let Change { key, before, after } = change;
        if !key.starts_with(&self.prefix) {
            return None;
        }
        let before = before.as_ref().filter(|text| matches(&self.selector, text));
        let after = after.as_ref().filter(|text| matches(&self.selector, text));
        match (before, after) {
            (None, None) => None,
            (None, Some(text)) => Some(format!("+ {key} {text} @{revision}")),
            (Some(_), Some(text)) => Some(format!("~ {key} {text} @{revision}")),
            (Some(text), None) => Some(format!("- {key} {text} @{revision}")),
        }
    }
}

impl Run {
    fn new(store: Subject, seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let states = VecDeque::from([Versions::new()]);
        let (floor, changes, watches) = (EMPTY_REVISION, Vec::new(), Vec::new());
        Self { store, random, place: String::new(), states, floor, changes, watches }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % bound
    }

    fn revision(&self) -> Revision {
        self.floor + self.states.len() as Revision - 1
    }

    fn present(&self) -> &Versions {
        self.states.back().expect("the present state is always kept")
    }

    fn key(&mut self) -> String {
        const PREFIXES: [&str; 4] = ["/a/", "/a/b/", "/b/", "/"];
        let prefix = PREFIXES[usize::try_from(self.below(4)).unwrap_or(0)];
        format!("{prefix}{}", self.below(6))
    }

    fn prefix(&mut self) -> String {
        const PREFIXES: [&str; 6] = ["", "/", "/a/", "/a/b/", "/b/", "/a/1"];
        PREFIXES[usize::try_from(self.below(6)).unwrap_or(0)].to_owned()
    }

    fn text(&mut self) -> String {
        let (color, serial) = (self.below(4), self.changes.len());
        if color == 0 { format!("s={serial}") } else { format!("color={color};s={serial}") }
    }

    fn selector(&mut self) -> Selector {
        let operator = match self.below(6) {
            0 | 1 => Operator::In,
            2 => Operator::NotIn,
            3 => Operator::Exists,
            4 => Operator::DoesNotExist,
            _ => return Selector::default(),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => (0..=self.below(2)).map(|_| self.below(4).to_string()).collect(),
            Operator::Exists | Operator::DoesNotExist => Vec::new(),
        };
        Selector { requirements: vec![Requirement { name: "color".to_owned(), operator, values }] }
    }

    /// A revision to read at: most of the time one that can be read.
    fn at(&mut self) -> ReadAt {
        let (floor, revision) = (self.floor, self.revision());
        match self.below(4) {
            0 => ReadAt::Latest,
            1 => ReadAt::NotOlderThan(1 + self.below(revision + 1)),
            _ => ReadAt::Exactly((floor + self.below(revision - floor + 3)).saturating_sub(1)),
        }
    }

    /// The state that a read means, or the error in short.
    fn state(&self, at: ReadAt) -> Result<(Revision, &Versions), &'static str> {
        let current = self.revision();
        let revision = match at {
            ReadAt::Latest => current,
            ReadAt::NotOlderThan(bound) if bound <= current => current,
            ReadAt::Exactly(revision) if revision < self.floor => return Err("compacted"),
            ReadAt::Exactly(revision) if revision <= current => revision,
            ReadAt::NotOlderThan(_) | ReadAt::Exactly(_) => return Err("future"),
        };
        let index = usize::try_from(revision - self.floor).expect("few revisions");
        Ok((revision, &self.states[index]))
    }

    async fn operation(&mut self) {
        match self.below(100) {
            0..45 => self.transaction().await,
            45..60 => self.read().await,
            60..80 => self.list().await,
            80..88 => self.watch().await,
            88..91 => {
                let count = self.watches.len();
                if count > 0 {
                    let gone = usize::try_from(self.below(count as u64)).unwrap_or(0);
                    self.watches.swap_remove(gone);
                }
            }
            91..98 => self.drain().await,
            _ => self.compact().await,
        }
    }

    async fn transaction(&mut self) {
        let key = self.key();
        let current = self.present().get(&key).cloned();
        let precondition = match self.below(5) {
            0 => Precondition::Absent,
            1 => Precondition::Revision(1 + self.below(self.revision() + 1)),
            2 | 3 => current.as_ref().map_or(Precondition::Absent, |(_, revision)| Precondition::Revision(*revision)),
            _ => Precondition::None,
        };
        let deletes = self.below(3) == 0;
        let holds = match precondition {
            Precondition::None => true,
            Precondition::Absent => current.is_none(),
            Precondition::Revision(revision) => current.as_ref().is_some_and(|(_, r)| *r == revision),
        };
        let text = self.text();
        let outcome = if deletes {
            self.store.delete(&key, precondition).await
        } else {
            self.store.put(&key, precondition, super::value(&text)).await
        };
        let place = &self.place;
        match outcome.unwrap_or_else(|error| panic!("{place}: {error}")) {
            TxnOutcome::Refused { current: found } => {
                assert!(!holds || (deletes && current.is_none()), "{place}: {key} {precondition:?} must be committed");
                let found = found.map(|entry| (super::text(&entry).to_owned(), entry.revision));
                assert_eq!(found, current, "{place}");
            }
            TxnOutcome::Committed { revision, entry, previous } => {
                assert!(holds, "{place}: {key} {precondition:?} must be refused");
                assert_eq!(revision, self.revision() + 1, "{place}");
                let previous = previous.map(|entry| (super::text(&entry).to_owned(), entry.revision));
                assert_eq!(previous, current, "{place}");
                let entry = entry.map(|entry| super::text(&entry).to_owned());
                assert_eq!(entry, (!deletes).then(|| text.clone()), "{place}");
                let mut state = self.present().clone();
                match &entry {
                    Some(text) => state.insert(key.clone(), (text.clone(), revision)),
                    None => state.remove(&key),
                };
                self.states.push_back(state);
                self.changes.push(Change { key, before: current.map(|(text, _)| text), after: entry });
            }
        }
    }

    /// Compares an error with the one that is expected.
    fn check_error(&self, error: &Error, expected: &str) {
        let short = match error {
            Error::Compacted { .. } => "compacted",
            Error::Future { .. } => "future",
            _ => "another",
        };
        assert_eq!(short, expected, "{}: {error}", self.place);
    }

    async fn read(&mut self) {
        let (key, at) = (self.key(), self.at());
        let got = self.store.get(&key, at).await;
        match self.state(at) {
            Err(expected) => self.check_error(&got.expect_err(&self.place), expected),
            Ok((_, state)) => {
                let got = got.unwrap_or_else(|error| panic!("{}: {error}", self.place));
                let got = got.map(|entry| (super::text(&entry).to_owned(), entry.revision));
                assert_eq!(got.as_ref(), state.get(&key), "{}: {key} at {at:?}", self.place);
            }
        }
    }

    async fn list(&mut self) {
        let request = ListRequest {
            prefix: self.prefix(),
            after: if self.below(3) == 0 { Some(self.key()) } else { None },
            limit: usize::try_from(self.below(6)).unwrap_or(0),
            at: self.at(),
            selector: self.selector(),
        };
        let listed = self.store.list(request.clone()).await;
        let (revision, state) = match self.state(request.at) {
            Err(expected) => return self.check_error(&listed.expect_err(&self.place), expected),
            Ok(state) => state,
        };
        let listing = listed.unwrap_or_else(|error| panic!("{}: {error}", self.place));
        assert_eq!(listing.revision, revision, "{}", self.place);
        let mut expected: Vec<_> = state
            .iter()
            .filter(|(key, (text, _))| {
                key.starts_with(&request.prefix)
                    && request.after.as_ref().is_none_or(|after| *key > after)
                    && matches(&request.selector, text)
            })
            .map(|(key, (text, revision))| (key.clone(), text.clone(), *revision))
            .collect();
        let more = request.limit > 0 && expected.len() > request.limit;
        assert_eq!(listing.remaining.is_some(), more, "{}: {request:?}", self.place);
        if more {
            expected.truncate(request.limit);
        }
        let got: Vec<_> = listing
            .entries
            .map(|entry| (entry.key.to_string(), super::text(&entry).to_owned(), entry.revision))
            .collect();
        assert_eq!(got, expected, "{}: {request:?}", self.place);
    }

    async fn watch(&mut self) {
        const WATCHES: usize = 6;
        if self.watches.len() == WATCHES {
            self.watches.remove(0);
        }
        let (prefix, selector) = (self.prefix(), self.selector());
        let (floor, revision) = (self.floor, self.revision());
        let initial_state = self.below(3) == 0;
        let after = if initial_state || self.below(4) == 0 {
            None
        } else {
            Some((floor + self.below(revision - floor + 3)).saturating_sub(1))
        };
        let request =
            WatchRequest { prefix: prefix.clone(), after, initial_state, selector: selector.clone(), progress: false };
        let opened = self.store.watch(request).await;
        if let Some(after) = after
            && let Err(expected) = self.state(ReadAt::Exactly(after))
        {
            return self.check_error(&opened.err().expect("the watch must fail"), expected);
        }
        let mut events = opened.unwrap_or_else(|error| panic!("{}: {error}", self.place));
        if initial_state {
            for (key, (text, at)) in self.present() {
                if key.starts_with(&prefix) && matches(&selector, text) {
                    let got = short(&super::next(&mut events).await);
                    assert_eq!(got, format!("+ {key} {text} @{at}"), "{}", self.place);
                }
            }
            assert_eq!(short(&super::next(&mut events).await), format!("end @{revision}"), "{}", self.place);
        }
        self.watches.push(Watched { events, prefix, selector, through: after.unwrap_or(revision) });
    }

    /// Compares everything that the watches have to deliver.
    async fn drain(&mut self) {
        let revision = self.revision();
        for watched in &mut self.watches {
            while watched.through < revision {
                let index = usize::try_from(watched.through - EMPTY_REVISION).expect("few revisions");
                watched.through += 1;
                let Some(expected) = watched.expected(&self.changes[index], watched.through) else { continue };
                let got = short(&super::next(&mut watched.events).await);
                assert_eq!(got, expected, "{}: watch of {:?} {:?}", self.place, watched.prefix, watched.selector);
            }
            // It is at the end of the history now, whatever of it concerned it.
            let rest = futures::FutureExt::now_or_never(watched.events.next());
            assert!(rest.is_none(), "{}: {rest:?} comes from nowhere", self.place);
        }
    }

    async fn compact(&mut self) {
        self.drain().await;
        let (floor, revision) = (self.floor, self.revision());
        let to = floor + self.below(revision - floor + 1);
        self.store.compact(to).await.unwrap_or_else(|error| panic!("{}: {error}", self.place));
        while self.floor < to {
            self.states.pop_front();
            self.floor += 1;
        }
    }
}
