//! Never two leaders, and always one soon.

use crate::fake::{Fake, Fault, settle};
use kubekit_runtime::LeaderElector;
use kubekit_runtime::environment::{Environment, SeededRandom, SystemClock};
use kubekit_runtime::leader::{Config, Outcome};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Who leads now, and who has ever done so beside another.
#[derive(Clone, Default)]
struct Office(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>);

struct Holding(Office, String);

impl Office {
    fn enter(&self, who: &str) -> Holding {
        let mut leaders = self.0.lock();
        // Not asserted here: a panic would end a candidate, as so much else does in these tests.
        if !leaders.is_empty() {
            self.1.lock().push(format!("{who} beside {leaders:?}"));
        }
        leaders.push(who.to_owned());
        Holding(self.clone(), who.to_owned())
    }

    fn leader(&self) -> Option<String> {
        assert_eq!(*self.1.lock(), [""; 0], "two have led at a time");
        self.0.lock().first().cloned()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.0.lock().retain(|who| *who != self.1);
    }
}

struct Candidate {
    shutdown: CancellationToken,
    task: JoinHandle<Outcome>,
}

/// A candidate whose work ends when told to, if it listens.
fn candidate(server: &Fake, office: &Office, identity: &str, listens: bool) -> Candidate {
    let seed = u64::from(identity.as_bytes()[0]);
    let environment = Environment { clock: Arc::new(SystemClock), random: Arc::new(SeededRandom::new(seed)) };
    let elector = LeaderElector::new(server.client(), Config::new("kube-system", "work", identity), environment);
    let elector = elector.expect("a good configuration");
    let (office, identity, shutdown) = (office.clone(), identity.to_owned(), CancellationToken::new());
    let task = tokio::spawn(elector.run(shutdown.clone(), move |stop| async move {
        let _holding = office.enter(&identity);
        if listens {
            stop.cancelled().await;
        } else {
            std::future::pending::<()>().await;
        }
    }));
    Candidate { shutdown, task }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn lease(server: &Fake) -> serde_json::Value {
    server.objects("/apis/coordination.k8s.io/v1 leases").remove(0)["spec"].clone()
}

#[tokio::test(start_paused = true)]
async fn one_leads_until_it_steps_down_and_then_another_at_once() {
    let (server, office) = (Fake::default(), Office::default());
    let a = candidate(&server, &office, "a", true);
    settle().await;
    let b = candidate(&server, &office, "b", true);
    seconds(60).await;
    assert_eq!(office.leader().as_deref(), Some("a"));
    assert_eq!(lease(&server)["holderIdentity"], "a");

    a.shutdown.cancel();
    assert_eq!(a.task.await.unwrap(), Outcome::Stopped);
    assert_eq!(lease(&server)["holderIdentity"], "");
    seconds(5).await;
    assert_eq!(office.leader().as_deref(), Some("b"));
    assert_eq!(lease(&server)["leaseTransitions"], 1);
    b.shutdown.cancel();
    assert_eq!(b.task.await.unwrap(), Outcome::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_may_begin() {
    for listens in [true, false] {
        let (server, office) = (Fake::default(), Office::default());
        let a = candidate(&server, &office, "a", listens);
        seconds(9).await;
        server.set_down(true);
        let start = Instant::now();
        assert_eq!(a.task.await.unwrap(), Outcome::Lost);
        let limit = if listens { 10 } else { 15 };
        assert!(start.elapsed() < Duration::from_secs(limit), "{:?}", start.elapsed());
        assert_eq!(office.leader(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_gone_is_replaced_when_its_lease_has_expired() {
    let (server, office) = (Fake::default(), Office::default());
    let a = candidate(&server, &office, "a", true);
    settle().await;
    let b = candidate(&server, &office, "b", true);
    seconds(30).await;
    a.task.abort();
    let _ = a.task.await;
    seconds(12).await;
    assert_eq!(office.leader(), None, "the lease has not expired yet");
    seconds(10).await;
    assert_eq!(office.leader().as_deref(), Some("b"));
    b.shutdown.cancel();
    b.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_few_failed_renewals_do_no_harm() {
    let (server, office) = (Fake::default(), Office::default());
    let a = candidate(&server, &office, "a", true);
    seconds(5).await;
    for _ in 0..3 {
        server.fault(Fault::Status(500, "InternalError", None));
    }
    seconds(60).await;
    assert_eq!(office.leader().as_deref(), Some("a"));
    a.shutdown.cancel();
    assert_eq!(a.task.await.unwrap(), Outcome::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_has_taken_is_lost_at_once() {
    let (server, office) = (Fake::default(), Office::default());
    let a = candidate(&server, &office, "a", true);
    seconds(5).await;
    let mut taken = server.objects("/apis/coordination.k8s.io/v1 leases").remove(0);
    taken["spec"]["holderIdentity"] = "thief".into();
    server.put("/apis/coordination.k8s.io/v1 leases", &taken);
    seconds(3).await;
    assert_eq!(office.leader(), None);
    assert_eq!(a.task.await.unwrap(), Outcome::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_writes_at_without_taking_it_is_kept() {
    let (server, office) = (Fake::default(), Office::default());
    let a = candidate(&server, &office, "a", true);
    seconds(5).await;
    // The renewal, and, after a read, the second try: both times somebody was faster.
    for fault in [Fault::Status(409, "Conflict", None), Fault::None, Fault::Status(409, "Conflict", None)] {
        server.fault(fault);
    }
    seconds(60).await;
    assert_eq!(office.leader().as_deref(), Some("a"));
    a.shutdown.cancel();
    assert_eq!(a.task.await.unwrap(), Outcome::Stopped);
}

#[tokio::test(start_paused = true)]
async fn however_the_server_fails_there_are_never_two() {
    for seed in 0..10 {
        let (server, office) = (Fake::default(), Office::default());
        let random = SeededRandom::new(seed);
        let mut candidates: Vec<Candidate> =
            ["a", "b", "c"].iter().map(|who| candidate(&server, &office, who, true)).collect();
        for round in 0..40 {
            use kubekit_core::environment::Random as _;
            server.set_down(random.next_u64().is_multiple_of(3));
            seconds(random.next_u64() % 12).await;
            let index = usize::try_from(random.next_u64() % 3).unwrap();
            if candidates[index].task.is_finished() {
                let who = format!("{}{round}", ["a", "b", "c"][index]);
                candidates[index] = candidate(&server, &office, &who, true);
            }
        }
        server.set_down(false);
        seconds(40).await;
        candidates.push(candidate(&server, &office, "z", true));
        seconds(40).await;
        assert!(office.leader().is_some(), "seed {seed}");
    }
}
