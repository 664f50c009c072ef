//! The contract of [`Store`] as checks that any implementation can be held against.
//!
//! Give [`run_all`] a function that opens an empty store with the suite's [`extractor`]; it runs every check on a store
//! of its own and panics at the first one that fails. [`checks`] names them, for a harness that wants to run them one
//! by one. The checks wait by `tokio::time`: under a paused clock none of them takes time.
//!
//! ```
//! use kubekit_store::{Config, Memory, conformance};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(
//! conformance::run_all(async || Arc::new(Memory::new(conformance::extractor(), Config::default())) as _)
//! # );
//! ```

mod compaction;
pub mod decoders;
pub mod history;
mod lifetimes;
mod limits;
mod linearizability;
mod lists;
mod model;
mod watches;
mod watches_resumed;
mod writes;

pub use model::random_operations;

use crate::{
    Attributes, Entry, Event, EventKind, Extractor, ListRequest, Listing, Operator, Precondition, ReadAt, Requirement,
    Revision, Selector, Store, Txn, TxnOutcome, Value, Watch, WatchRequest,
};
use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// A store under test.
pub type Subject = Arc<dyn Store>;

/// One check of the contract.
#[derive(Clone, Copy)]
pub struct Check {
    /// What it checks: chapter and promise.
    pub name: &'static str,
    run: fn(Subject) -> LocalBoxFuture<'static, ()>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Check {
    /// Runs the check on an empty store that was opened with [`extractor`].
    ///
    /// # Panics
    /// When the store breaks the promise.
    pub async fn run(&self, store: Subject) {
        (self.run)(store).await;
    }
}

/// Runs every check, each on a store of its own.
///
/// # Panics
/// At the first check that fails, with its name.
pub async fn run_all(open: impl AsyncFn() -> Subject) {
    for check in checks() {
        let store = open().await;
        if let Err(panic) = AssertUnwindSafe(check.run(store)).catch_unwind().await {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            panic!("conformance: {}: {text}", check.name);
        }
    }
}

macro_rules! checks {
    ($($chapter:ident: $($check:ident),+;)+) => {
        const CHECKS: &[Check] = &[$($(
            Check {
                name: concat!(stringify!($chapter), "::", stringify!($check)),
                run: |store| Box::pin($chapter::$check(store)),
            },
        )+)+];
    };
}

checks! {
    writes: an_empty_store_is_at_its_first_revision, a_put_is_read_back, each_commit_is_one_revision,
        absent_refuses_what_exists, a_revision_must_be_the_current_one, a_refusal_uses_no_revision,
        a_delete_gives_what_was_there, deleting_nothing_is_refused, a_deleted_key_can_be_created_again,
        an_equal_value_is_a_commit, keys_are_independent, attributes_of_the_writer_win,
        of_many_writers_of_one_revision_one_wins, increments_are_not_lost, derived_forms_are_made_once;
    limits: the_largest_key_and_value_are_kept, beyond_the_limits_nothing_is_written, values_are_opaque;
    lists: an_empty_prefix_lists_everything_in_order, a_prefix_is_a_prefix_of_bytes, a_list_is_one_revision,
        a_list_in_hand_does_not_change, pages_are_one_list, the_last_page_has_no_remainder, pages_survive_deletes,
        remaining_is_counted, every_operator_selects, selected_pages_are_full, selectors_see_the_past,
        reads_at_older_revisions, a_key_of_the_past_can_be_read, the_future_cannot_be_read,
        not_older_than_is_at_least_that;
    watches: events_follow_writes, a_watch_starts_at_the_present, each_kind_of_change_has_its_kind,
        a_delete_carries_the_last_version, only_the_prefix_is_watched, a_selector_watches_its_set,
        leaving_the_set_carries_the_last_match, many_watchers_of_one_value, initial_state_then_changes,
        initial_state_is_selected, an_empty_initial_state_ends_too, initial_state_of_the_future_fails,
        refused_writes_are_no_events, every_watcher_sees_the_same_order, concurrent_writers_are_seen_in_order,
        versions_are_shared;
    watches_resumed: resuming_after_each_event, resuming_sees_what_was_missed, resuming_replays_transitions,
        the_future_cannot_be_watched, progress_is_told, progress_can_be_resumed_after, a_resumed_watch_is_told_where_it_stands,
        progress_is_only_on_request,
        a_slow_watcher_misses_nothing, watches_can_come_and_go;
    compaction: older_revisions_are_gone, the_revision_itself_is_kept, watches_below_are_refused,
        the_present_is_never_lost, running_watches_go_on, a_page_of_the_past_fails_clearly,
        compaction_takes_known_revisions_only, watches_under_churn_miss_nothing,
        often_under_watchers_that_come_back;
    lifetimes: a_lifetime_ends_in_a_delete, not_before_its_time, a_later_write_ends_a_lifetime,
        a_lifetime_can_be_renewed, deleting_ends_a_lifetime, many_lifetimes_end;
    linearizability: eight_writers_and_eight_watchers;
    model: random_operations_agree_with_the_model;
}

/// Every check of the suite.
pub fn checks() -> &'static [Check] {
    CHECKS
}

/// The extractor that the suite's stores must be opened with: a value `name=value;name=value` has those attributes.
pub fn extractor() -> Extractor {
    Extractor::new(|_, value| {
        let text = std::str::from_utf8(value).unwrap_or_default();
        Attributes::new(text.split(';').filter_map(|pair| pair.split_once('=')))
    })
}

/// How long a check waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn value(text: &str) -> Value {
    Value { bytes: text.to_owned().into(), splice: 0 }
}

fn text(entry: &Entry) -> &str {
    std::str::from_utf8(&entry.value.bytes).expect("the suite writes text")
}

/// Writes without a condition, and gives the revision.
async fn put(store: &Subject, key: &str, text: &str) -> Revision {
    let outcome = store.put(key, Precondition::None, value(text)).await.expect("put");
    let TxnOutcome::Committed { revision, .. } = outcome else { panic!("put of {key} was refused: {outcome:?}") };
    revision
}

async fn put_for(store: &Subject, key: &str, text: &str, ttl_seconds: u32) -> Revision {
    let op = crate::Op::Put { value: value(text), attributes: None, ttl_seconds: Some(ttl_seconds) };
    let txn = Txn { key: key.to_owned(), precondition: Precondition::None, op };
    let outcome = store.txn(txn).await.expect("put");
    let TxnOutcome::Committed { revision, .. } = outcome else { panic!("put of {key} was refused: {outcome:?}") };
    revision
}

/// Deletes what is there, and gives the revision.
async fn delete(store: &Subject, key: &str) -> Revision {
    let outcome = store.delete(key, Precondition::None).await.expect("delete");
    let TxnOutcome::Committed { revision, .. } = outcome else { panic!("delete of {key} was refused: {outcome:?}") };
    revision
}

async fn get(store: &Subject, key: &str, at: ReadAt) -> Option<String> {
    store.get(key, at).await.expect("get").map(|entry| text(&entry).to_owned())
}

fn under(prefix: &str) -> ListRequest {
    ListRequest { prefix: prefix.to_owned(), ..ListRequest::default() }
}

async fn list(store: &Subject, request: ListRequest) -> Listing {
    store.list(request).await.expect("list")
}

/// The keys of a list.
fn keys(listing: Listing) -> Vec<String> {
    listing.entries.map(|entry| entry.key.to_string()).collect()
}

/// What is listed, as `key=text`.
fn contents(listing: Listing) -> Vec<String> {
    listing.entries.map(|entry| format!("{} {}", entry.key, text(&entry))).collect()
}

fn requirement(name: &str, operator: Operator, values: &[&str]) -> Selector {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Selector { requirements: vec![Requirement { name: name.to_owned(), operator, values }] }
}

fn watch_of(prefix: &str) -> WatchRequest {
    WatchRequest { prefix: prefix.to_owned(), ..WatchRequest::default() }
}

async fn watch(store: &Subject, request: WatchRequest) -> Watch {
    store.watch(request).await.expect("watch")
}

/// The next event, which must come.
async fn next(watch: &mut Watch) -> Event {
    let event = tokio::time::timeout(PATIENCE, watch.next()).await.expect("an event within the time");
    event.expect("the watch goes on").expect("no error")
}

/// An event in short: its kind, key, text and revision.
fn short(event: &Event) -> String {
    let kind = match event.kind {
        EventKind::Added => "+",
        EventKind::Modified => "~",
        EventKind::Deleted => "-",
        EventKind::Progress => "progress",
        EventKind::InitialEnd => "end",
    };
    match &event.entry {
        None => format!("{kind} @{}", event.revision),
        Some(entry) => format!("{kind} {} {} @{}", entry.key, text(entry), event.revision),
    }
}

/// Checks the next events of a watch.
async fn expect(watch: &mut Watch, expected: &[String]) {
    for expected in expected {
        assert_eq!(short(&next(watch).await), *expected);
    }
}
