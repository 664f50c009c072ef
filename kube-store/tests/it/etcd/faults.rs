//! Three members with kills, pauses and cut links, under writers and watchers: nothing acknowledged is lost, nothing is
//! done twice, every watcher sees everything once and in order, and all goes on by itself.

use super::cluster::{Cluster, available, namespaces};
use super::{eventually, get, put, settings, store_with, value};
use crate::long;
use futures::StreamExt;
use kubekit_store::{Error, Etcd, Precondition, ReadAt, Revision, Store, TxnOutcome, WatchRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const WRITERS: usize = 8;
const WATCHERS: usize = 8;
/// How long writes may take to go on after a fault before a test gives up; it passes as soon as they do.
const PATIENCE: Duration = Duration::from_secs(90);

/// What one writer knows of its key: the texts that were acknowledged, in order.
type Acknowledged = Vec<String>;

#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    unavailable: AtomicU64,
}

/// Reads until the store answers.
async fn read(store: &Etcd, key: &str) -> Option<(String, Revision)> {
    loop {
        match store.get(key, ReadAt::Latest).await {
            Ok(entry) => {
                return entry.map(|entry| (String::from_utf8(entry.value.bytes.to_vec()).unwrap(), entry.revision));
            }
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("a read under faults: {error}"),
        }
    }
}

/// Writes one text after the other under its own key, each over the revision of the one before, until told to stop.
async fn write(store: Arc<Etcd>, writer: usize, counts: Arc<Counts>, stop: Arc<AtomicBool>) -> Acknowledged {
    let key = format!("/p/{writer}");
    let mut done = Acknowledged::new();
    let mut revision: Option<Revision> = None;
    for number in 0.. {
        // What was begun is brought to its end, so that nothing comes through later.
        if stop.load(Ordering::Relaxed) {
            return done;
        }
        let text = format!("{writer}-{number}");
        loop {
            let precondition = revision.map_or(Precondition::Absent, Precondition::Revision);
            match store.put(&key, precondition, value(&text)).await {
                Ok(TxnOutcome::Committed { revision: at, .. }) => {
                    revision = Some(at);
                    break;
                }
                // A write whose outcome was not known came through after it had been looked for.
                Ok(TxnOutcome::Refused { current }) => {
                    let current = current.expect("nobody deletes");
                    revision = Some(current.revision);
                    if current.value == value(&text) {
                        break;
                    }
                    panic!("{key} has what nobody wrote: {current:?}");
                }
                Err(Error::Unavailable(_)) => {
                    counts.unavailable.fetch_add(1, Ordering::Relaxed);
                }
                Err(Error::Unknown(_)) => {
                    counts.unknown.fetch_add(1, Ordering::Relaxed);
                    if let Some((found, at)) = read(&store, &key).await
                        && found == text
                    {
                        revision = Some(at);
                        break;
                    }
                }
                Err(error) => panic!("a write under faults: {error}"),
            }
        }
        done.push(text);
        counts.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    done
}

/// What happened, as one watcher has seen it: text by revision.
type Seen = BTreeMap<Revision, String>;

/// The key that is written when all writers have stopped.
const END: &str = "/end";

/// Watches from `after` on until the end.
async fn follow(store: Arc<Etcd>, after: Revision) -> Seen {
    let request = WatchRequest { prefix: "/".to_owned(), after: Some(after), ..WatchRequest::default() };
    let mut events = store.watch(request).await.unwrap();
    let (mut seen, mut at) = (Seen::new(), after);
    loop {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("an event within the time");
        let event = event.expect("the watch goes on").unwrap_or_else(|error| panic!("a watch under faults: {error}"));
        assert!(event.revision > at, "revision {} comes after {at}", event.revision);
        at = event.revision;
        let entry = event.entry.expect("a put");
        if &*entry.key == END {
            return seen;
        }
        assert!(seen.insert(at, String::from_utf8(entry.value.bytes.to_vec()).unwrap()).is_none());
    }
}

/// Lets writers and watchers work through two stores while `faults` happen, and holds what they saw against each other.
async fn work_through(cluster: &mut Cluster, faults: impl AsyncFnOnce(&mut Cluster, &Progress)) {
    let impatient = settings(cluster).answer_within(Duration::from_millis(700), Duration::from_secs(2));
    let stores = [Arc::new(store_with(impatient.clone()).await), Arc::new(store_with(impatient).await)];
    let start = stores[0].revision().await.unwrap();
    let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let mut watchers = JoinSet::new();
    for i in 0..WATCHERS {
        watchers.spawn(follow(Arc::clone(&stores[i % 2]), start));
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write(Arc::clone(&stores[writer % 2]), writer, Arc::clone(&counts), Arc::clone(&stop)))
        })
        .collect();
    faults(cluster, &Progress { counts: Arc::clone(&counts) }).await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<Acknowledged> =
        futures::future::join_all(writers).await.into_iter().map(Result::unwrap).collect();
    // The last write ends the watches; both stores are well again.
    for store in &stores {
        eventually("the store is healthy", async || store.health().await.is_ok()).await;
    }
    put(&*stores[0], END, "end").await;
    let mut seen: Vec<Seen> = watchers.join_all().await;
    let history = seen.pop().expect("watchers");
    for other in seen {
        assert_eq!(other, history, "all watchers see the same");
    }
    let mut texts: Vec<&String> = history.values().collect();
    for (writer, done) in acknowledged.iter().enumerate() {
        let prefix = format!("{writer}-");
        let of_writer: Vec<_> = history.values().filter(|text| text.starts_with(&prefix)).collect();
        assert!(of_writer.len() <= done.len(), "writer {writer}: something was written twice");
        for (found, expected) in of_writer.iter().zip(done) {
            assert_eq!(*found, expected, "writer {writer}: acknowledged, and lost or out of order");
        }
        assert!(of_writer.len() >= done.len(), "writer {writer}: acknowledged and lost");
        let present = get(&*stores[writer % 2], &format!("/p/{writer}")).await;
        assert_eq!(present.as_ref(), of_writer.last().copied());
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), history.len(), "something was done twice");
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} writes acknowledged, {} of unknown outcome, {} not carried out",
        count(&counts.acknowledged),
        count(&counts.unknown),
        count(&counts.unavailable)
    );
}

struct Progress {
    counts: Arc<Counts>,
}

impl Progress {
    /// Waits for so many more writes to be acknowledged.
    async fn advance(&self, what: &str, writes: u64) {
        let target = self.counts.acknowledged.load(Ordering::Relaxed) + writes;
        let deadline = Instant::now() + PATIENCE;
        while self.counts.acknowledged.load(Ordering::Relaxed) < target {
            assert!(Instant::now() < deadline, "writes did not go on: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn rounds() -> usize {
    if long() { 30 } else { 3 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_members_cost_nothing() {
    if !available() {
        return;
    }
    let mut cluster = Cluster::start(3);
    work_through(&mut cluster, async |cluster, progress| {
        for round in 0..rounds() {
            progress.advance("before a kill", 100).await;
            cluster.kill(round % 3);
            progress.advance("two of three members are left", 100).await;
            cluster.restart(round % 3);
        }
        println!("{} members killed", rounds());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_majority_stops_writes_until_it_is_back() {
    if !available() {
        return;
    }
    let mut cluster = Cluster::start(3);
    work_through(&mut cluster, async |cluster, progress| {
        progress.advance("before the kills", 100).await;
        cluster.kill(0);
        cluster.kill(1);
        let impatient = settings(cluster).start_timeout(Duration::from_millis(200));
        let refused =
            Etcd::connect(impatient, kubekit_store::Extractor::none(), kubekit_store::Config::default()).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        cluster.restart(0);
        cluster.restart(1);
        progress.advance("the majority is back", 100).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_members_are_left_for_others() {
    if !available() {
        return;
    }
    let mut cluster = Cluster::start(3);
    work_through(&mut cluster, async |cluster, progress| {
        for round in 0..rounds() {
            progress.advance("before a pause", 100).await;
            cluster.signal(round % 3, "STOP");
            progress.advance("two of three members answer", 100).await;
            cluster.signal(round % 3, "CONT");
        }
        println!("{} members paused", rounds());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_links_are_got_around() {
    if !available() || !namespaces() {
        return;
    }
    let mut cluster = Cluster::start_apart(3);
    work_through(&mut cluster, async |cluster, progress| {
        for round in 0..rounds() {
            let member = round % 3;
            progress.advance("before a cut", 100).await;
            // From everybody, and then from the other members only: such a member answers, and has no leader.
            cluster.cut(member);
            progress.advance("a member is cut off", 100).await;
            cluster.mend(member);
            progress.advance("all links are whole", 100).await;
            cluster.separate(member);
            progress.advance("a member is separated from the others", 100).await;
            cluster.join(member);
        }
        println!("{} members cut off, {} separated", rounds(), rounds());
    })
    .await;
}
