//! The loop: takes changes in, makes decisions, and has writes in flight beside them.

use super::metrics::{Metrics, Outcome, Tried};
use super::state::{State, Step};
use super::write::{Writer, Written};
use super::writes::{About, Writes};
use super::{Config, Observed};
use futures::{FutureExt, Stream, StreamExt};
use kubekit_runtime::Change;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many changes are taken in, and how many decisions made, before the other gets its turn.
const CHANGES_PER_TURN: usize = 1024;
const DECISIONS_PER_TURN: usize = 64;

/// What the loop works with.
pub(super) struct Work {
    state: State,
    writer: Writer,
    writes: Writes,
    writes_max: usize,
    metrics: Metrics,
    /// The names of the profiles, for metrics.
    profiles: Vec<Arc<str>>,
    start: Instant,
}

impl Work {
    pub(super) fn new(config: &Config, writer: Writer, metrics: Metrics) -> Self {
        let profiles = std::iter::once(&config.profile).chain(&config.further_profiles);
        Self {
            state: State::new(config),
            writer,
            writes: Writes::default(),
            writes_max: config.writes_in_flight_max,
            metrics,
            profiles: profiles.map(|profile| profile.name().into()).collect(),
            start: Instant::now(),
        }
    }

    /// Works until `shutdown`, or until there are no changes any more; returns when every write has ended.
    pub(super) async fn run(
        mut self,
        mut changes: Pin<&mut impl Stream<Item = Observed>>,
        shutdown: &CancellationToken,
    ) {
        while self.observe_ready(&mut changes, usize::MAX).is_some_and(|taken| taken > 0) {}
        loop {
            if self.observe_ready(&mut changes, CHANGES_PER_TURN).is_none() {
                break;
            }
            while let Some(written) = self.writes.try_next() {
                self.finish(written);
            }
            let decisions = self.decide();
            self.measure();
            if decisions > 0 {
                tokio::task::yield_now().await;
                if shutdown.is_cancelled() {
                    break;
                }
                continue;
            }
            let room = self.has_room();
            let deadline = self.state.next_deadline().filter(|_| room).map(|deadline| self.start + deadline);
            let Self { state, writes, .. } = &mut self;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                change = changes.next() => match change {
                    Some(change) => self.observe(change),
                    None => break,
                },
                Some(written) = writes.next() => self.finish(written),
                () = poll_fn(|context| state.poll_decided(context)), if room => {}
                () = sleep_until(deadline) => {}
            }
        }
        // Bindings that were sent are waited for: an abandoned one would be neither bound nor reported.
        while self.writes.next().await.is_some() {}
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn has_room(&self) -> bool {
        self.writes.has_room(self.writes_max)
    }

    /// Makes decisions while there are pods to try and room for writes; gives their number.
    fn decide(&mut self) -> usize {
        let mut decisions = 0;
        while decisions < DECISIONS_PER_TURN && self.has_room() {
            let began = self.now();
            let Some(step) = self.measured(began, |state| state.next_step(began)) else { break };
            decisions += 1;
            self.carry_out(step);
        }
        decisions
    }

    /// Does something that may make a decision, which began at this time: its duration includes that of extenders, as in
    /// kube-scheduler. Most steps are decisions; others say what became of one, or that there is nothing to do.
    fn measured<T>(&mut self, began: Duration, act: impl FnOnce(&mut State) -> T) -> T {
        let before = self.state.decisions();
        let done = act(&mut self.state);
        if self.state.decisions() > before {
            self.metrics.decided(self.now() - began);
        }
        done
    }

    fn carry_out(&mut self, step: Step) {
        let writer = self.writer.clone();
        match step {
            Step::Bind(binding) => {
                self.writes.begin(About::Bindings(vec![binding.clone()]), writer.bind(binding));
            }
            Step::BindGang(gang) => {
                self.writes.begin(About::Bindings(gang.members.clone()), writer.bind_gang(gang));
            }
            Step::Group(status) => self.writes.begin(About::Report, writer.report_group(status)),
            Step::Consult(question) => {
                let extenders = writer.extenders();
                let asked = About::Question(question.pod.clone(), question.began);
                self.writes.begin(asked, async move { Written::Consulted(extenders.consult(question).await) });
            }
            Step::ConsultOnVictims(question) => {
                let extenders = writer.extenders();
                let asked = About::Question(question.pod.clone(), question.began);
                let consult =
                    async move { Written::ConsultedOnVictims(Box::new(extenders.consult_on_victims(*question).await)) };
                self.writes.begin(asked, consult);
            }
            Step::Wait => {}
            Step::Report { pod, error, withdrawn, profile, tried } => {
                let outcome = if error.is_error() { Outcome::Error } else { Outcome::Unschedulable };
                self.tried(profile, outcome, tried);
                self.metrics.refused(&error);
                self.writes.begin(About::Report, writer.report(pod, error, withdrawn));
            }
        }
    }

    fn tried(&self, profile: usize, outcome: Outcome, tried: Tried) {
        self.metrics.tried(&self.profiles[profile], outcome, tried, self.now());
    }

    fn measure(&self) {
        self.metrics.pending(self.state.counts());
        let (nodes, pods, assumed) = self.state.sizes();
        self.metrics.cached(nodes, pods, assumed);
    }

    /// Takes in the changes that are there; `None` when the informers have stopped.
    fn observe_ready(&mut self, changes: &mut Pin<&mut impl Stream<Item = Observed>>, max: usize) -> Option<usize> {
        let mut taken = 0;
        while taken < max {
            match changes.next().now_or_never() {
                Some(Some(change)) => self.observe(change),
                Some(None) => return None,
                None => break,
            }
            taken += 1;
        }
        Some(taken)
    }

    fn observe(&mut self, change: Observed) {
        let (now, state) = (self.now(), &mut self.state);
        match change {
            Observed::Pod(Change::Applied { new, .. }) => state.pod_applied(&new, now),
            Observed::Pod(Change::Deleted(pod)) => state.pod_deleted(&pod, now),
            Observed::Node(Change::Applied { new, .. }) => state.node_applied(&new, now),
            Observed::Node(Change::Deleted(node)) => state.node_deleted(&node),
            Observed::Namespace(Change::Applied { new, .. }) => state.namespace_applied(&new, now),
            Observed::Namespace(Change::Deleted(namespace)) => state.namespace_deleted(&namespace),
            Observed::Group(Change::Applied { new, .. }) => state.group_applied(&new, now),
            Observed::Group(Change::Deleted(group)) => state.group_deleted(&group),
            Observed::Inventory(update) => state.inventory_changed(update, now),
        }
    }

    fn finish(&mut self, written: Written) {
        let now = self.now();
        let (bound, failed) = match written {
            Written::Bound(binding) => (vec![binding], Vec::new()),
            Written::BindFailed(binding) => (Vec::new(), vec![binding]),
            Written::Gang { bound, failed } => (bound, failed),
            Written::Consulted(answer) => {
                return self.measured(answer.began, |state| state.consulted(answer, now));
            }
            Written::ConsultedOnVictims(answer) => {
                return self.measured(answer.began, |state| state.consulted_on_victims(*answer, now));
            }
            Written::Reported => return,
        };
        for binding in &bound {
            self.tried(binding.profile, Outcome::Scheduled, binding.tried);
            self.state.bound(binding);
        }
        for binding in &failed {
            self.tried(binding.profile, Outcome::Error, binding.tried);
            self.state.bind_failed(&binding.pod, now);
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
