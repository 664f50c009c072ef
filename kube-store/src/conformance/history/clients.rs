//! Clients that write, read and watch side by side, and record what they see.

use super::{Asked, Client, Delivered, Recorder, Told, Watched};
use crate::conformance::Subject;
use crate::{Precondition, Revision, Selector, WatchRequest};
use futures::StreamExt;
use futures::future::{join, join_all};
use std::sync::Arc;
use tokio::sync::watch;

/// How many clients do how much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients that write and read.
    pub writers: u64,
    /// Clients that watch, and come back when their watch has ended.
    pub watchers: u64,
    /// Questions of each writer at most; it stops at the first error that is not one of space.
    pub questions: u64,
    /// Keys that they share.
    pub keys: u64,
    /// What tells the texts of this load from those of others in the same history.
    pub serial: u64,
    /// The revision from which the watchers start.
    pub after: Revision,
}

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// Runs a load against a store until its writers have stopped. The tasks run on the runtime of the caller.
///
/// # Panics
/// When a client panics.
pub async fn run(store: &Subject, recorder: &Arc<Recorder>, load: Load, seed: u64) {
    let (stop, stopped) = watch::channel(false);
    let watchers = join_all((0..load.watchers).map(|number| {
        let (store, recorder, stopped) = (Arc::clone(store), Arc::clone(recorder), stopped.clone());
        tokio::spawn(async move { watch_and_return(&store, &recorder, load, number, stopped).await })
    }));
    let writers = join_all((0..load.writers).map(|number| {
        let (store, recorder) = (Arc::clone(store), Arc::clone(recorder));
        tokio::spawn(async move { write(store, &recorder, load, number, seed).await })
    }));
    let writers = async {
        let ended = writers.await;
        stop.send_replace(true);
        ended
    };
    let (watched, written) = join(watchers, writers).await;
    for ended in watched.into_iter().chain(written) {
        ended.expect("a client does not panic");
    }
}

async fn write(store: Subject, recorder: &Recorder, load: Load, number: u64, seed: u64) {
    let client = Client::new(store, recorder);
    let mut random = Random::new(seed ^ (number + 1) << 32);
    // What this client believes to be there, which others may have changed.
    let mut known = std::collections::BTreeMap::new();
    for question in 0..load.questions {
        let key = format!("/{}/{}", random.below(2), random.below(load.keys));
        let belief = known.get(&key).copied().flatten().map_or(Precondition::Absent, Precondition::Revision);
        let precondition = match random.below(4) {
            0 => Precondition::None,
            1 => Precondition::Absent,
            _ => belief,
        };
        let text = format!("color={};text={}.{number}.{question}", random.below(3), load.serial);
        let asked = match random.below(10) {
            0..6 => Asked::Put(precondition, text),
            6..8 => Asked::Delete(precondition),
            _ => Asked::Get,
        };
        let deletes = matches!(asked, Asked::Delete(_));
        match client.ask(&key, asked).await {
            Ok(Told::Committed(_, _)) if deletes => drop(known.insert(key, None)),
            Ok(Told::Committed(revision, _)) => drop(known.insert(key, Some(revision))),
            Ok(Told::Refused(version) | Told::Found(version)) => {
                known.insert(key, version.map(|(revision, _)| revision));
            }
            Ok(Told::NotDone | Told::Unknown) | Err(crate::Error::NoSpace(_)) => {}
            Err(_) => return,
        }
        // Where answers never wait, as in memory, others would not get their turn.
        tokio::task::yield_now().await;
    }
}

/// Watches, ends the watch after some events, and resumes it behind the last of them.
async fn watch_and_return(
    store: &Subject,
    recorder: &Recorder,
    load: Load,
    number: u64,
    mut stopped: watch::Receiver<bool>,
) {
    let mut random = Random::new(number + 77);
    let mut after = load.after;
    while !*stopped.borrow() {
        let selector = match number % 4 {
            0 => crate::conformance::requirement("color", crate::Operator::In, &["1"]),
            1 => crate::conformance::requirement("color", crate::Operator::NotIn, &["0", "2"]),
            _ => Selector::default(),
        };
        let prefix = if number.is_multiple_of(3) { "/1/" } else { "/" };
        let request = WatchRequest {
            prefix: prefix.to_owned(),
            after: Some(after),
            selector: selector.clone(),
            progress: number.is_multiple_of(2),
            initial_state: false,
        };
        let mut watched = Watched { prefix: prefix.to_owned(), selector, after, events: Vec::new() };
        let Ok(mut events) = store.watch(request).await else { return };
        let patience = 1 + random.below(60);
        let mut goes_on = true;
        for _ in 0..patience {
            let event = tokio::select! {
                biased;
                event = events.next() => event,
                _ = stopped.changed() => None,
            };
            match event {
                Some(Ok(event)) => {
                    after = event.revision;
                    watched.events.push(Delivered::from(&event));
                }
                Some(Err(_)) | None => {
                    goes_on = false;
                    break;
                }
            }
        }
        recorder.watched(watched);
        if !goes_on {
            return;
        }
    }
}
