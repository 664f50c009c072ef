//! The queue's promises, on a paused clock.

use super::limiter::Bucket;
use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What can be got now, in order; each item is done at once.
async fn ready(queue: &WorkQueue<&'static str>) -> Vec<&'static str> {
    let mut items = Vec::new();
    while let Ok(Some(work)) = tokio::time::timeout(Duration::ZERO, queue.get()).await {
        items.push(*work);
    }
    items
}

#[tokio::test(start_paused = true)]
async fn an_item_added_twice_is_got_once() {
    let queue = WorkQueue::new();
    for item in ["a", "b", "a"] {
        queue.add(item);
    }
    assert_eq!(ready(&queue).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_worked_on_is_got_by_nobody_else_and_again_afterwards() {
    let queue = WorkQueue::new();
    queue.add("a");
    let work = queue.get().await.unwrap();
    queue.add("a");
    queue.add("a");
    assert_eq!(ready(&queue).await, [""; 0]);
    drop(work);
    assert_eq!(ready(&queue).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn delayed_items_come_in_the_order_of_their_times() {
    let queue = WorkQueue::new();
    queue.add_after("late", ms(20));
    queue.add_after("early", ms(10));
    queue.add_after("late", ms(30));
    assert_eq!(ready(&queue).await, [""; 0]);
    let start = Instant::now();
    assert_eq!(*queue.get().await.unwrap(), "early");
    assert_eq!(*queue.get().await.unwrap(), "late");
    assert_eq!(start.elapsed(), ms(20));
    tokio::time::advance(ms(100)).await;
    assert_eq!(ready(&queue).await, [""; 0], "the later of two delays of one item is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_delay_wakes_those_who_wait_for_a_longer_one() {
    let queue = WorkQueue::new();
    queue.add_after("a", ms(1000));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.get().await.map(|work| *work) }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    queue.add_after("a", ms(10));
    assert_eq!(waiting.await.unwrap(), Some("a"));
    assert_eq!(start.elapsed(), ms(10));
}

#[tokio::test(start_paused = true)]
async fn while_one_works_another_waits_for_the_next_delay() {
    let queue = WorkQueue::new();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.get().await })
        })
        .collect();
    tokio::task::yield_now().await;
    queue.add_after("first", ms(10));
    tokio::task::yield_now().await;
    queue.add_after("second", ms(20));
    let start = Instant::now();
    // Neither item is done before both were got.
    let got = tokio::time::timeout(ms(1000), futures::future::join_all(workers)).await.expect("both are got");
    let mut items: Vec<&str> = got.iter().map(|work| **work.as_ref().unwrap().as_ref().unwrap()).collect();
    items.sort_unstable();
    assert_eq!(items, ["first", "second"]);
    assert_eq!(start.elapsed(), ms(20));
}

#[tokio::test(start_paused = true)]
async fn failures_double_up_to_the_maximum_until_forgotten() {
    let queue = WorkQueue::new();
    let mut waits = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        queue.add_rate_limited("a");
        drop(queue.get().await);
        waits.push(start.elapsed());
    }
    assert_eq!(waits[..4], [ms(5), ms(10), ms(20), ms(40)]);
    assert_eq!(waits[17..], [ms(655_360), ms(1_000_000), ms(1_000_000)]);
    assert_eq!(queue.failures(&"a"), 20);
    queue.forget(&"a");
    let start = Instant::now();
    queue.add_rate_limited("a");
    drop(queue.get().await);
    assert_eq!(start.elapsed(), ms(5));
}

#[test]
fn the_bucket_limits_all_items_together() {
    let mut limiter = Limiter::new(RateLimit::with_default_bucket());
    let now = Instant::now();
    let waits: Vec<Duration> = (0..103).map(|item| limiter.failed(&item, now)).collect();
    assert!(waits[..100].iter().all(|wait| *wait == ms(5)));
    assert_eq!(waits[100..], [ms(100), ms(200), ms(300)]);
    assert_eq!(limiter.failed(&1000, now + Duration::from_secs(1)), ms(5), "it has filled again");
}

#[test]
fn limits_of_any_size() {
    let wait = |limit: RateLimit, failures: u32| {
        let (mut limiter, now) = (Limiter::new(limit), Instant::now());
        (0..failures).map(|_| limiter.failed(&"a", now)).last()
    };
    let limit = |min, max| RateLimit { min, max, bucket: None };
    assert_eq!(wait(limit(Duration::ZERO, ms(1000)), 100), Some(Duration::ZERO));
    assert_eq!(wait(limit(Duration::from_nanos(1), ms(1_000_000)), 34), Some(Duration::from_nanos(1 << 33)));
    assert_eq!(wait(limit(Duration::from_nanos(1), ms(1_000_000)), 100), Some(ms(1_000_000)));
    assert_eq!(wait(limit(Duration::MAX, Duration::MAX), 100), Some(Duration::MAX));
    assert_eq!(wait(limit(ms(2000), ms(1000)), 1), Some(ms(1000)));
    let dry = RateLimit { bucket: Some(Bucket { per_second: 0.0, burst: 1 }), ..RateLimit::default() };
    assert_eq!(wait(dry, 1), Some(ms(5)));
    assert_eq!(wait(dry, 2), Some(Duration::MAX));
}

#[tokio::test(start_paused = true)]
async fn a_delay_without_end_harms_nobody() {
    let queue = WorkQueue::new();
    queue.add_after("never", Duration::MAX);
    queue.add_after("soon", ms(1));
    assert_eq!(*queue.get().await.unwrap(), "soon");
    queue.add_after("never", ms(1));
    assert_eq!(*queue.get().await.unwrap(), "never", "the earlier of two delays counts");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_for_a_delay_leaves_it_to_another() {
    let queue = WorkQueue::new();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.get().await.map(|work| *work) })
        })
        .collect();
    tokio::task::yield_now().await;
    queue.add_after("a", ms(10));
    tokio::task::yield_now().await;
    let [first, second] = <[_; 2]>::try_from(workers).unwrap();
    first.abort();
    let got = tokio::time::timeout(ms(1000), second).await.expect("the other one gets it");
    assert_eq!(got.unwrap(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn shut_down_gives_what_is_queued_and_then_ends_for_everybody() {
    let queue = WorkQueue::new();
    queue.add("a");
    queue.add_after("delayed", ms(5));
    let work = queue.get().await.unwrap();
    queue.add("a");
    queue.add("b");
    queue.shut_down();
    queue.add("c");
    let others: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut items = Vec::new();
                while let Some(work) = queue.get().await {
                    items.push(*work);
                }
                items
            })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(work);
    let mut items = Vec::new();
    for other in others {
        items.extend(other.await.unwrap());
    }
    items.sort_unstable();
    assert_eq!(items, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn workers_never_share_an_item_and_lose_none() {
    let queue = WorkQueue::new();
    let in_work = Arc::new(Mutex::new(std::collections::HashSet::new()));
    let seen = Arc::new(Mutex::new(std::collections::HashMap::<u32, u32>::new()));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (queue, in_work, seen) = (queue.clone(), Arc::clone(&in_work), Arc::clone(&seen));
            tokio::spawn(async move {
                while let Some(work) = queue.get().await {
                    assert!(in_work.lock().insert(*work), "two workers on {}", *work);
                    tokio::time::sleep(ms(u64::from(*work % 7))).await;
                    *seen.lock().entry(*work).or_default() += 1;
                    in_work.lock().remove(&*work);
                }
            })
        })
        .collect();
    for round in 0..50u32 {
        for item in 0..20 {
            queue.add((item * 7 + round) % 20);
        }
        tokio::time::sleep(ms(u64::from(round % 3))).await;
    }
    queue.shut_down();
    for worker in workers {
        worker.await.unwrap();
    }
    let seen = seen.lock();
    assert_eq!(seen.len(), 20);
    assert!(seen.values().all(|count| *count >= 2), "{seen:?}");
}
