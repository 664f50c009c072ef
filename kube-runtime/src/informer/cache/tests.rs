//! What changes when the cache is told, and what its indexes give.

use super::*;
use k8s_openapi::api::core::v1::ConfigMap;

/// `ns/name` of a version, filed under a colour.
fn object(key: &str, version: u32, colour: &str) -> Arc<ConfigMap> {
    let (namespace, name) = key.split_once('/').unwrap();
    let mut object = ConfigMap::default();
    object.metadata.namespace = Some(namespace.to_owned());
    object.metadata.name = Some(name.to_owned());
    object.metadata.uid = Some(format!("{name}-1"));
    object.metadata.resource_version = Some(version.to_string());
    object.metadata.labels = Some(BTreeMap::from([("colour".to_owned(), colour.to_owned())]));
    Arc::new(object)
}

fn last(key: &str, version: u32, colour: &str) -> ConfigMap {
    Arc::unwrap_or_clone(object(key, version, colour))
}

fn colours(object: &ConfigMap) -> Vec<String> {
    object.labels().values().cloned().collect()
}

fn filled() -> Cache<ConfigMap> {
    let mut cache = Cache::new();
    cache.add_index("colour", colours);
    let objects = vec![object("a/x", 1, "red"), object("a/y", 2, "blue"), object("b/x", 3, "red")];
    cache.replace(objects, &mut |_| {});
    cache
}

fn keys(objects: &[Arc<ConfigMap>]) -> Vec<String> {
    objects.iter().map(|object| object.key().to_string()).collect()
}

#[track_caller]
fn check(
    cache: &mut Cache<ConfigMap>,
    act: impl FnOnce(&mut Cache<ConfigMap>, &mut dyn FnMut(Change<ConfigMap>)),
    expected: &[&str],
) {
    let mut changes = Vec::new();
    act(cache, &mut |change| {
        changes.push(match &change {
            Change::Applied { old: None, new } => format!("+{}", new.key()),
            Change::Applied { old: Some(old), new } => {
                format!("~{} {}>{}", new.key(), old.resource_version(), new.resource_version())
            }
            Change::Deleted(object) => format!("-{}", object.key()),
        });
    });
    assert_eq!(changes, expected);
}

#[test]
fn changes() {
    let mut cache = filled();
    check(&mut cache, |c, mut t| c.apply(object("a/z", 4, "red"), &mut t), &["+a/z"]);
    check(&mut cache, |c, mut t| c.apply(object("a/z", 5, "red"), &mut t), &["~a/z 4>5"]);
    check(&mut cache, |c, mut t| c.apply(object("a/z", 5, "red"), &mut t), &[]);
    check(&mut cache, |c, mut t| c.delete(last("a/z", 6, "red"), &mut t), &["-a/z"]);
    check(&mut cache, |c, mut t| c.delete(last("a/z", 6, "red"), &mut t), &[]);
}

#[test]
fn another_object_of_the_same_name_is_a_deletion_and_a_creation() {
    let mut cache = filled();
    let mut again = last("a/x", 9, "green");
    again.metadata.uid = Some("x-2".to_owned());
    check(&mut cache, |c, mut t| c.apply(Arc::new(again), &mut t), &["-a/x", "+a/x"]);
    assert_eq!(keys(&cache.by_index("colour", "red")), ["b/x"]);
}

#[test]
fn a_new_list_deletes_what_is_not_in_it_and_skips_what_has_not_changed() {
    let mut cache = filled();
    let list = vec![object("a/y", 2, "blue"), object("b/x", 8, "blue"), object("c/n", 9, "red")];
    check(&mut cache, |c, mut t| c.replace(list, &mut t), &["-a/x", "~b/x 3>8", "+c/n"]);
    assert_eq!(keys(&cache.by_index("colour", "blue")), ["a/y", "b/x"]);
    assert_eq!(keys(&cache.by_index("colour", "red")), ["c/n"]);
}

#[test]
fn what_has_not_changed_stays_the_same_allocation() {
    let mut cache = filled();
    let before = cache.get(&ObjectKey::new("a", "y")).unwrap();
    cache.apply(object("a/y", 2, "blue"), &mut |_| {});
    assert!(Arc::ptr_eq(&before, &cache.get(&ObjectKey::new("a", "y")).unwrap()));
}

#[test]
fn namespaces_and_indexes() {
    let mut cache = filled();
    assert_eq!(keys(&cache.in_namespace("a")), ["a/x", "a/y"]);
    assert_eq!(keys(&cache.in_namespace("b")), ["b/x"]);
    assert_eq!(keys(&cache.in_namespace("")), [""; 0]);
    assert_eq!(keys(&cache.by_index("colour", "red")), ["a/x", "b/x"]);
    cache.apply(object("a/x", 4, "blue"), &mut |_| {});
    assert_eq!(keys(&cache.by_index("colour", "red")), ["b/x"]);
    assert_eq!(keys(&cache.by_index("colour", "blue")), ["a/x", "a/y"]);
}

#[test]
fn an_index_added_later_has_what_is_there() {
    let mut cache = filled();
    cache.add_index("name", |object| vec![object.name().to_owned()]);
    cache.add_index("name", |_| panic!("a name that exists keeps its function"));
    assert_eq!(keys(&cache.by_index("name", "x")), ["a/x", "b/x"]);
    assert_eq!(cache.len(), 3);
}

#[test]
#[should_panic(expected = "no index \"size\" was added")]
fn an_index_that_nobody_added_is_a_mistake() {
    filled().by_index("size", "big");
}
