//! What is wrong with a pod's volumes, mounts and devices, beyond what every pod has.

use super::pod::{check_container, check_spec};
use super::*;

/// Errors of a pod with one volume of this source, without the volume's path.
#[track_caller]
fn check_volume(source: Value, expected: &[&str]) {
    let mut volume = json!({"name": "v"});
    merge(&mut volume, source);
    let full: Vec<String> = expected.iter().map(|text| format!("volumes[0].{text}")).collect();
    check_spec(json!({"volumes": [volume]}), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn sources_of_the_node() {
    check_volume(
        json!({"emptyDir": {"sizeLimit": "-1"}}),
        &["emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
    );
    check_volume(json!({"hostPath": {"path": ""}}), &["hostPath.path: Required value"]);
    check_volume(
        json!({"gitRepo": {"repository": "", "directory": "/x"}}),
        &["gitRepo.repository: Required value", "gitRepo.directory: Invalid value: \"/x\": must be a relative path"],
    );
}

#[test]
fn files_of_configuration() {
    check_volume(
        json!({"configMap": {"name": "c", "items": [{"key": "", "path": ""}, {"key": "k", "path": "..x", "mode": 4096}]}}),
        &[
            "configMap.items[0].key: Required value",
            "configMap.items[0].path: Required value",
            "configMap.items[1].path: Invalid value: \"..x\": must not start with '..'",
            "configMap.items[1].mode: Invalid value: 4096: must be a number between 0 and 0777 (octal), both inclusive",
        ],
    );
    check_volume(
        json!({"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"},
                                          "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}]}}),
        &[
            "downwardAPI: Invalid value: \"resource\": fieldRef and resourceFieldRef can not be specified simultaneously",
        ],
    );
    check_volume(
        json!({"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "status.podIP"}}]}}),
        &[
            "downwardAPI.fieldRef.fieldPath: Unsupported value: \"status.podIP\": supported values: \"metadata.annotations\", \"metadata.labels\", \"metadata.name\", \"metadata.namespace\", \"metadata.uid\"",
        ],
    );
    check_volume(
        json!({"downwardAPI": {"items": [{"path": "p", "resourceFieldRef": {"resource": "limits.cpu"}}]}}),
        &["downwardAPI.resourceFieldRef.containerName: Required value"],
    );
}

#[test]
fn projections() {
    let projected = |source: Value| json!({"serviceAccountName": "s", "volumes": [{"name": "v", "projected": {"sources": [source]}}]});
    let at = "volumes[0].projected.sources[0]";
    check_spec(projected(json!({"clusterTrustBundle": {"name": "b", "path": "ca.crt"}})), &[]);
    check_spec(
        projected(json!({"clusterTrustBundle": {"path": "ca.crt"}})),
        &[&format!("{at}.clusterTrustBundle: Required value: either name or signerName must be specified")],
    );
    check_spec(
        projected(json!({"clusterTrustBundle": {"name": "b", "signerName": "s", "path": "ca.crt"}})),
        &[&format!(
            "{at}.clusterTrustBundle: Invalid value: {{\"name\":\"b\",\"path\":\"ca.crt\",\"signerName\":\"s\"}}: only one of name and signerName may be used"
        )],
    );
    check_spec(
        projected(json!({"serviceAccountToken": {"path": "t", "expirationSeconds": 4_294_967_297_i64}})),
        &[&format!(
            "{at}.serviceAccountToken.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"
        )],
    );
}

#[test]
fn claims_of_ephemeral_volumes() {
    let claim = json!({"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}});
    check_spec(json!({"volumes": [{"name": "v", "ephemeral": claim}]}), &[]);
    check_spec(
        json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}]}),
        &["volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value"],
    );
    check_spec(
        json!({"volumes": [{"name": "v", "ephemeral": claim}, {"name": "w", "persistentVolumeClaim": {"claimName": "a-v"}}]}),
        &[
            "volumes[1].persistentVolumeClaim.claimName: Invalid value: \"a-v\": must not reference a PVC that gets created for an ephemeral volume",
        ],
    );
}

#[test]
fn sources_of_the_network() {
    check_volume(
        json!({"nfs": {"server": "", "path": ""}}),
        &[
            "nfs.server: Required value",
            "nfs.path: Required value",
            "nfs.path: Invalid value: \"\": must be an absolute path",
        ],
    );
    check_volume(
        json!({"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256, "chapAuthSession": true}}),
        &[
            "iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa",
            "iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
            "iscsi.secretRef: Required value",
        ],
    );
    check_volume(
        json!({"awsElasticBlockStore": {"volumeID": "v", "partition": 256}}),
        &["awsElasticBlockStore.partition: Invalid value: 256: must be between 1 and 255, inclusive"],
    );
    check_volume(
        json!({"fc": {"lun": 1}}),
        &["fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"],
    );
    check_volume(
        json!({"fc": {"targetWWNs": ["a"]}}),
        &["fc.lun: Required value: lun is required if targetWWNs is specified"],
    );
    check_volume(
        json!({"flexVolume": {"driver": "a/b", "options": {"kubernetes.io/x": "y"}}}),
        &[
            "flexVolume.options[kubernetes.io/x]: Invalid value: \"kubernetes.io/x\": kubernetes.io and k8s.io namespaces are reserved",
        ],
    );
}

/// Errors of a container with these mounts and devices of the volume `v`, an ephemeral one.
#[track_caller]
fn check_mounts(mounts: Value, devices: Value, expected: &[&str]) {
    let claim = json!({"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}});
    let full: Vec<String> = expected.iter().map(|text| format!("containers[0].{text}")).collect();
    check_spec(
        json!({"volumes": [{"name": "v", "ephemeral": claim}],
               "containers": [{"name": "c", "image": "i", "volumeMounts": mounts, "volumeDevices": devices}]}),
        &full.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn mounts_and_devices() {
    let device = || json!([{"name": "v", "devicePath": "/dev/x"}]);
    check_mounts(json!([]), device(), &[]);
    check_mounts(
        json!([{"name": "v", "mountPath": "/a"}]),
        device(),
        &[
            "volumeMounts[0].name: Invalid value: \"v\": must not already exist in volumeDevices",
            "volumeDevices[0].name: Invalid value: \"v\": must not already exist in volumeMounts",
        ],
    );
    check_mounts(
        json!([]),
        json!([{"name": "v", "devicePath": "/dev/../x"}]),
        &["volumeDevices[0].devicePath: Invalid value: \"/dev/../x\": can not contain backsteps ('..')"],
    );
    check_mounts(
        json!([]),
        json!([{"name": "v", "devicePath": "/dev/x"}, {"name": "v", "devicePath": "/dev/x"}]),
        &[
            "volumeDevices[1].name: Invalid value: \"v\": must be unique",
            "volumeDevices[1].devicePath: Invalid value: \"/dev/x\": must be unique",
        ],
    );
    check_mounts(
        json!([{"name": "v", "mountPath": "/a", "subPath": "x", "subPathExpr": "$(A)"}]),
        json!([]),
        &["volumeMounts[0].subPathExpr: Invalid value: \"$(A)\": subPathExpr and subPath are mutually exclusive"],
    );
    check_mounts(
        json!([{"name": "v", "mountPath": "/a", "readOnly": true, "recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer"}]),
        json!([]),
        &[
            "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
        ],
    );
}

#[test]
fn variables_with_two_sources() {
    let two = json!({"secretKeyRef": {"name": "s", "key": "k"}, "fieldRef": {"fieldPath": "metadata.name"}});
    check_container(
        json!({"env": [{"name": "A", "valueFrom": two}]}),
        &["env[0].valueFrom: Invalid value: \"\": may not have more than one field specified at a time"],
    );
    check_container(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x['y']"}}}]}),
        &[
            "env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x['y']\": error converting fieldPath: field label does not support subscript: spec.x['y']",
        ],
    );
    check_container(
        json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.disk"}}}]}),
        &[
            "env[0].valueFrom.resourceFieldRef.resource: Unsupported value: \"limits.disk\": supported values: \"limits.cpu\", \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", \"requests.ephemeral-storage\", \"requests.memory\"",
        ],
    );
    check_container(
        json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "3"}}}]}),
        &[
            "env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.memory\": only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource",
        ],
    );
}
