//! Crashes of the machine at every operation on the medium.

use crate::observed::Observed;
use crate::trace::{Model, Step, Trace, config, open};
use crate::{long, seeds};
use kubekit_store::conformance::extractor;
use kubekit_store::medium::{Fault, Simulated};
use kubekit_store::{CommitMode, Disk, Precondition, ReadAt, Store, TxnOutcome, Value, WatchRequest};
use std::sync::Arc;

/// Brings the model to what the store holds after a crash in the middle of `step`: that step has happened, or not.
async fn settle(model: &mut Model, store: &Disk, step: &Step, place: &str) {
    let revision = store.revision().await.unwrap();
    if revision == model.revision + 1 {
        model.apply(step);
    }
    model.check(store, place).await;
}

/// The whole trace again and again, each time with a crash one operation later.
#[tokio::test(start_paused = true)]
async fn a_crash_at_every_operation_loses_nothing() {
    let steps = if long() { 1000 } else { 90 };
    for seed in seeds("crash at every operation", 2) {
        let mut crashes = 0;
        for at in 1.. {
            let place = format!("seed {seed}, crash at operation {at}");
            let medium = Simulated::new(seed ^ at);
            medium.inject(Fault::CrashAt(at));
            let mut model = Model::new();
            let mut interrupted = Step::Compact;
            if let Ok(store) = open(&medium) {
                for step in Trace::new(seed).take(steps) {
                    interrupted = step;
                    // A compaction may report success although what follows from it was cut short.
                    if model.run(&store, &interrupted).await.is_err() || medium.has_crashed() {
                        break;
                    }
                }
            }
            if !medium.has_crashed() {
                break;
            }
            crashes += 1;
            medium.restart();
            let store = open(&medium).unwrap_or_else(|error| panic!("{place}: {error}"));
            settle(&mut model, &store, &interrupted, &place).await;
            for step in Trace::new(!seed).take(20) {
                model.run(&store, &step).await.unwrap_or_else(|error| panic!("{place}: {error}"));
            }
            drop(store);
            model.check(&open(&medium).unwrap(), &place).await;
        }
        println!("seed {seed}: {crashes} crashes");
        assert!(crashes > steps);
    }
}

/// A machine that stops after every operation of a trace, which itself goes on: each stop is recovered from.
#[tokio::test(start_paused = true)]
async fn a_stop_after_every_operation_of_a_long_trace_loses_nothing() {
    let writes = if long() { 10_000 } else { 2000 };
    for seed in seeds("a stop after every operation", 1) {
        let medium = Observed::new(seed);
        let store = Disk::open_on(medium.clone(), extractor(), config()).unwrap();
        let mut model = Model::new();
        let (mut stops, mut done) = (0, 0);
        medium.stops();
        for step in Trace::new(seed) {
            if model.revision >= writes {
                break;
            }
            let before = model.clone();
            model.run(&store, &step).await.unwrap();
            for stopped in medium.stops() {
                stops += 1;
                let place = format!("seed {seed}, stop {stops}, during {step:?}");
                let recovered = open(&stopped).unwrap_or_else(|error| panic!("{place}: {error}"));
                settle(&mut before.clone(), &recovered, &step, &place).await;
                done += u64::from(recovered.revision().await.unwrap() == model.revision);
            }
        }
        println!("seed {seed}: {} writes, {stops} stops; after {done} of them the write was there", model.revision);
        assert!(stops > 2 * writes && done > writes);
    }
}

/// One long life with a crash every few operations, many of them during recovery.
#[tokio::test(start_paused = true)]
async fn a_life_of_crashes_loses_nothing() {
    let writes = if long() { 100_000 } else { 6000 };
    for seed in seeds("a life of crashes", 2) {
        let medium = Simulated::new(seed);
        let mut random = Trace::new(seed ^ 0xc0ffee);
        let mut steps = Trace::new(seed);
        let mut model = Model::new();
        let mut interrupted = Step::Compact;
        let (mut crashes, mut in_recovery) = (0, 0);
        while model.revision < writes {
            let place = format!("seed {seed}, after crash {crashes}");
            let patience = if random.below(3) == 0 { 3 } else { 200 };
            medium.inject(Fault::CrashAt(medium.operations() + 1 + random.below(patience)));
            match open(&medium) {
                Ok(store) if !medium.has_crashed() => {
                    settle(&mut model, &store, &interrupted, &place).await;
                    loop {
                        interrupted = steps.next().unwrap();
                        if model.run(&store, &interrupted).await.is_err() || medium.has_crashed() {
                            break;
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    assert!(medium.has_crashed(), "{place}: {error}");
                    in_recovery += 1;
                }
            }
            crashes += 1;
            medium.restart();
        }
        println!("seed {seed}: {crashes} crashes, {in_recovery} of them in recovery; {} writes", model.revision);
    }
}

/// What a watcher saw before a crash is still there after it, and a watch resumes.
#[tokio::test(start_paused = true)]
async fn nobody_sees_what_is_not_durable() {
    use futures::{FutureExt, StreamExt};
    for seed in seeds("nobody sees what is not durable", 200) {
        let medium = Simulated::new(seed);
        let store = open(&medium).unwrap();
        let mut events = store.watch(WatchRequest::default()).await.unwrap();
        medium.inject(Fault::CrashAt(medium.operations() + 1 + Trace::new(seed).below(100)));
        let mut model = Model::new();
        let mut seen = 0;
        for step in Trace::new(seed) {
            let result = model.run(&store, &step).await;
            while let Some(Some(Ok(event))) = events.next().now_or_never() {
                seen = event.revision;
            }
            if result.is_err() || medium.has_crashed() {
                break;
            }
        }
        drop(store);
        medium.restart();
        let store = open(&medium).unwrap();
        assert!(store.revision().await.unwrap() >= seen, "seed {seed}");
    }
}

/// Writers in groups, with the threads of the store, and a machine that stops under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_groups_survive() {
    const WRITERS: usize = 32;
    for seed in seeds("acknowledged groups", 20) {
        let medium = Simulated::new(seed);
        let threads = config().commit_mode(CommitMode::Thread).segment_bytes(20_000);
        let store = Arc::new(Disk::open_on(medium.clone(), extractor(), threads.clone()).unwrap());
        medium.inject(Fault::CrashAt(medium.operations() + 20 + Trace::new(seed).below(300)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for write in 1u64.. {
                        let value = Value { bytes: write.to_string().into(), splice: 0 };
                        if store.put(&format!("/w/{writer}"), Precondition::None, value).await.is_err() {
                            return write - 1;
                        }
                    }
                    unreachable!("the machine stops")
                })
            })
            .collect();
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.push(writer.await.unwrap());
        }
        drop(store);
        medium.restart();
        let store = Disk::open_on(medium, extractor(), threads).unwrap();
        for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
            let entry = store.get(&format!("/w/{writer}"), ReadAt::Latest).await.unwrap();
            let found = entry.map_or(0, |entry| String::from_utf8_lossy(&entry.value.bytes).parse().unwrap());
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "seed {seed}: writer {writer} was told of {acknowledged}, but {found} is there"
            );
        }
        let value = Value { bytes: "x".into(), splice: 0 };
        let outcome = store.put("/after", Precondition::Absent, value).await.unwrap();
        assert!(matches!(outcome, TxnOutcome::Committed { .. }));
    }
}
