//! What the watcher asks for, row by row.

use super::*;
use crate::backoff::BackoffPolicy;
use crate::environment::SeededRandom;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kubekit_core::status::Cause;

struct Bench {
    machine: Machine<ConfigMap>,
    random: SeededRandom,
}

fn object(name: &str, version: u32) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.metadata.resource_version = Some(version.to_string());
    object
}

fn page(names: &[&str], version: u32, next: &str) -> Happening<ConfigMap> {
    let metadata = ListMeta {
        resource_version: Some(version.to_string()),
        continue_: Some(next.to_owned()),
        ..ListMeta::default()
    };
    Happening::Page(ObjectList { metadata, items: names.iter().map(|name| object(name, 1)).collect() })
}

fn api_error(reason: Reason) -> Error {
    Error::Api(Box::new(ApiError::new(reason, "m")))
}

fn in_stream(reason: Reason) -> Happening<ConfigMap> {
    Happening::Frame(WatchEvent::Error(ApiError::new(reason, "m")))
}

fn applied(version: u32) -> Happening<ConfigMap> {
    Happening::Frame(WatchEvent::Modified(object("a", version)))
}

impl Bench {
    fn new() -> Self {
        let backoff = BackoffPolicy { jitter: 0.0, ..BackoffPolicy::default() };
        let config = Config { backoff, page_size: 2, ..Config::default() };
        Self { machine: Machine::new(&config), random: SeededRandom::new(1) }
    }

    /// A watch from revision 10 on.
    fn watching() -> Self {
        let mut bench = Self::new();
        bench.step(page(&[], 10, ""));
        bench.step(Happening::WatchOpened);
        bench
    }

    /// The item and what follows, as text: `restarted a b; call after 0ms`.
    fn step(&mut self, happening: Happening<ConfigMap>) -> String {
        let step = self.machine.step(happening, &self.random);
        let item = match step.item {
            None => String::new(),
            Some(Ok(Event::Restarted(objects))) => {
                let names: Vec<&str> = objects.iter().map(Object::name).collect();
                format!("restarted {}; ", names.join(" "))
            }
            Some(Ok(Event::Applied(object))) => format!("applied {}; ", object.name()),
            Some(Ok(Event::Deleted(object))) => format!("deleted {}; ", object.name()),
            Some(Ok(Event::Watching)) => "watching; ".to_owned(),
            Some(Err(error)) => format!("error {error}; "),
        };
        match step.then {
            Then::Read => format!("{item}read"),
            Then::Call { after } => format!("{item}{} after {}ms", self.call(), after.as_millis()),
        }
    }

    fn call(&self) -> String {
        match self.machine.call() {
            Call::List { limit, continue_token } => format!("list {limit} {continue_token:?}"),
            Call::Watch { resource_version } => format!("watch {resource_version}"),
        }
    }
}

#[track_caller]
fn check(bench: &mut Bench, happening: Happening<ConfigMap>, expected: &str) {
    assert_eq!(bench.step(happening), expected);
}

#[test]
fn pages_are_collected_and_watched_from_their_revision() {
    let mut bench = Bench::new();
    assert_eq!(bench.call(), "list 2 \"\"");
    check(&mut bench, page(&["a", "b"], 5, "t"), "list 2 \"t\" after 0ms");
    check(&mut bench, page(&["c"], 5, ""), "restarted a b c; watch 5 after 0ms");
    check(&mut bench, Happening::WatchOpened, "watching; read");
    check(&mut bench, applied(6), "applied a; read");
    check(&mut bench, Happening::Frame(WatchEvent::Deleted(object("a", 7))), "deleted a; read");
    check(&mut bench, Happening::Frame(WatchEvent::Bookmark { resource_version: "9".into() }), "read");
    check(&mut bench, Happening::WatchEnded { lasted: Duration::ZERO }, "watch 9 after 0ms");
}

#[test]
fn what_happens_between_pages_is_watched() {
    let mut bench = Bench::new();
    check(&mut bench, page(&["a", "b"], 5, "t"), "list 2 \"t\" after 0ms");
    check(&mut bench, page(&["c"], 9, ""), "restarted a b c; watch 5 after 0ms");
}

#[test]
fn a_page_that_has_expired_begins_the_list_anew_in_one_piece() {
    let mut bench = Bench::new();
    bench.step(page(&["a", "b"], 5, "t"));
    check(&mut bench, Happening::ListFailed(api_error(Reason::Expired)), "list 0 \"\" after 0ms");
    check(&mut bench, page(&["b", "c"], 8, ""), "restarted b c; watch 8 after 0ms");
}

#[test]
fn a_page_that_fails_otherwise_is_asked_for_again() {
    let mut bench = Bench::new();
    bench.step(page(&["a", "b"], 5, "t"));
    check(&mut bench, Happening::ListFailed(api_error(Reason::InternalError)), "error m; list 2 \"t\" after 100ms");
    check(&mut bench, Happening::ListFailed(api_error(Reason::InternalError)), "error m; list 2 \"t\" after 200ms");
    check(&mut bench, page(&["c"], 5, ""), "restarted a b c; watch 5 after 0ms");
}

#[test]
fn a_watch_that_breaks_goes_on_where_it_was() {
    let mut bench = Bench::watching();
    bench.step(applied(12));
    check(&mut bench, Happening::WatchFailed(api_error(Reason::Timeout)), "error m; watch 12 after 100ms");
    check(&mut bench, Happening::WatchFailed(api_error(Reason::Timeout)), "error m; watch 12 after 200ms");
    bench.step(Happening::WatchOpened);
    bench.step(applied(13));
    check(&mut bench, in_stream(Reason::InternalError), "error m; watch 13 after 100ms");
}

fn undecodable() -> Happening<ConfigMap> {
    let source = serde_json::from_str::<u8>("true").unwrap_err();
    Happening::Undecodable(Error::Decode { operation: "watch".to_owned(), source })
}

#[test]
fn an_event_that_cannot_be_read_is_told_and_left_behind() {
    let mut bench = Bench::watching();
    check(&mut bench, undecodable(), "error watch: cannot decode the answer; read");
    check(&mut bench, applied(12), "applied a; read");
    check(&mut bench, undecodable(), "error watch: cannot decode the answer; read");
    check(&mut bench, Happening::WatchEnded { lasted: Duration::ZERO }, "watch 12 after 0ms");
    // A server that sends nothing else is not hammered.
    check(&mut bench, undecodable(), "error watch: cannot decode the answer; read");
    check(&mut bench, Happening::WatchEnded { lasted: Duration::ZERO }, "watch 12 after 100ms");
}

#[test]
fn a_revision_that_the_server_does_not_take_is_read_anew() {
    for reason in [Reason::BadRequest, Reason::NotFound, Reason::Invalid] {
        let mut bench = Bench::watching();
        check(&mut bench, Happening::WatchFailed(api_error(reason)), "error m; list 2 \"\" after 100ms");
    }
    for reason in [Reason::BadRequest, Reason::NotFound, Reason::Invalid] {
        check(&mut Bench::watching(), in_stream(reason), "error m; list 2 \"\" after 100ms");
    }
    for reason in [Reason::TooManyRequests, Reason::Forbidden, Reason::InternalError] {
        let mut bench = Bench::watching();
        check(&mut bench, Happening::WatchFailed(api_error(reason)), "error m; watch 10 after 100ms");
    }
}

/// As a server answers that was restored from a backup.
#[test]
fn a_revision_that_the_server_has_not_reached_is_read_anew() {
    let status = || {
        let mut status = ApiError::new(Reason::Timeout, "m");
        status.details.causes =
            vec![Cause { reason: "ResourceVersionTooLarge".to_owned(), message: String::new(), field: String::new() }];
        status
    };
    let failed = Happening::WatchFailed(Error::Api(Box::new(status())));
    check(&mut Bench::watching(), failed, "error m; list 2 \"\" after 100ms");
    let told = Happening::Frame(WatchEvent::Error(status()));
    check(&mut Bench::watching(), told, "error m; list 2 \"\" after 100ms");
}

#[test]
fn a_revision_that_is_gone_lists_again() {
    check(&mut Bench::watching(), in_stream(Reason::Expired), "list 2 \"\" after 0ms");
    check(&mut Bench::watching(), in_stream(Reason::Gone), "list 2 \"\" after 0ms");
    check(&mut Bench::watching(), Happening::WatchFailed(api_error(Reason::Expired)), "list 2 \"\" after 0ms");
}

#[test]
fn a_server_that_never_keeps_its_revisions_is_not_hammered() {
    let mut bench = Bench::watching();
    check(&mut bench, in_stream(Reason::Expired), "list 2 \"\" after 0ms");
    bench.step(page(&[], 20, ""));
    check(&mut bench, in_stream(Reason::Expired), "list 2 \"\" after 200ms");
    bench.step(page(&[], 20, ""));
    check(&mut bench, in_stream(Reason::Expired), "list 2 \"\" after 400ms");
}

#[test]
fn watches_that_end_at_once_back_off() {
    let ended = |milliseconds| Happening::WatchEnded { lasted: Duration::from_millis(milliseconds) };
    let mut bench = Bench::watching();
    check(&mut bench, ended(10), "watch 10 after 100ms");
    check(&mut bench, ended(10), "watch 10 after 200ms");
    check(&mut bench, ended(1000), "watch 10 after 0ms");
    check(&mut bench, ended(10), "watch 10 after 100ms");
}
