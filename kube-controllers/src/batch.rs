//! How long changes of pods are gathered before what counts these pods is looked at again.
//!
//! A look at a set or a Service costs in proportion to its pods, and while thousands of them start there is always a newer
//! state to look at. kube-controller-manager gathers too, by `--endpointslice-updates-batch-period` and by its limit on
//! requests per second; here the period follows from the number of pods, so that few are never waited for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kubekit_runtime::{ObjectKey, WorkQueue};

/// For each pod that is looked at. Looking at one takes less than a microsecond (sets) or five (endpoints): looks take a
/// twentieth, or a quarter, of a core.
const PERIOD_PER_POD: Duration = Duration::from_micros(20);
/// Shorter periods are not waited for: that is fewer than 100 pods.
const PERIOD_MIN: Duration = Duration::from_millis(2);
/// Nobody waits longer.
const PERIOD_MAX: Duration = Duration::from_secs(1);

/// The periods of what counts many pods, by its key.
#[derive(Debug, Default)]
pub(crate) struct Batches(Mutex<HashMap<ObjectKey, Duration>>);

impl Batches {
    fn periods(&self) -> MutexGuard<'_, HashMap<ObjectKey, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last look at `key` was at so many pods; at none where it is gone.
    pub(crate) fn looked_at(&self, key: &ObjectKey, pods: usize) {
        let period = PERIOD_PER_POD.saturating_mul(u32::try_from(pods).unwrap_or(u32::MAX)).min(PERIOD_MAX);
        if period < PERIOD_MIN {
            self.periods().remove(key);
        } else {
            self.periods().insert(key.clone(), period);
        }
    }

    /// Gives the keys that are to be looked at now; the others are queued at the end of their periods.
    pub(crate) fn gather(&self, mut keys: Vec<ObjectKey>, queue: &WorkQueue<ObjectKey>) -> Vec<ObjectKey> {
        let periods = self.periods();
        keys.retain(|key| match periods.get(key) {
            None => true,
            Some(period) => {
                queue.add_after(key.clone(), *period);
                false
            }
        });
        keys
    }
}

#[cfg(test)]
mod tests {
    //! Numbers of pods in, periods out.

    use super::*;
    use tokio::time::Instant;

    async fn waited(batches: &Batches) -> Duration {
        let (key, queue, start) = (ObjectKey::new("default", "web"), WorkQueue::new(), Instant::now());
        // However many changes there are, the first of them counts.
        for _ in 0..3 {
            batches.gather(vec![key.clone()], &queue).into_iter().for_each(|key| queue.add(key));
        }
        assert_eq!(queue.get().await.as_deref(), Some(&key));
        start.elapsed()
    }

    #[track_caller]
    fn check(pods: usize, millis: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let batches = Batches::default();
        batches.looked_at(&ObjectKey::new("default", "web"), pods);
        assert_eq!(runtime.block_on(waited(&batches)), Duration::from_millis(millis), "{pods} pods");
    }

    #[test]
    fn the_period_grows_with_the_pods() {
        check(0, 0);
        check(99, 0);
        check(100, 2);
        check(5_000, 100);
        check(50_000, 1_000);
        check(usize::MAX, 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_become_small_is_not_waited_for() {
        let (batches, key) = (Batches::default(), ObjectKey::new("default", "web"));
        batches.looked_at(&key, 5_000);
        batches.looked_at(&ObjectKey::new("default", "other"), 1);
        batches.looked_at(&key, 0);
        assert!(batches.periods().is_empty());
        assert_eq!(waited(&batches).await, Duration::ZERO);
    }
}
