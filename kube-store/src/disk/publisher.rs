//! Makes groups that are durable the present and answers them, while the committer goes on with the next one.
//!
//! To apply a group and to wake its writers takes about as long as a sync on a fast medium, and so do these writers until
//! they ask again. Where others wait already, the sync for them need not wait for any of that. Where nobody does, the
//! committer publishes the group itself, and a writer that is alone pays for no second thread.

use super::answers::Answers;
use super::group::{Changed, Group};
use super::queue::Queue;
use crate::engine::Engine;
use crate::{Entry, Revision};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Groups on their way at most: a committer that is further ahead waits.
const GROUPS_MAX: usize = 4;

/// Groups on their way to the present, in order.
#[derive(Debug)]
pub(crate) struct Publisher {
    engine: Arc<Engine>,
    answers: Arc<Answers>,
    /// The thread, and those who may wait for the committer; neither where it does everything in the call itself.
    thread: Option<(SyncSender<Job>, Arc<Queue>)>,
    /// What the groups on their way change, up to the last revision of each.
    under_way: VecDeque<(Revision, Changed)>,
}

#[derive(Debug)]
enum Job {
    Publish(Group),
    /// Everything before this has been published.
    Tell(SyncSender<()>),
}

/// What the thread of a publisher does until the publisher is gone.
#[derive(Debug)]
pub(crate) struct Work {
    engine: Arc<Engine>,
    answers: Arc<Answers>,
    jobs: Receiver<Job>,
}

impl Work {
    pub(crate) fn run(self) {
        while let Ok(job) = self.jobs.recv() {
            match job {
                Job::Publish(group) => group.publish(&self.engine, &self.answers),
                // Who asked waits.
                Job::Tell(done) => drop(done.send(())),
            }
        }
    }
}

impl Publisher {
    /// A publisher that does everything in the call itself.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, answers: Arc::default(), thread: None, under_way: VecDeque::new() }
    }

    /// What is being answered.
    pub(crate) fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    /// Gives it a thread to work on where somebody waits in `queue`.
    pub(crate) fn with_thread(&mut self, queue: Arc<Queue>) -> Work {
        let (sender, jobs) = sync_channel(GROUPS_MAX);
        self.thread = Some((sender, queue));
        Work { engine: Arc::clone(&self.engine), answers: Arc::clone(&self.answers), jobs }
    }

    /// The current version of `key`, as the groups on their way leave it.
    pub(crate) fn current(&self, key: &str) -> Option<Arc<Entry>> {
        match self.under_way.iter().rev().find_map(|(_, changed)| changed.get(key)) {
            Some(changed) => changed.clone(),
            None => self.engine.current(key),
        }
    }

    /// Forgets what has become the present.
    pub(crate) fn settle(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let present = self.engine.revision();
        while self.under_way.front().is_some_and(|(last, _)| *last <= present) {
            self.under_way.pop_front();
        }
    }

    /// Publishes a group that is durable; `others_wait` when there is more to do already.
    pub(crate) fn publish(&mut self, mut group: Group, others_wait: bool) {
        self.settle();
        let Some((thread, queue)) = &self.thread else { return group.publish(&self.engine, &self.answers) };
        let ahead = others_wait || !queue.is_empty();
        if self.under_way.is_empty() && !ahead {
            return group.publish(&self.engine, &self.answers);
        }
        if let Some(last) = group.changes.last() {
            self.under_way.push_back((last.revision, std::mem::take(&mut group.changed)));
        }
        thread.send(Job::Publish(group)).expect("the thread works until the publisher is gone");
    }

    /// Waits until everything is the present.
    pub(crate) fn finish(&mut self) {
        self.settle();
        if self.under_way.is_empty() {
            return;
        }
        if let Some((thread, _)) = &self.thread {
            let (done, told) = sync_channel(1);
            let asked = thread.send(Job::Tell(done));
            asked.ok().and_then(|()| told.recv().ok()).expect("the thread works until the publisher is gone");
        }
        self.under_way.clear();
    }
}

#[cfg(test)]
mod tests;
