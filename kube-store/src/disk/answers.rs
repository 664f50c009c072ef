//! The answers of groups, on their way to their writers.
//!
//! To wake a writer from outside of its runtime costs far more than from within, and where the processors are busy, it
//! mostly interrupts whoever wakes it, for the time of one write. So whoever was answered first gives on what is left.

use crate::{Result, TxnOutcome};
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Answers that are to be given.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<VecDeque<Answer>>);

/// An answer, and who waits for it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) to: oneshot::Sender<Result<TxnOutcome>>,
    pub(crate) outcome: Result<TxnOutcome>,
}

impl Answer {
    fn give(self) {
        // Nobody may wait for it any more.
        let _ = self.to.send(self.outcome);
    }
}

impl Answers {
    /// Gives all of these, as long as nobody who was answered gives on what is left.
    pub(crate) fn give(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.lock().extend(answers);
        while let Some(answer) = self.next() {
            answer.give();
        }
    }

    /// Gives what is left, as somebody who was just answered.
    pub(crate) fn give_on(&self) {
        let rest = std::mem::take(&mut *self.0.lock());
        rest.into_iter().for_each(Answer::give);
    }

    fn next(&self) -> Option<Answer> {
        self.0.lock().pop_front()
    }
}

#[cfg(test)]
mod tests;
