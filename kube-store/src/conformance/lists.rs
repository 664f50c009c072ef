//! Reads and lists.

use super::{Subject, contents, delete, get, keys, list, put, requirement, under};
use crate::{Error, ListRequest, Operator, ReadAt, Remaining, Selector};

/// Writes `count` keys `/p/000`, `/p/001` and so on.
async fn fill(store: &Subject, count: usize) {
    for i in 0..count {
        put(store, &format!("/p/{i:03}"), "one").await;
    }
}

fn page(limit: usize, after: Option<&str>, at: ReadAt) -> ListRequest {
    ListRequest { prefix: "/p/".to_owned(), after: after.map(str::to_owned), limit, at, selector: Selector::default() }
}

pub(super) async fn an_empty_prefix_lists_everything_in_order(store: Subject) {
    for key in ["b", "a/z", "a", "ü", "a/b/c", "B", "a!"] {
        put(&store, key, "x").await;
    }
    assert_eq!(keys(list(&store, under("")).await), ["B", "a", "a!", "a/b/c", "a/z", "b", "ü"]);
}

pub(super) async fn a_prefix_is_a_prefix_of_bytes(store: Subject) {
    for key in ["/pods/a", "/pods/b/c", "/pods", "/podsecurity/x", "/pod/x", "/q"] {
        put(&store, key, "x").await;
    }
    for (prefix, expected) in [
        ("/pods/", &["/pods/a", "/pods/b/c"][..]),
        ("/pods", &["/pods", "/pods/a", "/pods/b/c", "/podsecurity/x"]),
        ("/pods/a", &["/pods/a"]),
        ("/r", &[]),
        ("/", &["/pod/x", "/pods", "/pods/a", "/pods/b/c", "/podsecurity/x", "/q"]),
    ] {
        assert_eq!(keys(list(&store, under(prefix)).await), expected, "{prefix}");
    }
}

pub(super) async fn a_list_is_one_revision(store: Subject) {
    let last = put(&store, "/p/a", "one").await;
    let listing = list(&store, under("/p/")).await;
    assert_eq!(listing.revision, last);
    let later = put(&store, "/q/a", "one").await;
    assert_eq!(list(&store, under("/p/")).await.revision, later, "the revision is that of the store");
}

pub(super) async fn a_list_in_hand_does_not_change(store: Subject) {
    fill(&store, 200).await;
    let mut listing = list(&store, under("/p/")).await;
    let first = listing.entries.next().expect("present");
    assert_eq!(&*first.key, "/p/000");
    for i in 0..200 {
        let key = format!("/p/{i:03}");
        if i % 2 == 0 {
            delete(&store, &key).await
        } else {
            put(&store, &key, "two").await
        };
        put(&store, &format!("/p/{i:03}-new"), "two").await;
    }
    store.compact(store.revision().await.expect("revision")).await.expect("compact");
    let rest = contents(listing);
    let expected: Vec<_> = (1..200).map(|i| format!("/p/{i:03} one")).collect();
    assert_eq!(rest, expected);
}

/// Walks all pages at the revision of the first one, and changes something in between.
async fn walk(store: &Subject, limit: usize, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut all = Vec::new();
    let mut at = ReadAt::Latest;
    let mut after = None;
    for number in 0.. {
        let listing = list(store, page(limit, after.as_deref(), at)).await;
        let (revision, more) = (listing.revision, listing.remaining.is_some());
        let entries: Vec<_> = listing.entries.collect();
        assert!(entries.len() == limit || (!more && entries.len() <= limit));
        all.extend(entries.iter().map(|entry| format!("{} {}", entry.key, super::text(entry))));
        if !more {
            return all;
        }
        if let ReadAt::Exactly(first) = at {
            assert_eq!(revision, first);
        }
        at = ReadAt::Exactly(revision);
        after = entries.last().map(|entry| entry.key.to_string());
        between(number).await;
    }
    all
}

pub(super) async fn pages_are_one_list(store: Subject) {
    fill(&store, 53).await;
    let expected: Vec<_> = (0..53).map(|i| format!("/p/{i:03} one")).collect();
    for limit in [1, 2, 7, 52, 53, 54, 1000] {
        assert_eq!(walk(&store, limit, async |_| ()).await, expected, "pages of {limit}");
    }
}

pub(super) async fn the_last_page_has_no_remainder(store: Subject) {
    fill(&store, 4).await;
    for (limit, after, expected) in [
        (0, None, None),
        (4, None, None),
        (5, None, None),
        (3, None, Some(1)),
        (2, Some("/p/001"), None),
        (1, Some("/p/001"), Some(1)),
        (1, Some("/p/003"), None),
        (1, Some("/p/zzz"), None),
        (3, Some("/a"), Some(1)),
    ] {
        let remaining = list(&store, page(limit, after, ReadAt::Latest)).await.remaining;
        assert_eq!(remaining, expected.map(|count| Remaining { count: Some(count) }), "{limit} after {after:?}");
    }
}

pub(super) async fn pages_survive_deletes(store: Subject) {
    fill(&store, 20).await;
    let expected: Vec<_> = (0..20).map(|i| format!("/p/{i:03} one")).collect();
    let churn = async |number: usize| {
        // Behind, at and before the place where the walk stands; and a new life for one of them.
        for i in [number, number + 3, 19 - number % 10] {
            let key = format!("/p/{i:03}");
            if get(&store, &key, ReadAt::Latest).await.is_some() {
                delete(&store, &key).await;
            } else {
                put(&store, &key, "two").await;
            }
        }
        put(&store, &format!("/p/{number:03}x"), "new").await;
    };
    assert_eq!(walk(&store, 3, churn).await, expected);
}

pub(super) async fn remaining_is_counted(store: Subject) {
    fill(&store, 300).await;
    for i in (0..300).step_by(3) {
        delete(&store, &format!("/p/{i:03}")).await;
    }
    let listing = list(&store, page(50, None, ReadAt::Latest)).await;
    assert_eq!(listing.remaining, Some(Remaining { count: Some(150) }));
    let selector = requirement("a", Operator::DoesNotExist, &[]);
    let listing = list(&store, ListRequest { selector, ..page(50, None, ReadAt::Latest) }).await;
    assert!(listing.remaining.is_some(), "that there is more is known, also with a selector");
}

async fn paint(store: &Subject) {
    for (key, attributes) in
        [("a", "color=red;size=s"), ("b", "color=green;size=s"), ("c", "color=red;size=l"), ("d", "size=m"), ("e", "")]
    {
        put(store, &format!("/p/{key}"), attributes).await;
    }
}

async fn selected(store: &Subject, selector: Selector, at: ReadAt) -> String {
    let request = ListRequest { prefix: "/p/".to_owned(), selector, at, ..ListRequest::default() };
    keys(list(store, request).await).concat().replace("/p/", "")
}

pub(super) async fn every_operator_selects(store: Subject) {
    paint(&store).await;
    for (name, operator, values, expected) in [
        ("color", Operator::In, &["red"][..], "ac"),
        ("color", Operator::In, &["red", "green"], "abc"),
        ("color", Operator::In, &["blue"], ""),
        ("color", Operator::In, &[], ""),
        ("color", Operator::NotIn, &["red"], "bde"),
        ("color", Operator::NotIn, &["red", "green"], "de"),
        ("color", Operator::Exists, &[], "abc"),
        ("color", Operator::DoesNotExist, &[], "de"),
        ("shape", Operator::In, &["red"], ""),
    ] {
        let selector = requirement(name, operator, values);
        assert_eq!(selected(&store, selector, ReadAt::Latest).await, expected, "{name} {operator:?} {values:?}");
    }
    let mut both = requirement("color", Operator::In, &["red"]);
    both.requirements.extend(requirement("size", Operator::NotIn, &["l"]).requirements);
    assert_eq!(selected(&store, both, ReadAt::Latest).await, "a");
    assert_eq!(selected(&store, Selector::default(), ReadAt::Latest).await, "abcde");
}

pub(super) async fn selected_pages_are_full(store: Subject) {
    for i in 0..60 {
        put(&store, &format!("/p/{i:03}"), if i % 5 == 0 { "color=red" } else { "color=green" }).await;
    }
    let selector = requirement("color", Operator::In, &["red"]);
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let request = ListRequest { selector: selector.clone(), ..page(5, after.as_deref(), ReadAt::Latest) };
        let listing = list(&store, request).await;
        let more = listing.remaining.is_some();
        let found = keys(listing);
        after = found.last().cloned();
        pages.push(found.len());
        if !more {
            break;
        }
    }
    assert_eq!(pages, [5, 5, 2]);
}

pub(super) async fn selectors_see_the_past(store: Subject) {
    paint(&store).await;
    let before = store.revision().await.expect("revision");
    put(&store, "/p/a", "color=blue").await;
    put(&store, "/p/e", "color=red").await;
    delete(&store, "/p/c").await;
    let red = requirement("color", Operator::In, &["red"]);
    assert_eq!(selected(&store, red.clone(), ReadAt::Exactly(before)).await, "ac");
    assert_eq!(selected(&store, red, ReadAt::Latest).await, "e");
}

pub(super) async fn reads_at_older_revisions(store: Subject) {
    let mut states: Vec<(u64, Vec<String>)> = vec![(store.revision().await.expect("revision"), Vec::new())];
    for step in 0..40 {
        let key = format!("/p/{}", step * 7 % 5);
        let revision = if step % 4 == 3 && get(&store, &key, ReadAt::Latest).await.is_some() {
            delete(&store, &key).await
        } else {
            put(&store, &key, &step.to_string()).await
        };
        states.push((revision, contents(list(&store, under("/p/")).await)));
    }
    for (revision, expected) in states {
        let at = ReadAt::Exactly(revision);
        let listing = list(&store, ListRequest { at, ..under("/p/") }).await;
        assert_eq!(listing.revision, revision);
        assert_eq!(contents(listing), expected, "at {revision}");
    }
}

pub(super) async fn a_key_of_the_past_can_be_read(store: Subject) {
    let first = put(&store, "a", "one").await;
    let second = put(&store, "a", "two").await;
    let gone = delete(&store, "a").await;
    let back = put(&store, "a", "three").await;
    for (at, expected) in
        [(first - 1, None), (first, Some("one")), (second, Some("two")), (gone, None), (back, Some("three"))]
    {
        assert_eq!(get(&store, "a", ReadAt::Exactly(at)).await.as_deref(), expected, "at {at}");
    }
}

pub(super) async fn the_future_cannot_be_read(store: Subject) {
    let last = put(&store, "a", "one").await;
    let error = store.get("a", ReadAt::Exactly(last + 1)).await.expect_err("not reached");
    assert!(matches!(error, Error::Future { requested, .. } if requested == last + 1), "{error}");
    let error = store.list(ListRequest { at: ReadAt::Exactly(last + 1), ..under("") }).await.expect_err("not reached");
    assert!(matches!(error, Error::Future { requested, .. } if requested == last + 1), "{error}");
}

pub(super) async fn not_older_than_is_at_least_that(store: Subject) {
    let first = put(&store, "a", "one").await;
    let second = put(&store, "a", "two").await;
    for at in [0, first, second] {
        let listing = list(&store, ListRequest { at: ReadAt::NotOlderThan(at), ..under("") }).await;
        assert!(listing.revision >= at);
    }
    assert_eq!(get(&store, "a", ReadAt::NotOlderThan(second)).await.as_deref(), Some("two"));
}
