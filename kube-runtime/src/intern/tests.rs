//! Versions in, and whether they are held once.

use super::*;
use crate::dynamic::DynamicObject;
use crate::object::TypedObject;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

fn map(uid: &str, version: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.uid = Some(uid.to_owned());
    object.metadata.resource_version = Some(version.to_owned());
    object
}

fn interned<K: TypedObject>(interner: &Interner) -> Arc<Interned<K>> {
    interner.of(&K::api_resource())
}

#[track_caller]
fn check(first: (&str, &str), second: (&str, &str), once: bool) {
    let interned = interned(&Interner::default());
    let one = interned.intern(map(first.0, first.1));
    let two = interned.intern(map(second.0, second.1));
    assert_eq!(Arc::ptr_eq(&one, &two), once, "{first:?}, {second:?}");
    assert_eq!((one.uid(), one.resource_version()), first);
    assert_eq!((two.uid(), two.resource_version()), second);
}

#[test]
fn one_version_of_one_object_is_held_once() {
    check(("a", "7"), ("a", "7"), true);
    check(("a", "7"), ("a", "8"), false);
    check(("a", "7"), ("b", "7"), false);
    check(("a", "x"), ("a", "x"), true);
    check(("a", "x"), ("a", "y"), false);
}

#[test]
fn what_cannot_be_told_apart_is_not_shared() {
    check(("", "7"), ("", "7"), false);
    check(("a", ""), ("a", ""), false);
}

#[test]
fn who_lags_behind_does_not_displace_the_newest() {
    let interned = interned(&Interner::default());
    let newest = interned.intern(map("a", "10"));
    assert_eq!(interned.intern(map("a", "9")).resource_version(), "9");
    assert!(Arc::ptr_eq(&newest, &interned.intern(map("a", "10"))));
}

#[test]
fn clones_of_an_interner_share_and_types_do_not() {
    let interner = Interner::default();
    let one = interned(&interner).intern(map("a", "1"));
    assert!(Arc::ptr_eq(&one, &interned(&interner.clone()).intern(map("a", "1"))));
    let secret = Secret { metadata: map("a", "1").metadata, ..Secret::default() };
    assert_eq!(interned(&interner).intern(secret).uid(), "a");
    assert!(!Arc::ptr_eq(&one, &interned(&Interner::default()).intern(map("a", "1"))));
}

#[test]
fn what_nobody_holds_is_let_go() {
    let interned = interned(&Interner::default());
    let kept = interned.intern(map("kept", "1"));
    for number in 0..10 * SWEEP_MIN {
        drop(interned.intern(map(&number.to_string(), "1")));
    }
    assert!(interned.0.lock().by_uid.len() <= SWEEP_MIN + 1);
    assert!(Arc::ptr_eq(&kept, &interned.intern(map("kept", "1"))));
    interned.forget("kept");
    assert!(!Arc::ptr_eq(&kept, &interned.intern(map("kept", "1"))));
}

#[test]
fn managed_fields_are_left_out() {
    let mut object = map("a", "1");
    object.metadata.managed_fields = Some(vec![ManagedFieldsEntry::default()]);
    assert_eq!(interned(&Interner::default()).intern(object).metadata.managed_fields, None);
}

#[test]
fn versions_of_the_api_do_not_share() {
    let interner = Interner::default();
    let [one, two] = ["v1", "v2"].map(|version| {
        let resource = ApiResource { version: version.into(), ..ConfigMap::api_resource() };
        let object =
            serde_json::json!({"apiVersion": version, "kind": "X", "metadata": {"uid": "a", "resourceVersion": "1"}});
        interner.of(&resource).intern(serde_json::from_value::<DynamicObject>(object).unwrap())
    });
    assert!(!Arc::ptr_eq(&one, &two));
}
