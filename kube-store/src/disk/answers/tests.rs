//! Who gives which answer.

use super::{Answer, Answers};
use crate::{Result, TxnOutcome};
use parking_lot::Mutex;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use tokio::sync::oneshot;

type Waiting = oneshot::Receiver<Result<TxnOutcome>>;

fn writers() -> (Vec<Answer>, Vec<Waiting>) {
    (0..3)
        .map(|_| {
            let (to, waiting) = oneshot::channel();
            (Answer { to, outcome: Ok(TxnOutcome::Refused { current: None }) }, waiting)
        })
        .unzip()
}

fn answered(waiting: &mut [Waiting]) -> usize {
    waiting.iter_mut().filter_map(|waiting| waiting.try_recv().ok()).filter(Result::is_ok).count()
}

/// What happens when a writer is woken: it gives on, and counts who else has been answered then.
struct Woken {
    answers: Arc<Answers>,
    others: Mutex<Vec<Waiting>>,
    answered: AtomicUsize,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.answers.give_on();
        self.answered.store(answered(&mut self.others.lock()), Ordering::Relaxed);
    }
}

#[test]
fn nobody_waits_for_a_writer_to_give_on() {
    let (answers, mut waiting) = writers();
    Answers::default().give(answers);
    assert_eq!(answered(&mut waiting), 3);
}

#[test]
fn the_first_that_is_woken_gives_what_is_left() {
    let all = Arc::new(Answers::default());
    let (answers, mut others) = writers();
    let mut first = others.remove(0);
    let woken =
        Arc::new(Woken { answers: Arc::clone(&all), others: Mutex::new(others), answered: AtomicUsize::new(0) });
    let waker = Arc::clone(&woken).into();
    assert!(pin!(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
    all.give(answers);
    assert_eq!(woken.answered.load(Ordering::Relaxed), 2);
    assert_eq!(answered(&mut [first]), 1);
}
