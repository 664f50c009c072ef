//! Several stores over one etcd: each sees the others' writes, others' revisions do no harm, and one compacts for all.

use super::cluster::{Cluster, available};
use super::{eventually, get, put, settings, store, store_with, value};
use crate::encryption::{PLAIN, contains, gcm, rules};
use futures::StreamExt;
use kubekit_store::conformance::extractor;
use kubekit_store::encryption::kms::simulated::Simulated;
use kubekit_store::encryption::kms::{KeyService, Kms};
use kubekit_store::encryption::{Identity, Provider};
use kubekit_store::{
    Config, Encryption, Error, Etcd, EventKind, ListRequest, Precondition, ReadAt, Store, TxnOutcome, WatchRequest,
};
use std::sync::Arc;
use std::time::Duration;

fn under(prefix: &str) -> ListRequest {
    ListRequest { prefix: prefix.to_owned(), ..ListRequest::default() }
}

async fn keys(store: &dyn Store, request: ListRequest) -> Vec<String> {
    let listing = store.list(request).await.unwrap();
    listing.entries.map(|entry| entry.key.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_what_another_store_wrote() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(1);
    let (one, two) = (store(&cluster).await, store(&cluster).await);
    let mut events = two.watch(WatchRequest { prefix: "/p/".to_owned(), ..WatchRequest::default() }).await.unwrap();
    for i in 0..100 {
        let key = format!("/p/{i:03}");
        let revision = put(&one, &key, "x").await;
        // In turn by get, by list, and by what was named.
        match i % 3 {
            0 => assert_eq!(get(&two, &key).await.as_deref(), Some("x")),
            1 => assert_eq!(keys(&two, under(&key)).await, [&*key]),
            _ => {
                let request = ListRequest { at: ReadAt::NotOlderThan(revision), ..under(&key) };
                assert_eq!(keys(&two, request).await, [&*key]);
            }
        }
        assert_eq!(events.next().await.unwrap().unwrap().revision, revision);
    }
    // Each wins in turn: a revision that the other has used is not the current one.
    let revision = put(&one, "/p/n", "0").await;
    let outcome = two.put("/p/n", Precondition::Revision(revision), value("1")).await.unwrap();
    assert!(matches!(outcome, TxnOutcome::Committed { .. }));
    let outcome = one.put("/p/n", Precondition::Revision(revision), value("2")).await.unwrap();
    let TxnOutcome::Refused { current: Some(current) } = outcome else { panic!("{outcome:?}") };
    assert_eq!(current.value, value("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_write_to_the_same_etcd_is_none_of_ours() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(1);
    let ours = store_with(settings(&cluster).prefix("/registry", "/")).await;
    let others = store_with(settings(&cluster).prefix("/registry2", "/")).await;
    let first = put(&ours, "/p/a", "one").await;
    let mut events = ours.watch(WatchRequest { prefix: "/".to_owned(), ..WatchRequest::default() }).await.unwrap();
    let mut last = 0;
    for i in 0..5 {
        last = put(&others, "/p/a", &i.to_string()).await;
    }
    // The revisions are there, and everything is as it was.
    let listing = ours.list(under("/p/")).await.unwrap();
    assert_eq!((listing.revision, listing.entries.count()), (last, 1));
    assert_eq!(get(&ours, "/p/a").await.as_deref(), Some("one"));
    assert_eq!(ours.revision().await.unwrap(), last);
    // A watch and a read from a revision that is none of ours.
    let after = WatchRequest { prefix: "/".to_owned(), after: Some(last), ..WatchRequest::default() };
    let mut later = ours.watch(after.clone()).await.unwrap();
    let mut initial = ours.watch(WatchRequest { initial_state: true, ..after }).await.unwrap();
    assert_eq!(initial.next().await.unwrap().unwrap().revision, first);
    let end = initial.next().await.unwrap().unwrap();
    assert_eq!((end.kind, end.revision), (EventKind::InitialEnd, last));
    assert_eq!(keys(&ours, ListRequest { at: ReadAt::Exactly(last), limit: 1, ..under("/") }).await, ["/p/a"]);
    let next = put(&ours, "/p/b", "two").await;
    assert_eq!(next, last + 1);
    for watch in [&mut events, &mut later, &mut initial] {
        assert_eq!(watch.next().await.unwrap().unwrap().revision, next, "exactly what is new, once");
    }
    assert!(ours.put("p", Precondition::None, value("x")).await.is_err(), "such keys would be somebody else's");
    // Pages straight from etcd, while the index is behind.
    let put_elsewhere = put(&others, "/p/a", "x").await;
    let request = ListRequest { limit: 1, ..under("/p/") };
    let page = ours.list(request.clone()).await.unwrap();
    assert_eq!((page.revision, page.remaining.unwrap().count), (put_elsewhere, Some(1)));
    let second = ListRequest { after: Some("/p/a".to_owned()), at: ReadAt::Exactly(page.revision), ..request };
    assert_eq!(keys(&ours, second).await, ["/p/b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_outlives_the_store_that_served_it() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(1);
    let first = store(&cluster).await;
    let start = put(&first, "/p/a", "0").await;
    let mut revisions = Vec::new();
    for i in 1..50 {
        revisions.push(put(&first, "/p/a", &i.to_string()).await);
    }
    drop(first);
    // A watch resumes, and pages go on, where the store before has left them.
    let second = store(&cluster).await;
    let after = WatchRequest { prefix: "/p/".to_owned(), after: Some(start), ..WatchRequest::default() };
    let mut events = second.watch(after).await.unwrap();
    for revision in revisions {
        assert_eq!(events.next().await.unwrap().unwrap().revision, revision);
    }
    let entry = second.get("/p/a", ReadAt::Exactly(start)).await.unwrap().unwrap();
    assert_eq!(entry.value, value("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_compacts() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(1);
    let often = settings(&cluster).compaction_interval(Some(Duration::from_millis(300)));
    let (one, two) = (store_with(often.clone()).await, store_with(often).await);
    let first = put(&one, "/p/a", "0").await;
    let third = store_with(settings(&cluster)).await;
    let mut count = 0;
    eventually("the history is compacted", async || {
        count += 1;
        put(&two, "/p/a", &count.to_string()).await;
        // The index of the third has its own history: a store that begins now asks etcd.
        let fresh = store_with(settings(&cluster)).await;
        matches!(fresh.get("/p/a", ReadAt::Exactly(first)).await, Err(Error::Compacted { .. }))
    })
    .await;
    assert_eq!(get(&one, "/p/a").await, Some(count.to_string()));
    assert_eq!(third.get("/p/a", ReadAt::Exactly(first)).await.unwrap().unwrap().value, value("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_has_no_plain_text_and_keys_rotate_under_two_stores() {
    if !available() {
        return;
    }
    let cluster = Cluster::start(1);
    let encryption = Encryption::new(rules(vec![gcm("one"), Arc::new(Identity)]));
    let open = async |encryption: &Encryption| {
        Etcd::connect(settings(&cluster), extractor(), Config::default().encryption(encryption.clone())).await
    };
    let store = open(&encryption).await.unwrap();
    let late = Encryption::new(rules(vec![gcm("one"), Arc::new(Identity)]));
    let other = open(&late).await.unwrap();
    let secret = format!("label={PLAIN}");
    for i in 0..20 {
        put(&store, &format!("/core/secrets/default/{i}"), &secret).await;
    }
    assert_eq!(get(&other, "/core/secrets/default/7").await.as_deref(), Some(&*secret));
    assert!(!contains(&cluster.bytes(), PLAIN));

    // The other one does not know the next key yet: it says so, serves no stale state, and goes on once it does.
    encryption.replace(rules(vec![gcm("two"), gcm("one")]));
    assert_eq!(store.reseal().await.unwrap(), 20);
    assert_eq!(store.reseal().await.unwrap(), 0);
    let failed = other.get("/core/secrets/default/7", ReadAt::Latest).await.unwrap_err();
    assert!(failed.to_string().contains("k8s:enc:aesgcm:v1:two:"), "{failed}");
    eventually("it is not healthy", async || other.health().await.is_err()).await;
    late.replace(rules(vec![gcm("two"), gcm("one")]));
    eventually("it is healthy again", async || other.health().await.is_ok()).await;
    assert_eq!(get(&other, "/core/secrets/default/7").await.as_deref(), Some(&*secret));

    // Nobody needs the first key any more, and one who lacks the second is told.
    let store = open(&Encryption::new(rules(vec![gcm("two")]))).await.unwrap();
    assert_eq!(get(&store, "/core/secrets/default/7").await.as_deref(), Some(&*secret));
    let refused = open(&Encryption::new(rules(vec![gcm("one")]))).await.unwrap_err();
    assert!(matches!(refused, Error::Damaged(_)) && refused.to_string().contains("add the key back"), "{refused}");
}

/// A server with a data key of its own, wrapped by the service.
async fn server(cluster: &Cluster, service: &Arc<Simulated>) -> (Encryption, Etcd) {
    let kms: Arc<dyn Provider> = Arc::new(Kms::new("vault", Arc::clone(service) as Arc<dyn KeyService>));
    let encryption = Encryption::new(rules(vec![kms]));
    encryption.refresh().await.unwrap();
    let config = Config::default().encryption(encryption.clone());
    (encryption, Etcd::connect(settings(cluster), extractor(), config).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_read_what_others_wrote_under_their_data_keys() {
    if !available() {
        return;
    }
    let (cluster, service) = (Cluster::start(1), Arc::new(Simulated::default()));
    let server = async || server(&cluster, &service).await;
    let ((_, one), (encryption, other)) = (server().await, server().await);
    for key in ["/core/secrets/a", "/core/secrets/b"] {
        put(&one, key, PLAIN).await;
        assert_eq!(get(&other, key).await.as_deref(), Some(PLAIN));
    }
    assert_eq!(service.unwrapped(), 1, "the one's data key, once");
    service.rotate("key-2");
    assert_eq!(other.reseal().await.unwrap(), 2);
    service.forget("key-1");
    put(&other, "/core/secrets/c", PLAIN).await;
    assert_eq!(get(&one, "/core/secrets/c").await.as_deref(), Some(PLAIN));
    let (_, third) = server().await;
    for key in ["/core/secrets/a", "/core/secrets/b", "/core/secrets/c"] {
        assert_eq!(get(&third, key).await.as_deref(), Some(PLAIN), "nothing is left under the key that is gone");
    }
    service.set_down(true);
    assert!(encryption.refresh().await.is_err() && other.health().await.is_err());
    assert_eq!(get(&other, "/core/secrets/a").await.as_deref(), Some(PLAIN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_does_not_unwrap_is_unavailable_and_the_rest_is_read() {
    if !available() {
        return;
    }
    let (cluster, service) = (Cluster::start(1), Arc::new(Simulated::default()));
    let ((_, one), (_, other)) = (server(&cluster, &service).await, server(&cluster, &service).await);
    service.set_down(true);
    put(&one, "/core/secrets/a", PLAIN).await;
    put(&one, "/core/configmaps/a", "this=is-public").await;
    let refused = other.get("/core/secrets/a", ReadAt::Latest).await.unwrap_err();
    assert!(matches!(&refused, Error::Unavailable(text) if text.contains("it is down")), "{refused}");
    assert_eq!(get(&other, "/core/configmaps/a").await.as_deref(), Some("this=is-public"));
    service.set_down(false);
    assert_eq!(get(&other, "/core/secrets/a").await.as_deref(), Some(PLAIN));
    eventually("the watch goes on", async || other.health().await.is_ok()).await;
}
