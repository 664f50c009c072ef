//! What authors are warned of, though it is taken.

use super::*;

/// Warnings about a new object.
#[track_caller]
fn check_warnings(input: Value, expected: &[&str]) {
    let object = created(input);
    assert_eq!(rules(&object).warnings_of_create(&object), expected);
}

/// Warnings about a pod whose spec has these fields, and about a Deployment of such pods.
#[track_caller]
fn check_spec(fields: Value, expected: &[&str]) {
    check_warnings(pod(fields.clone()), expected);
    let expected: Vec<String> = expected.iter().map(|text| format!("spec.template.{text}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check_warnings(deployment(json!({"template": {"spec": fields}})), &expected);
}

/// As [`check_spec`], for a container.
#[track_caller]
fn check_container(fields: Value, expected: &[&str]) {
    let mut container = json!({"name": "c", "image": "i"});
    merge(&mut container, fields);
    let expected: Vec<String> = expected.iter().map(|text| format!("spec.containers[0].{text}")).collect();
    check_spec(json!({"containers": [container]}), &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn names_that_hosts_cannot_have() {
    const LABEL: &str = "which can result in surprising behavior; a DNS label is recommended: [must not contain dots]";
    let named = |mut object: Value| {
        object["metadata"]["name"] = json!("a.b");
        object
    };
    check_warnings(named(pod(json!({}))), &[&format!("metadata.name: this is used in the Pod's hostname, {LABEL}")]);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    for object in [
        deployment(json!({})),
        workload("ReplicaSet", json!({})),
        object("v1", "ReplicationController", json!({"spec": {"template": template}})),
        object("batch/v1", "Job", json!({"spec": {"template": template}})),
        object(
            "batch/v1",
            "CronJob",
            json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}}),
        ),
    ] {
        let object = named(object);
        check_warnings(object.clone(), &[&format!("metadata.name: this is used in Pod names and hostnames, {LABEL}")]);
        assert_eq!(rules(&object).warnings(&created(object.clone())), Vec::<String>::new(), "an update cannot help it");
    }
    check_warnings(named(workload("DaemonSet", json!({}))), &[]);
}

#[test]
fn what_fields_have_replaced() {
    check_spec(
        json!({"nodeSelector": {"beta.kubernetes.io/os": "linux"}}),
        &["spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead"],
    );
    let zone = json!({"matchExpressions": [{"key": "failure-domain.beta.kubernetes.io/zone", "operator": "Exists"}]});
    check_spec(
        json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [zone]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": zone}]}}}),
        &[
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
        ],
    );
    check_spec(
        json!({"volumes": [{"name": "v", "gitRepo": {"repository": "r"}}, {"name": "w", "glusterfs": {"endpoints": "e", "path": "p"}}]}),
        &[
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
            "spec.volumes[1].glusterfs: deprecated in v1.25, non-functional in v1.26+",
        ],
    );
}

#[test]
fn annotations_that_fields_have_replaced() {
    const ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/c";
    const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/c";
    let annotations = json!({ARMOR: "runtime/default", SECCOMP: "runtime/default",
                             "seccomp.security.alpha.kubernetes.io/pod": "runtime/default"});
    let seccomp = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
    let mut input = pod(json!({}));
    input["metadata"]["annotations"] = annotations.clone();
    check_warnings(
        input,
        &[
            &format!("metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: {seccomp}"),
            &format!("metadata.annotations[{SECCOMP}]: {seccomp}"),
        ],
    );
    let template =
        |spec: Value| deployment(json!({"template": {"metadata": {"annotations": annotations}, "spec": spec}}));
    let pod_level = format!("spec.template.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: {seccomp}");
    let of_container = format!("spec.template.metadata.annotations[{SECCOMP}]: {seccomp}");
    check_warnings(
        template(json!({})),
        &[
            &pod_level,
            &of_container,
            &format!(
                "spec.template.metadata.annotations[{ARMOR}]: deprecated since v1.30; use the \"appArmorProfile\" field instead"
            ),
        ],
    );
    let given = json!({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}});
    check_warnings(template(given), &[&pod_level, &of_container]);
}

#[test]
fn selectors_that_match_nothing() {
    const NOTHING: &str = "labelSelector: a null labelSelector results in matching no pod";
    let all = json!({"topologyKey": "z", "labelSelector": {}});
    let none = json!({"topologyKey": "z"});
    let terms = json!({
        "requiredDuringSchedulingIgnoredDuringExecution": [all, none],
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": all}, {"weight": 1, "podAffinityTerm": none}],
    });
    let (required, preferred) = (
        "requiredDuringSchedulingIgnoredDuringExecution[1]",
        "preferredDuringSchedulingIgnoredDuringExecution[1].podAffinityTerm",
    );
    check_spec(
        json!({"affinity": {"podAffinity": terms, "podAntiAffinity": terms}}),
        &[
            &format!("spec.affinity.podAffinity.{required}.{NOTHING}"),
            &format!("spec.affinity.podAffinity.{preferred}.{NOTHING}"),
            &format!("spec.affinity.podAntiAffinity.{required}.{NOTHING}"),
            &format!("spec.affinity.podAntiAffinity.{preferred}.{NOTHING}"),
        ],
    );
    let spread = json!({"maxSkew": 1, "topologyKey": "beta.kubernetes.io/arch", "whenUnsatisfiable": "ScheduleAnyway"});
    check_spec(
        json!({"topologySpreadConstraints": [spread]}),
        &[
            "spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/arch is deprecated since v1.14; use \"kubernetes.io/arch\" instead",
            &format!("spec.topologySpreadConstraints[0].{NOTHING}"),
        ],
    );
}

#[test]
fn environment() {
    let twice = |second: Value| json!({"env": [{"name": "A", "value": "1"}, second]});
    let hides = "env[1]: hides previous definition of \"A\", which may be dropped when using apply";
    check_container(twice(json!({"name": "A", "value": "2"})), &[hides]);
    check_container(twice(json!({"name": "A", "value": "$(A)"})), &[hides]);
    check_container(twice(json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})), &[hides]);
    check_container(twice(json!({"name": "A", "value": "$(A)2"})), &[]);
}

#[test]
fn half_a_byte() {
    check_container(
        json!({"resources": {"requests": {"memory": "100m", "cpu": "100m", "ephemeral-storage": "1"}, "limits": {"ephemeral-storage": "1500m"}}}),
        &[
            "resources.limits[ephemeral-storage]: fractional byte value \"1500m\" is invalid, must be an integer",
            "resources.requests[memory]: fractional byte value \"100m\" is invalid, must be an integer",
        ],
    );
    check_spec(
        json!({"overhead": {"memory": "1m"}}),
        &["spec.overhead[memory]: fractional byte value \"1m\" is invalid, must be an integer"],
    );
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500m"}}});
    let fraction = "resources.requests[storage]: fractional byte value \"1500m\" is invalid, must be an integer";
    check_spec(
        json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}]}),
        &[&format!("spec.volumes[0].ephemeral.volumeClaimTemplate.spec.{fraction}")],
    );
    check_warnings(object("v1", "PersistentVolumeClaim", json!({"spec": claim})), &[&format!("spec.{fraction}")]);
    check_warnings(
        workload("StatefulSet", json!({"volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": claim}]})),
        &[&format!("spec.volumeClaimTemplates[0].{fraction}")],
    );
}

/// Warnings about a pod whose only container has these ports, without the container's path.
#[track_caller]
fn check_ports(first: Value, second: Value, expected: Option<&str>) {
    let how = expected
        .map(|how| format!("spec.containers[0].ports[1]: {how} port definition with spec.containers[0].ports[0]"));
    check_warnings(container(json!({"ports": [first, second]})), &how.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn ports_that_overlap() {
    let plain = json!({"containerPort": 80});
    let on_host = |ip: &str, port: u16| json!({"containerPort": 80, "hostIP": ip, "hostPort": port});
    check_ports(plain.clone(), plain.clone(), Some("duplicate"));
    check_ports(plain.clone(), json!({"containerPort": 80, "protocol": "UDP"}), None);
    check_ports(plain, on_host("", 8080), Some("overlapping"));
    check_ports(on_host("", 8080), on_host("10.0.0.1", 8080), Some("dangerously ambiguous"));
    check_ports(on_host("10.0.0.2", 8080), on_host("10.0.0.1", 8080), None);
    check_ports(on_host("", 8080), on_host("", 8081), None);
}

#[test]
fn what_the_spec_says_twice_or_in_vain() {
    check_spec(
        json!({"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {"name": ""}]}),
        &[
            "spec.imagePullSecrets[1].name: duplicate name \"a\"",
            "spec.imagePullSecrets[2].name: invalid empty name \"\"",
        ],
    );
    check_spec(
        json!({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}, {"ip": "10.0.0.1", "hostnames": ["b"]}]}),
        &["spec.hostAliases[1].ip: duplicate ip \"10.0.0.1\""],
    );
    check_spec(
        json!({"terminationGracePeriodSeconds": -1}),
        &["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
    );
}

#[test]
fn services() {
    check_warnings(service(json!({"clusterIP": "None"})), &[]);
    check_warnings(
        service(
            json!({"clusterIP": "None", "loadBalancerIP": "1.2.3.4", "externalIPs": ["1.2.3.4"], "sessionAffinity": "ClientIP"}),
        ),
        &[
            "spec.loadBalancerIP is ignored for headless services",
            "spec.externalIPs is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services",
        ],
    );
    check_warnings(
        service(json!({"type": "ExternalName", "externalName": "x.org", "externalIPs": ["1.2.3.4"]})),
        &["spec.externalIPs is ignored when spec.type is \"ExternalName\""],
    );
    check_warnings(
        service(json!({"externalName": "x.org", "trafficDistribution": "PreferClose"})),
        &[
            "spec.externalName is ignored when spec.type is not \"ExternalName\"",
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        ],
    );
    let mut hints = service(json!({}));
    hints["metadata"]["annotations"] = json!({"service.kubernetes.io/topology-aware-hints": "auto"});
    check_warnings(
        hints,
        &[
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead",
        ],
    );
}

#[test]
fn addresses_that_are_read_in_two_ways() {
    const RANGE: &str =
        "CIDR value \"10.0.0.8/24\" is ambiguous in this context (should be \"10.0.0.0/24\" or \"10.0.0.8/32\"?)";
    const ADDRESS: &str = "non-standard IP address \"10.0.0.08\" will be considered invalid in a future Kubernetes release: use \"10.0.0.8\"";
    check_warnings(
        service(json!({"type": "LoadBalancer", "clusterIP": "10.0.0.08", "externalIPs": ["10.0.0.08"],
                       "loadBalancerIP": "10.0.0.08", "loadBalancerSourceRanges": ["10.0.0.8/24"]})),
        &[
            &format!("spec.clusterIPs[0]: {ADDRESS}"),
            &format!("spec.externalIPs[0]: {ADDRESS}"),
            &format!("spec.loadBalancerIP: {ADDRESS}"),
            &format!("spec.loadBalancerSourceRanges[0]: {RANGE}"),
        ],
    );
    check_spec(
        json!({"dnsConfig": {"nameservers": ["10.0.0.08"]}, "hostAliases": [{"ip": "10.0.0.08"}]}),
        &[&format!("spec.dnsConfig.nameservers[0]: {ADDRESS}"), &format!("spec.hostAliases[0].ip: {ADDRESS}")],
    );
    let block = json!({"ipBlock": {"cidr": "10.0.0.8/24", "except": ["10.0.0.8/24"]}});
    check_warnings(
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"ingress": [{"from": [block]}], "egress": [{"to": [{}, block]}]}}),
        ),
        &[
            &format!("spec.ingress[0].from[0].ipBlock.cidr: {RANGE}"),
            &format!("spec.ingress[0].from[0].ipBlock.except[0]: {RANGE}"),
            &format!("spec.egress[0].to[1].ipBlock.cidr: {RANGE}"),
            &format!("spec.egress[0].to[1].ipBlock.except[0]: {RANGE}"),
        ],
    );
}

#[test]
fn the_annotation_that_ingress_classes_have_replaced() {
    let mut ingress = object(
        "networking.k8s.io/v1",
        "Ingress",
        json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}}),
    );
    check_warnings(ingress.clone(), &[]);
    ingress["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "nginx"});
    check_warnings(
        ingress.clone(),
        &["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"],
    );
    assert_eq!(rules(&ingress).warnings(&ingress), Vec::<String>::new(), "an update is not warned of it");
}

#[test]
fn volumes() {
    let mut volume = object(
        "v1",
        "PersistentVolume",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"},
                        "persistentVolumeReclaimPolicy": "Recycle",
                        "nodeAffinity": {"required": {"nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "Exists"}]}]}}}}),
    );
    volume["metadata"]["annotations"] =
        json!({"volume.beta.kubernetes.io/storage-class": "a", "volume.beta.kubernetes.io/mount-options": "ro"});
    check_warnings(
        volume,
        &[
            "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead",
            "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use \"mountOptions\" attribute instead",
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.",
            "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
        ],
    );
}

#[test]
fn jobs_with_more_indexes_than_can_be_told() {
    let spec = json!({"completionMode": "Indexed", "completions": 100_001, "parallelism": 10_001,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}});
    const MANY: &str = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail";
    check_warnings(object("batch/v1", "Job", json!({"spec": spec})), &[&format!("spec: {MANY}")]);
    check_warnings(
        object("batch/v1", "CronJob", json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}})),
        &[&format!("spec.jobTemplate.spec: {MANY}")],
    );
}
