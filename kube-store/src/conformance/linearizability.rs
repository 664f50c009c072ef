//! Many clients at once, and the judgement on all that they were told.

use super::Subject;
use super::history::{Journal, Load, Recorder, run};
use std::sync::Arc;

pub(super) async fn eight_writers_and_eight_watchers(store: Subject) {
    let after = store.revision().await.expect("revision");
    let recorder = Arc::new(Recorder::default());
    let load = Load { writers: 8, watchers: 8, questions: 60, keys: 5, serial: 0, after };
    run(&store, &recorder, load, 1).await;
    let journal = Journal::read(&store, after).await.expect("the history is there");
    let judged = recorder.judge(&journal).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(judged.answered == 480 && judged.events > 100, "{judged:?}");
}
