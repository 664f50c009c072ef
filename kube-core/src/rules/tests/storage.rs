//! What is wrong with claims, volumes and their classes, and what an update of them may change.

use super::*;

fn claim(spec: Value) -> Value {
    let mut claim = object(
        "v1",
        "PersistentVolumeClaim",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    merge(&mut claim["spec"], spec);
    claim
}

fn volume(spec: Value) -> Value {
    let mut volume = object(
        "v1",
        "PersistentVolume",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}}),
    );
    merge(&mut volume["spec"], spec);
    volume
}

#[test]
fn claims() {
    check(claim(json!({})), &[]);
    check(
        claim(json!({"accessModes": [], "resources": null})),
        &[
            "spec.accessModes: Required value: at least 1 access mode is required",
            "spec.resources[storage]: Required value",
        ],
    );
    check(
        claim(json!({"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]})),
        &["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
    );
    check(
        claim(json!({"resources": {"requests": {"storage": "0"}}})),
        &["spec.resources[storage]: Invalid value: \"0\": must be greater than zero"],
    );
    check(
        claim(json!({"accessModes": ["ReadWriteSome"], "volumeMode": "Tape"})),
        &[
            "spec.accessModes: Unsupported value: \"ReadWriteSome\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
            "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", \"Filesystem\"",
        ],
    );
    check(claim(json!({"storageClassName": ""})), &[]);
    check_created(claim(json!({})), "/spec/volumeMode", json!("Filesystem"));
}

#[test]
fn where_the_data_of_a_claim_comes_from() {
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
    check(claim(json!({"dataSource": snapshot})), &[]);
    check_created(claim(json!({"dataSource": snapshot})), "/spec/dataSourceRef", snapshot.clone());
    check_created(claim(json!({"dataSourceRef": snapshot})), "/spec/dataSource", snapshot.clone());
    // A source in another namespace is behind a gate that is off: it is dropped, not refused.
    let mut elsewhere = snapshot.clone();
    elsewhere["namespace"] = json!("other");
    check(claim(json!({"dataSourceRef": elsewhere})), &[]);
    check_created(claim(json!({"dataSourceRef": elsewhere})), "/spec/dataSourceRef", Value::Null);
    check_created(claim(json!({"dataSourceRef": elsewhere})), "/spec/dataSource", Value::Null);
    let both = claim(json!({"dataSource": snapshot, "dataSourceRef": elsewhere}));
    check(both.clone(), &[]);
    check_created(both, "/spec/dataSourceRef", snapshot.clone());
    // The older field takes claims and snapshots, and forgets everything else; the newer one takes all.
    let populator = json!({"apiGroup": "example.com", "kind": "Hello", "name": "h"});
    check_created(claim(json!({"dataSource": populator})), "/spec/dataSource", Value::Null);
    check_created(claim(json!({"dataSource": populator})), "/spec/dataSourceRef", Value::Null);
    check_created(claim(json!({"dataSourceRef": populator})), "/spec/dataSource", populator.clone());
    let claimed = json!({"kind": "PersistentVolumeClaim", "name": "a"});
    check(
        claim(json!({"dataSource": snapshot, "dataSourceRef": claimed})),
        &["spec: Invalid value: {}: must match dataSourceRef"],
    );
    check(
        claim(json!({"dataSourceRef": {"kind": "Pod", "name": ""}, "dataSource": {"kind": "Pod", "name": ""}})),
        &[
            "spec.dataSource.name: Required value",
            "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
            "spec.dataSourceRef.name: Required value",
            "spec.dataSourceRef: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
        ],
    );
}

#[test]
fn an_update_keeps_the_source_of_a_claim() {
    let populator = json!({"apiGroup": "example.com", "kind": "Hello", "name": "h"});
    let old = created(claim(json!({"dataSourceRef": populator})));
    let mut new = old.clone();
    // An old client knows nothing of the newer field.
    new["spec"].as_object_mut().unwrap().remove("dataSourceRef");
    rules(&old).prepare_update(&mut new, &old);
    assert_eq!(new["spec"], old["spec"]);
    let mut new = created(claim(json!({})));
    let old = new.clone();
    new["spec"]["dataSource"] = populator;
    rules(&old).prepare_update(&mut new, &old);
    assert_eq!(new["spec"], old["spec"], "garbage is forgotten by updates too");
}

/// Errors of an update of a bound claim of 2Gi.
#[track_caller]
fn check_bound(changes: Value, expected: &[&str]) {
    let mut old = created(claim(
        json!({"volumeName": "v", "storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}),
    ));
    old["status"] = json!({"phase": "Bound", "capacity": {"storage": "2Gi"}});
    let mut new = old.clone();
    merge(&mut new["spec"], changes);
    rules(&old).prepare_update(&mut new, &old);
    let found = texts(&rules(&old).validate_update(&new, &old));
    let heads: Vec<&str> = found.iter().map(|text| text.split('\n').next().unwrap()).collect();
    assert_eq!(heads, expected);
}

#[test]
fn a_bound_claim_grows_and_little_else() {
    const FIXED: &str = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    let size = |size: &str| json!({"resources": {"requests": {"storage": size}}});
    check_bound(size("3Gi"), &[]);
    check_bound(json!({"volumeAttributesClassName": "gold"}), &[]);
    check_bound(
        size("1Gi"),
        &["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"],
    );
    check_bound(json!({"storageClassName": "slow"}), &[FIXED]);
    check_bound(json!({"volumeName": "w"}), &[FIXED]);
    check_bound(json!({"accessModes": ["ReadWriteMany"]}), &[FIXED]);
    check_bound(json!({"volumeMode": "Block"}), &[FIXED, "volumeMode: Invalid value: \"Block\": field is immutable"]);
    // A claim that waits is given its volume, and its class, and no other size.
    check_update(claim(json!({})), json!({"spec": {"volumeName": "v", "storageClassName": "fast"}}), &[]);
    check_update(claim(json!({})), json!({"spec": size("2Gi")}), &[FIXED]);
}

#[test]
fn volumes() {
    check(volume(json!({"hostPath": {"path": "/x"}})), &[]);
    check(volume(json!({})), &["spec: Required value: must specify a volume type"]);
    check(
        volume(json!({"local": {"path": "/x"}})),
        &["spec.nodeAffinity: Required value: Local volume requires node affinity"],
    );
    check(volume(json!({"csi": {"driver": "d"}})), &["spec.csi.volumeHandle: Required value"]);
    check(
        volume(json!({"csi": {"driver": "d", "volumeHandle": "h", "nodeExpandSecretRef": {"name": "s"}}})),
        &["spec.csi.nodeExpandSecretRef.namespace: Required value"],
    );
    check(
        volume(json!({"local": {"path": "/x"}, "nodeAffinity": {}})),
        &["spec.nodeAffinity.required: Required value: must specify required node constraints"],
    );
    check(
        volume(json!({"local": {"path": "/x"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "a", "operator": "Near"}]}]}}})),
        &[
            "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: \"Near\": not a valid selector operator",
        ],
    );
    check(
        volume(json!({"hostPath": {"path": "/x"}, "capacity": {"storage": "1Gi", "cpu": "1"}, "accessModes": []})),
        &[
            "spec.accessModes: Required value",
            "spec.capacity: Unsupported value: {\"cpu\":\"1\",\"storage\":\"1Gi\"}: supported values: \"storage\"",
        ],
    );
    check(object("storage.k8s.io/v1", "StorageClass", json!({})), &["provisioner: Required value"]);
}

#[test]
fn a_volume_keeps_its_source() {
    let old = || volume(json!({"hostPath": {"path": "/x"}}));
    check_update(
        old(),
        json!({"spec": {"capacity": {"storage": "2Gi"}, "persistentVolumeReclaimPolicy": "Delete"}}),
        &[],
    );
    check_update(
        old(),
        json!({"spec": {"hostPath": {"path": "/y"}}}),
        &["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"],
    );
    check_update(
        old(),
        json!({"spec": {"volumeMode": "Block"}}),
        &["spec.volumeMode: Invalid value: \"Block\": field is immutable"],
    );
    let zone = |zone: &str| {
        json!({"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}]}})
    };
    check_update(old(), json!({"spec": {"nodeAffinity": zone("a")}}), &[]);
    let moved = errors_of_move(volume(json!({"hostPath": {"path": "/x"}, "nodeAffinity": zone("a")})), zone("b"));
    assert!(moved.ends_with("field is immutable, except for updating from beta label to GA"), "{moved}");
}

/// The errors of a volume that other nodes shall reach.
fn errors_of_move(volume: Value, affinity: Value) -> String {
    let old = created(volume);
    let mut new = old.clone();
    new["spec"]["nodeAffinity"] = affinity;
    texts(&rules(&old).validate_update(&new, &old)).concat()
}
