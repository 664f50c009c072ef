//! A scenario in virtual time: the scheduling queue, the scheduler and the cluster, moved from event to event.
//!
//! Deciding takes no virtual time. A pod that is preempted, or whose node fails, starts anew and waits like a new one.

use super::measure::{Measurements, Sampler};
use super::scenario::Scenario;
use crate::cluster::Cluster;
use crate::framework::{ClusterEvent, EventKind, FitError, Nomination};
use crate::model::Pod;
use crate::queue::{QueueConfig, Requeue, SchedulingQueue};
use crate::scheduler::Scheduler;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

/// Attempts at one instant after which the rest of the active pods is left to the next event: preemption that takes turns
/// must not stop time.
const ATTEMPTS_MAX: usize = 100_000;

/// What happens at some time; the index tells of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A run of a job ends: its index, and which run of it this is.
    Finish(usize, u32),
    /// A node is back.
    Repair(usize),
    /// A node fails.
    Fail(usize),
    /// A job comes.
    Arrive(usize),
    /// The state is sampled.
    Sample,
}

/// What is known of a job.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    /// Counts its runs: an end that was planned for an earlier one means nothing.
    run: u32,
    placed: Option<Duration>,
    first_placed: Option<Duration>,
    finished: bool,
}

/// A simulation at work.
struct Simulation<'a> {
    scenario: &'a Scenario,
    scheduler: &'a Scheduler,
    cluster: Cluster,
    queue: SchedulingQueue,
    events: BinaryHeap<Reverse<(Duration, Happening)>>,
    lives: Vec<Life>,
    by_uid: BTreeMap<Arc<str>, usize>,
    sampler: Sampler,
}

/// Runs a scenario under a scheduler. `progress` is told now and then which share (0 to 1) of the time has passed.
pub fn simulate(scenario: &Scenario, scheduler: &Scheduler, mut progress: impl FnMut(f64)) -> Measurements {
    let mut simulation = Simulation::new(scenario, scheduler);
    let horizon = scenario.horizon;
    let mut now = Duration::ZERO;
    loop {
        while let Some(Reverse((at, happening))) = simulation.events.peek().copied() {
            if at > now {
                break;
            }
            simulation.events.pop();
            simulation.happen(happening, now);
            if happening == Happening::Sample && !horizon.is_zero() {
                progress(now.as_secs_f64() / horizon.as_secs_f64());
            }
        }
        simulation.schedule_all(now);
        let event = simulation.events.peek().map(|Reverse((at, _))| *at);
        let Some(next) = event.into_iter().chain(simulation.queue.next_deadline()).min() else { break };
        if next > horizon {
            break;
        }
        // A queue whose deadline has passed has nothing more now; time must go on all the same.
        let next = next.max(now + Duration::from_nanos(u64::from(next <= now)));
        simulation.sampler.pass(next - now);
        now = next;
    }
    simulation.sampler.pass(horizon.saturating_sub(now));
    progress(1.0);
    simulation.finish()
}

impl<'a> Simulation<'a> {
    fn new(scenario: &'a Scenario, scheduler: &'a Scheduler) -> Self {
        let mut cluster = Cluster::new();
        scenario.nodes.iter().for_each(|node| cluster.add_node(node.clone()));
        let mut events = BinaryHeap::new();
        for (index, job) in scenario.jobs.iter().enumerate() {
            events.push(Reverse((job.arrives, Happening::Arrive(index))));
        }
        for (index, outage) in scenario.outages.iter().enumerate() {
            events.push(Reverse((outage.from, Happening::Fail(index))));
            events.push(Reverse((outage.until, Happening::Repair(index))));
        }
        let sampler = Sampler::new(scenario);
        for at in sampler.times() {
            events.push(Reverse((at, Happening::Sample)));
        }
        let by_uid = scenario.jobs.iter().enumerate().map(|(index, job)| (job.pod.uid.clone(), index)).collect();
        Self {
            queue: SchedulingQueue::new(scheduler.profile().clone(), QueueConfig::default()),
            lives: vec![Life::default(); scenario.jobs.len()],
            scenario,
            scheduler,
            cluster,
            events,
            by_uid,
            sampler,
        }
    }

    fn happen(&mut self, happening: Happening, now: Duration) {
        match happening {
            Happening::Arrive(job) => self.queue.add(self.scenario.jobs[job].pod.clone()),
            Happening::Finish(job, run) => self.end_run(job, run, now),
            Happening::Fail(outage) => self.fail(outage, now),
            Happening::Repair(outage) => self.repair(outage, now),
            Happening::Sample => {
                let pending = self.queue.len();
                self.sampler.sample(now, &self.cluster, pending);
            }
        }
    }

    fn end_run(&mut self, job: usize, run: u32, now: Duration) {
        let life = &mut self.lives[job];
        if life.run != run || life.placed.is_none() {
            return;
        }
        life.placed = None;
        life.finished = true;
        let uid = self.scenario.jobs[job].pod.uid.clone();
        self.release(&uid, now);
    }

    /// A pod leaves its node.
    fn release(&mut self, uid: &str, now: Duration) -> Option<Arc<Pod>> {
        let pod = self.cluster.remove_pod(uid)?;
        self.sampler.removed(&pod);
        let node = pod.node.as_deref().unwrap_or_default().to_owned();
        self.queue.notice(&ClusterEvent { kind: EventKind::PodDelete, node }, now);
        Some(pod)
    }

    fn fail(&mut self, outage: usize, now: Duration) {
        let name = self.scenario.outages[outage].node.clone();
        let Some(node) = self.cluster.node(&name) else { return };
        let uids: Vec<Arc<str>> = node.pods().iter().map(|pod| pod.uid.clone()).collect();
        self.cluster.remove_node(&name);
        for uid in uids {
            self.sampler.lost += 1;
            self.restart(&uid, now);
        }
        self.sampler.capacity_changed(&self.cluster);
    }

    fn repair(&mut self, outage: usize, now: Duration) {
        let name = &self.scenario.outages[outage].node;
        if let Some(node) = self.scenario.nodes.iter().find(|node| node.name == *name) {
            self.cluster.add_node(node.clone());
            self.sampler.capacity_changed(&self.cluster);
            self.queue.notice(&ClusterEvent { kind: EventKind::NodeAdd, node: name.to_string() }, now);
        }
    }

    /// A pod lost its place, and starts anew.
    fn restart(&mut self, uid: &str, now: Duration) {
        self.release(uid, now);
        if let Some(job) = self.by_uid.get(uid).copied() {
            let life = &mut self.lives[job];
            life.run += 1;
            life.placed = None;
            self.queue.add(self.scenario.jobs[job].pod.clone());
        }
    }

    fn schedule_all(&mut self, now: Duration) {
        for _ in 0..ATTEMPTS_MAX {
            let Some(pod) = self.queue.pop(now) else { return };
            self.sampler.attempts += 1;
            match self.scheduler.schedule(&self.cluster, &pod) {
                Ok(placement) => self.place(&pod, &placement.node, now),
                Err(error) => self.refuse(&pod, *error, now),
            }
        }
    }

    fn place(&mut self, pod: &Arc<Pod>, node: &str, now: Duration) {
        let scheduler = &self.scheduler;
        if scheduler.reserve(&self.cluster, pod, node).is_err() {
            return self.queue.requeue(&pod.uid, Requeue::Error, now);
        }
        if scheduler.permit(&self.cluster, pod, node).is_err() {
            scheduler.unreserve(&self.cluster, pod, node);
            return self.queue.requeue(&pod.uid, Requeue::Error, now);
        }
        let bound = self.scheduler.assume(&self.cluster, (**pod).clone(), node);
        self.cluster.withdraw_nomination(&pod.uid);
        self.sampler.added(&bound);
        if self.cluster.add_pod(bound).is_err() {
            return self.queue.requeue(&pod.uid, Requeue::Error, now);
        }
        self.queue.remove(&pod.uid);
        self.queue.notice(&ClusterEvent { kind: EventKind::PodAdd, node: node.to_owned() }, now);
        let Some(job) = self.by_uid.get(&pod.uid).copied() else { return };
        let life = &mut self.lives[job];
        life.placed = Some(now);
        if life.first_placed.is_none() {
            life.first_placed = Some(now);
            self.sampler.waited(&pod.namespace, now.saturating_sub(self.scenario.jobs[job].arrives));
        }
        if let Some(runs) = self.scenario.jobs[job].runs {
            self.events.push(Reverse((now + runs, Happening::Finish(job, life.run))));
        }
    }

    fn refuse(&mut self, pod: &Arc<Pod>, error: FitError, now: Duration) {
        let refused_by = error.plugins();
        if let Some(Nomination { node, victims }) = error.nomination {
            let nominated = Pod { nominated_node: Some(node.as_str().into()), ..(**pod).clone() };
            self.cluster.nominate(nominated);
            self.queue.requeue(&pod.uid, Requeue::Unschedulable(refused_by), now);
            for victim in victims {
                self.sampler.preempted += 1;
                self.restart(&victim.uid, now);
            }
        } else {
            self.queue.requeue(&pod.uid, Requeue::Unschedulable(refused_by), now);
        }
    }

    fn finish(self) -> Measurements {
        let finished = self.lives.iter().filter(|life| life.finished).count();
        let never: Vec<usize> = (0..self.lives.len()).filter(|job| self.lives[*job].first_placed.is_none()).collect();
        let waits = never.iter().map(|job| {
            let job = &self.scenario.jobs[*job];
            (job.pod.namespace.clone(), self.scenario.horizon.saturating_sub(job.arrives))
        });
        let waits: Vec<_> = waits.collect();
        self.sampler.finish(self.scenario, finished, &waits)
    }
}

#[cfg(test)]
mod tests;
