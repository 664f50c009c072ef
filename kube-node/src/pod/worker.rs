//! The worker of one pod: looks, decides, acts, reports, waits. One task for each pod of the node.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kubekit_runtime::{EventType, ObjectKey, Patch, PatchParams};
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actions::{Actions, Which};
use super::admission;
use super::calls::Target;
use super::decide::{Plan, Step, decide};
use super::members::{self, spec_of};
use super::memory::{Memory, Verdict};
use super::observed::{Observed, ObservedContainer};
use super::probes::{Due, Outcome, word};
use super::report;
use super::status::{Situation, status};
use crate::agent::shared::{Shared, Update};
use crate::runtime::container::{TERMINATION_PATH_ANNOTATION, TERMINATION_POLICY_ANNOTATION};
use crate::runtime::{ContainerState, Error, Filter, LogOptions};
use crate::volumes::projection;

/// Work that takes longer than this is reported on while it goes on.
const PATIENCE: Duration = Duration::from_millis(200);
/// After a failed step or a failed look, the next try.
const RETRY: Duration = Duration::from_secs(1);
/// What the watch has not shown so long after it was reported has been overwritten.
const WATCH_DELAY: Duration = Duration::from_secs(10);
/// The longest termination message.
const MESSAGE_BYTES_MAX: u64 = 4_096;

/// The worker of one pod.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: ObjectKey,
    pub(crate) uid: String,
    pub(crate) updates: watch::Receiver<Update>,
    pub(crate) changed: Arc<Notify>,
    pub(crate) published: Arc<Mutex<Arc<PodStatus>>>,
    /// Why the node does not take the pod: then it only tells so, and lets the pod go.
    pub(crate) refused: Option<Verdict>,
}

/// What a worker keeps between its rounds.
#[derive(Debug, Default)]
struct Mind {
    memory: Memory,
    observed: Observed,
    /// Whether the runtime has to be asked again.
    stale: bool,
    probing: JoinSet<(Due, Outcome)>,
    /// Containers whose preStop hook has run.
    hooked: BTreeSet<String>,
    /// The attempts whose back-off was told in an event.
    announced: BTreeMap<String, String>,
    /// When projected volumes are looked at again.
    refresh_at: Option<Timestamp>,
    /// When the status was reported that the API server has not yet been seen to have.
    reported_at: Option<Instant>,
}

impl Mind {
    /// The node controller has its say about the pods of a node that was silent; what it wrote has to be put right. Gives how
    /// long to wait where it may be only the watch that is late.
    fn compare(&mut self, pod: &Pod) -> Option<Duration> {
        let found = pod.status.as_ref()?;
        if !report::overwritten(&self.memory.status, found) {
            self.reported_at = None;
            return None;
        }
        let left = self.reported_at.map_or(Duration::ZERO, |at| WATCH_DELAY.saturating_sub(at.elapsed()));
        if left.is_zero() {
            let mut status = PodStatus::clone(&self.memory.status);
            status.conditions.clone_from(&found.conditions);
            self.memory.status = Arc::new(status);
            return None;
        }
        Some(left)
    }

    /// This status was reported.
    fn reported(&mut self, status: Arc<PodStatus>) {
        self.memory.status = status;
        self.reported_at = Some(Instant::now());
    }
}

enum Round {
    /// Look again at once.
    Again,
    /// Wait for something to happen, at most until then.
    Wait(Option<Timestamp>),
    /// The pod is no more.
    Over,
}

impl Worker {
    /// Works until the pod is gone from the node, or until `shutdown`, which leaves its containers running.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut mind = Mind { stale: true, ..Mind::default() };
        mind.memory.status = Arc::clone(&self.published.lock());
        mind.memory.probes.adopt(&mind.memory.status);
        mind.memory.refused = self.refused.take().or_else(|| admission::was_refused(&mind.memory.status));
        loop {
            let round = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                // On the heap, so that a pod at rest costs little: a node has a hundred, a simulation thousands.
                round = Box::pin(self.round(&mut mind)) => round,
            };
            let until = match round {
                Round::Over => return,
                Round::Again => continue,
                Round::Wait(until) => until,
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.wait(&mut mind, until) => {}
            }
        }
    }

    /// Waits for a reason to look again.
    async fn wait(&mut self, mind: &mut Mind, until: Option<Timestamp>) {
        let now = self.shared.now();
        let pause = until.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let resync = self.shared.config.resync;
        tokio::select! {
            biased;
            result = self.updates.changed() => {
                if result.is_err() {
                    // The agent has let go of the pod; its shutdown follows.
                    std::future::pending::<()>().await;
                }
            }
            () = self.changed.notified() => mind.stale = true,
            Some(probed) = mind.probing.join_next(), if !mind.probing.is_empty() => {
                if let Ok((due, outcome)) = probed {
                    self.note(mind, &due, &outcome);
                }
            }
            () = tokio::time::sleep(pause.unwrap_or(resync).min(resync)) => mind.stale |= pause.is_none_or(|p| p >= resync),
        }
    }

    /// Notes what a probe found.
    fn note(&self, mind: &mut Mind, due: &Due, outcome: &Outcome) {
        if let Outcome::Failure(problem) = outcome {
            let pod = Arc::clone(&self.updates.borrow().pod);
            let message = format!("{} probe failed: {problem}", word(due.key.kind));
            self.shared.event(&pod, Some(&due.container), EventType::Warning, "Unhealthy", message);
        }
        mind.memory.probes.note(&due.key, &due.probe, outcome);
    }

    async fn round(&mut self, mind: &mut Mind) -> Round {
        let update = self.updates.borrow_and_update().clone();
        let pod = &*update.pod;
        let late = mind.compare(pod);
        if mind.stale {
            match self.observe(&mind.memory).await {
                Ok(observed) => {
                    let known = |id: &String| observed.containers.iter().any(|seen| seen.status.id == *id);
                    mind.memory.condemned.retain(known);
                    mind.observed = observed;
                    mind.stale = false;
                }
                Err(error) => {
                    tracing::warn!(key = %self.key, %error, "cannot see the containers of a pod");
                    return Round::Wait(Some(self.shared.now() + RETRY));
                }
            }
        }
        let now = self.shared.now();
        let (due, probe_at) = mind.memory.probes.due(pod, &mind.observed, now);
        self.probe(mind, &update.pod, due);
        let plan = decide(pod, &mind.observed, &mut mind.memory, update.gone, now);
        self.announce(mind, pod, &plan);
        if let Some(round) = self.carry_out(mind, &update, &plan).await {
            return round;
        }
        self.report(mind, &update, plan.ending).await;
        let refresh = self.refresh(mind, &update, plan.ending).await;
        let compare_at = late.map(|left| now + left);
        Round::Wait([plan.wake, probe_at, refresh, compare_at].into_iter().flatten().min())
    }

    /// Starts the probes that are due.
    fn probe(&self, mind: &mut Mind, pod: &Arc<Pod>, due: Vec<Due>) {
        let ips = mind.observed.sandbox().map(|sandbox| sandbox.ips.clone()).unwrap_or_default();
        for due in due {
            let (shared, pod, ips) = (Arc::clone(&self.shared), Arc::clone(pod), ips.clone());
            mind.probing.spawn(async move {
                let Some(member) = members::find(spec_of(&pod), &due.container) else {
                    return (due, Outcome::Success);
                };
                let host = shared.config.addresses.first().map(String::as_str);
                let id = due.key.container_id.clone();
                let ip = ips.first().map(String::as_str);
                let target = Target::new(&*shared.runtime, &pod, member.spec, &id, ip, host);
                let outcome = target.probe(due.key.kind, &due.probe).await;
                (due, outcome)
            });
        }
    }

    /// Tells of containers that wait for their back-off, once for each wait.
    fn announce(&self, mind: &mut Mind, pod: &Pod, plan: &Plan) {
        for name in &plan.backing_off {
            let id = mind.observed.latest(name).map(|seen| seen.status.id.clone()).unwrap_or_default();
            if mind.announced.get(name) != Some(&id) {
                let message = format!("Back-off restarting failed container {name} in pod {}", members::display(pod));
                self.shared.event(pod, Some(name), EventType::Warning, "BackOff", message);
                mind.announced.insert(name.clone(), id);
            }
        }
    }

    /// Carries out the steps of a plan; none when there were none.
    async fn carry_out(&mut self, mind: &mut Mind, update: &Update, plan: &Plan) -> Option<Round> {
        if plan.steps.is_empty() {
            return None;
        }
        let finishing = plan.steps.last() == Some(&Step::Finish);
        if finishing && !update.gone {
            // The final state is told while there is an object to tell it to.
            self.report(mind, update, true).await;
        }
        let mut updates = self.updates.clone();
        let before = urgency(update);
        let deferred = self.deferred_status(mind, update, plan.ending);
        let shared = Arc::clone(&self.shared);
        let observed = std::mem::take(&mut mind.observed);
        let mut reported = None;
        let done = {
            let actions = Actions { shared: &shared, pod: &update.pod, observed: &observed };
            let (memory, hooked) = (&mut mind.memory, &mut mind.hooked);
            let work = perform(&actions, &plan.steps, memory, hooked, update.gone);
            tokio::pin!(work);
            let reporting = async {
                tokio::time::sleep(PATIENCE).await;
                let (old, new) = deferred?;
                self.send(&update.pod, &old, &new).await;
                Some(self.publish(new))
            };
            tokio::pin!(reporting);
            let mut told = false;
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => break Some(done),
                    status = &mut reporting, if !told => {
                        told = true;
                        reported = status;
                    }
                    Ok(()) = updates.changed() => {
                        // Whoever deletes a pod, or shortens its grace, does not want to wait for what is going on.
                        if urgency(&updates.borrow_and_update()) != before {
                            break None;
                        }
                    }
                }
            }
        };
        mind.stale = true;
        mind.observed = observed;
        if let Some(status) = reported {
            mind.reported(status);
        }
        Some(match done {
            Some(true) if finishing => Round::Over,
            Some(true) | None => Round::Again,
            Some(false) => Round::Wait(Some(self.shared.now() + RETRY)),
        })
    }

    fn current_status(&self, mind: &Mind, pod: &Pod, ending: bool) -> PodStatus {
        let name = self.shared.runtime_name.lock().clone();
        status(
            pod,
            &Situation {
                observed: &mind.observed,
                memory: &mind.memory,
                host_ips: &self.shared.config.addresses,
                runtime_name: &name,
                ending,
                now: self.shared.now(),
            },
        )
    }

    /// The status to report if the work takes long, after the one that was reported last; only before anything runs is that
    /// of interest.
    fn deferred_status(&self, mind: &Mind, update: &Update, ending: bool) -> Option<(Arc<PodStatus>, PodStatus)> {
        if update.gone {
            return None;
        }
        let new = self.current_status(mind, &update.pod, ending);
        (new != *mind.memory.status).then(|| (Arc::clone(&mind.memory.status), new))
    }

    /// Reports the status where it has changed.
    async fn report(&self, mind: &mut Mind, update: &Update, ending: bool) {
        let new = self.current_status(mind, &update.pod, ending);
        if new == *mind.memory.status {
            return;
        }
        if !update.gone && !self.send(&update.pod, &mind.memory.status, &new).await {
            // What the API server does not know yet is tried again at the next round.
            mind.stale = true;
            self.changed.notify_one();
            tokio::time::sleep(RETRY).await;
            return;
        }
        mind.reported(self.publish(new));
    }

    /// Makes a status the one that others of this agent see.
    fn publish(&self, status: PodStatus) -> Arc<PodStatus> {
        let status = Arc::new(status);
        self.published.lock().clone_from(&status);
        status
    }

    /// Sends what has changed; whether it was accepted, or never will be.
    async fn send(&self, pod: &Pod, old: &PodStatus, new: &PodStatus) -> bool {
        let Some(patch) = report::patch(pod, old, new) else { return true };
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let params = PatchParams { field_manager: "kubelet".into(), ..PatchParams::default() };
        let (api, patch) = (self.shared.pod_api(namespace), Patch::Strategic(patch));
        // The watch brings what the answer has.
        match api.patch_subresource::<_, IgnoredAny>(name, "status", &params, &patch).await {
            Ok(_) => true,
            Err(error) if error.is_not_found() || error.is_conflict() => true,
            Err(error) => {
                tracing::warn!(namespace, name, error = error.chain(), "cannot report the status of a pod");
                // A status that is refused will be refused again.
                error.is_invalid() || error.is_forbidden()
            }
        }
    }

    /// Brings projected volumes up to date from time to time; gives the next time.
    async fn refresh(&self, mind: &mut Mind, update: &Update, ending: bool) -> Option<Timestamp> {
        let projected = spec_of(&update.pod).volumes.iter().flatten().any(projection::is_projected);
        let wanted = projected && !ending && self.shared.runtime.uses_host_files() && mind.observed.sandbox().is_some();
        if !wanted {
            return None;
        }
        let now = self.shared.now();
        let at = *mind.refresh_at.get_or_insert(now + self.shared.config.volume_refresh);
        if at > now {
            return Some(at);
        }
        let actions = Actions { shared: &self.shared, pod: &update.pod, observed: &mind.observed };
        if let Err((volume, problem)) = actions.volumes(Which::Projected).await {
            let message = format!("MountVolume.SetUp failed for volume {volume:?} : {problem}");
            self.shared.event(&update.pod, None, EventType::Warning, "FailedMount", message);
        }
        let next = now + self.shared.config.volume_refresh;
        mind.refresh_at = Some(next);
        Some(next)
    }

    /// What the runtime shows of the pod now.
    async fn observe(&self, memory: &Memory) -> Result<Observed, Error> {
        let runtime = &self.shared.runtime;
        let filter = Filter::pod(&self.uid);
        let mut sandboxes = runtime.list_sandboxes(&filter).await?;
        if let Some(first) = sandboxes.first_mut() {
            match runtime.sandbox_status(&first.id).await {
                Ok(status) => *first = status,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let mut containers = Vec::new();
        for container in runtime.list_containers(&filter).await? {
            match runtime.container_status(&container.id).await {
                Ok(mut status) => {
                    if status.state == ContainerState::Exited && status.message.is_empty() {
                        status.message = self.termination_message(&status).await;
                    }
                    let condemned = memory.condemned.contains(&status.id);
                    containers.push(ObservedContainer { sandbox_id: container.sandbox_id, status, condemned });
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Observed { sandboxes, containers }.slim())
    }

    /// What a container has left as its last words: its termination message, or the end of its log where it says so.
    async fn termination_message(&self, status: &crate::runtime::ContainerStatus) -> String {
        use futures::StreamExt;
        let Some(path) = status.annotations.get(TERMINATION_PATH_ANNOTATION) else { return String::new() };
        let mount = status.mounts.iter().find(|mount| mount.container_path == *path);
        if let Some(mount) = mount
            && let Ok(bytes) = end_of_file(Path::new(&mount.host_path), MESSAGE_BYTES_MAX).await
            && !bytes.is_empty()
        {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let to_logs =
            status.annotations.get(TERMINATION_POLICY_ANNOTATION).is_some_and(|p| p == "FallbackToLogsOnError");
        if !to_logs || status.exit_code == 0 {
            return String::new();
        }
        // The kubelet's bound: 80 lines or 2 KiB.
        let options = LogOptions { tail_lines: Some(80), ..LogOptions::default() };
        let Ok(mut lines) = self.shared.runtime.logs(&status.id, &options).await else { return String::new() };
        let mut text = Vec::new();
        while let Some(Ok(entry)) = lines.next().await {
            text.extend_from_slice(&entry.text);
        }
        String::from_utf8_lossy(&text[text.len().saturating_sub(2_048)..]).into_owned()
    }
}

/// The last bytes of a file, which may be as long as the disk: a container writes it.
async fn end_of_file(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes_max))).await?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// What makes a pod's end more urgent than before.
fn urgency(update: &Update) -> (bool, Option<i64>, bool) {
    let meta = &update.pod.metadata;
    (update.gone, meta.deletion_grace_period_seconds, meta.deletion_timestamp.is_some())
}

/// Does the steps in order, neighbouring stops side by side; whether all was done.
async fn perform(
    actions: &Actions<'_>,
    steps: &[Step],
    memory: &mut Memory,
    hooked: &mut BTreeSet<String>,
    gone: bool,
) -> bool {
    let runtime = &actions.shared.runtime;
    let mut position = 0;
    while position < steps.len() {
        let stops = steps[position..].iter().take_while(|step| matches!(step, Step::Stop { .. })).count();
        if stops > 0 {
            let ends = steps[position..position + stops].iter().filter_map(|step| match step {
                Step::Stop { id, name, grace, message, hook } => {
                    let first = hooked.insert(id.clone());
                    let message = if first { message.clone() } else { String::new() };
                    Some(actions.stop(id, name, *grace, message, *hook && first))
                }
                _ => None,
            });
            let ends: Vec<_> = ends.collect();
            if futures::future::join_all(ends).await.contains(&false) {
                return false;
            }
            position += stops;
            continue;
        }
        let done = match &steps[position] {
            Step::RunSandbox { attempt } => {
                actions.run_sandbox(*attempt, memory).await;
                true
            }
            Step::Start { name, attempt } => {
                actions.start(name, *attempt, memory).await;
                true
            }
            Step::Remove { id } => actions.done("remove a container", runtime.remove_container(id).await),
            Step::StopSandbox { id } => actions.done("stop a sandbox", runtime.stop_sandbox(id).await),
            Step::RemoveSandbox { id } => actions.done("remove a sandbox", runtime.remove_sandbox(id).await),
            Step::Finish => actions.finish(gone).await,
            Step::Stop { .. } => true,
        };
        if !done {
            return false;
        }
        position += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    //! What a container leaves behind.

    use super::*;

    #[track_caller]
    fn check(content: &str, bytes_max: u64, expected: &str) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("termination-log");
        std::fs::write(&path, content).expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let end = runtime.block_on(end_of_file(&path, bytes_max)).expect("readable");
        assert_eq!(String::from_utf8(end).expect("text"), expected);
    }

    #[test]
    fn of_a_long_message_the_end_is_read() {
        check("", 4, "");
        check("abc", 4, "abc");
        check("abcd", 4, "abcd");
        check("abcdef", 4, "cdef");
    }
}
