//! The transactions that become durable by one sync, and those who wait for them.

use super::answers::{Answer, Answers};
use super::record;
use crate::engine::Engine;
use crate::engine::transaction::{Decision, Prepared};
use crate::index::history::Change;
use crate::{Entry, Error, Result, Revision, TxnOutcome};
use hashbrown::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What is under the keys that a group changes.
pub(crate) type Changed = HashMap<Arc<str>, Option<Arc<Entry>>>;

/// A group: decided, and perhaps not durable yet.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) changes: Vec<Change>,
    pub(crate) changed: Changed,
    /// About as many bytes as its records have.
    pub(crate) bytes: usize,
    /// To be given when it is durable.
    answers: Vec<Answer>,
}

impl Group {
    /// Decides on a transaction, given what is under its key, and the last revision before it.
    pub(crate) fn add(
        &mut self,
        prepared: Prepared,
        to: oneshot::Sender<Result<TxnOutcome>>,
        current: Option<Arc<Entry>>,
        before: Revision,
        at: Instant,
    ) {
        let outcome = match prepared.decide(current, before + self.changes.len() as Revision + 1, at) {
            Decision::Refuse(current) => TxnOutcome::Refused { current },
            Decision::Commit(change) => {
                self.bytes += record::size_estimate(&change);
                self.changed.insert(Arc::clone(change.key()), change.entry.clone());
                let outcome = TxnOutcome::from(&change);
                self.changes.push(change);
                outcome
            }
        };
        self.answers.push(Answer { to, outcome: Ok(outcome) });
    }

    /// Makes the group, which is durable, the present, and answers it.
    pub(crate) fn publish(self, engine: &Engine, answers: &Answers) {
        let published = engine.turn().map(|mut writer| engine.publish(&mut writer, &self.changes));
        match published {
            Ok(()) => answers.give(self.answers),
            Err(error) => self.fail(error, answers),
        }
    }

    /// Answers everybody with an error. A refusal may rest on a change of this group, so that it shares its fate.
    pub(crate) fn fail(self, error: Error, answers: &Answers) {
        answers.give(self.answers.into_iter().map(|answer| Answer { outcome: Err(error.clone()), ..answer }));
    }
}
