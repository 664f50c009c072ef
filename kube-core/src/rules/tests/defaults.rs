//! What defaults fill in, and that filling them in twice changes nothing.

use super::*;
use crate::rules::pod::qos;

#[test]
fn a_pod_gets_the_defaults_of_kubernetes() {
    let pod = created(container(json!({"ports": [{"containerPort": 80}]})));
    assert_eq!(
        pod["spec"],
        json!({
            "containers": [{
                "name": "c", "image": "nginx", "imagePullPolicy": "Always", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
            }],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30, "enableServiceLinks": true,
        })
    );
    assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
}

#[test]
fn the_pull_policy_follows_the_tag() {
    for (image, policy) in [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.7.9", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
        ("nginx:latest@sha256:0123", "Always"),
    ] {
        check_created(container(json!({"image": image})), "/spec/containers/0/imagePullPolicy", json!(policy));
    }
}

#[test]
fn parts_of_a_pod_get_their_defaults() {
    let first = "/spec/containers/0";
    check_created(
        container(json!({"livenessProbe": {"httpGet": {"port": 80}}})),
        &format!("{first}/livenessProbe"),
        json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
               "successThreshold": 1, "failureThreshold": 3}),
    );
    check_created(
        container(json!({"readinessProbe": {"grpc": {"port": 80}, "periodSeconds": 5}})),
        &format!("{first}/readinessProbe/grpc"),
        json!({"port": 80, "service": ""}),
    );
    check_created(
        container(json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]})),
        &format!("{first}/env/0/valueFrom/fieldRef/apiVersion"),
        json!("v1"),
    );
    check_created(
        container(json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}})),
        &format!("{first}/resources/requests"),
        json!({"cpu": "500m", "memory": "1Gi"}),
    );
    check_created(pod(json!({"volumes": [{"name": "v"}]})), "/spec/volumes/0", json!({"name": "v", "emptyDir": {}}));
    check_created(
        pod(json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]})),
        "/spec/volumes/0/secret/defaultMode",
        json!(420),
    );
    check_created(
        pod(json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]})),
        "/spec/volumes/0/projected",
        json!({"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}),
    );
    check_created(pod(json!({"serviceAccount": "s"})), "/spec/serviceAccountName", json!("s"));
    let mut host = container(json!({"ports": [{"containerPort": 80}]}));
    host["spec"]["hostNetwork"] = json!(true);
    check_created(host, "/spec/containers/0/ports/0/hostPort", json!(80));
}

#[test]
fn pod_level_requests_are_those_of_the_containers_or_the_limits() {
    let mut input = container(json!({"resources": {"requests": {"cpu": "250m"}}}));
    input["spec"]["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    check_created(input, "/spec/resources/requests", json!({"cpu": "250m", "memory": "1Gi"}));
}

#[test]
fn workloads_get_their_defaults() {
    check_created(
        deployment(json!({})),
        "/spec/strategy",
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
    );
    check_created(deployment(json!({})), "/spec/progressDeadlineSeconds", json!(600));
    check_created(deployment(json!({"strategy": {"type": "Recreate"}})), "/spec/strategy", json!({"type": "Recreate"}));
    check_created(deployment(json!({})), "/spec/template/spec/enableServiceLinks", Value::Null);
    check_created(deployment(json!({})), "/spec/template/spec/restartPolicy", json!("Always"));
    check_created(deployment(json!({"replicas": 0})), "/spec/replicas", json!(0));
    check_created(workload("ReplicaSet", json!({})), "/status", json!({"replicas": 0}));
    check_created(
        workload("DaemonSet", json!({})),
        "/spec/updateStrategy",
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
    );
    check_created(
        workload("StatefulSet", json!({})),
        "/spec/updateStrategy",
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
    );
    check_created(
        workload("StatefulSet", json!({})),
        "/spec/persistentVolumeClaimRetentionPolicy",
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
    );
}

#[test]
fn a_job_gets_its_selector_from_its_uid() {
    let job = created(object(
        "batch/v1",
        "Job",
        json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
    ));
    let uid = "11111111-2222-3333-4444-555555555555";
    assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    assert_eq!(
        job["spec"]["template"]["metadata"]["labels"],
        json!({"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "a",
               "controller-uid": uid, "job-name": "a"})
    );
    for (field, value) in [
        ("parallelism", json!(1)),
        ("completions", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        assert_eq!(job["spec"][field], value, "{field}");
    }
    assert_eq!(rules(&job).validate(&job), vec![]);
}

#[test]
fn services_get_their_defaults() {
    let mut expected = json!({
        "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    });
    check_created(service(json!({})), "/spec", expected.clone());
    expected["type"] = json!("NodePort");
    expected["externalTrafficPolicy"] = json!("Cluster");
    check_created(service(json!({"type": "NodePort"})), "/spec", expected.clone());
    expected["type"] = json!("LoadBalancer");
    expected["allocateLoadBalancerNodePorts"] = json!(true);
    check_created(service(json!({"type": "LoadBalancer"})), "/spec", expected);
    check_created(
        service(json!({"sessionAffinity": "ClientIP"})),
        "/spec/sessionAffinityConfig/clientIP/timeoutSeconds",
        json!(10800),
    );
    check_created(service(json!({"clusterIP": "None"})), "/spec/clusterIPs", json!(["None"]));
}

#[test]
fn other_kinds_get_their_defaults() {
    let secret = object("v1", "Secret", json!({"stringData": {"a": "x"}, "data": {"a": "", "b": "eQ=="}}));
    check_created(secret.clone(), "/data", json!({"a": "eA==", "b": "eQ=="}));
    check_created(secret.clone(), "/stringData", Value::Null);
    check_created(secret, "/type", json!("Opaque"));
    let namespace = object("v1", "Namespace", json!({}));
    check_created(namespace.clone(), "/metadata/labels", json!({"kubernetes.io/metadata.name": "a"}));
    check_created(namespace.clone(), "/spec/finalizers", json!(["kubernetes"]));
    check_created(namespace, "/status/phase", json!("Active"));
    let node = object("v1", "Node", json!({"spec": {"podCIDR": "10.0.0.0/24"}, "status": {"capacity": {"cpu": "1"}}}));
    check_created(node.clone(), "/spec/podCIDRs", json!(["10.0.0.0/24"]));
    check_created(node, "/status/allocatable", json!({"cpu": "1"}));
    let binding = object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        json!({"roleRef": {"kind": "Role", "name": "r"},
               "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]}),
    );
    check_created(binding.clone(), "/roleRef/apiGroup", json!("rbac.authorization.k8s.io"));
    check_created(binding.clone(), "/subjects/0/apiGroup", json!("rbac.authorization.k8s.io"));
    check_created(binding, "/subjects/1/apiGroup", Value::Null);
    let slice = object("discovery.k8s.io/v1", "EndpointSlice", json!({"ports": [{"port": 80}]}));
    check_created(slice, "/ports/0", json!({"name": "", "port": 80, "protocol": "TCP"}));
    let policy =
        object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"egress": [{"ports": [{"port": 1}]}]}}));
    check_created(policy.clone(), "/spec/policyTypes", json!(["Ingress", "Egress"]));
    check_created(policy, "/spec/egress/0/ports/0/protocol", json!("TCP"));
    check_created(object("storage.k8s.io/v1", "StorageClass", json!({})), "/reclaimPolicy", json!("Delete"));
    check_created(object("v1", "PersistentVolumeClaim", json!({})), "/status/phase", json!("Pending"));
    check_created(
        object("scheduling.k8s.io/v1", "PriorityClass", json!({})),
        "/preemptionPolicy",
        json!("PreemptLowerPriority"),
    );
    let range = object("v1", "LimitRange", json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}));
    check_created(range, "/spec/limits/0/defaultRequest", json!({"cpu": "2"}));
    let autoscaler = object("autoscaling/v2", "HorizontalPodAutoscaler", json!({"spec": {"maxReplicas": 3}}));
    check_created(autoscaler, "/spec/metrics/0/resource/target/averageUtilization", json!(80));
    let definition = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        json!({"spec": {"names": {"kind": "CronTab", "plural": "crontabs"}}}),
    );
    check_created(definition, "/spec/names/listKind", json!("CronTabList"));
}

#[test]
fn filling_in_twice_changes_nothing() {
    for input in [
        pod(json!({"volumes": [{"name": "v"}], "hostNetwork": true, "serviceAccountName": "s"})),
        service(json!({"type": "LoadBalancer", "sessionAffinity": "ClientIP"})),
        deployment(json!({})),
        workload("StatefulSet", json!({"volumeClaimTemplates": [{"metadata": {"name": "d"}}]})),
        workload("DaemonSet", json!({})),
        object("v1", "Secret", json!({"stringData": {"a": "x"}})),
        object("v1", "Namespace", json!({})),
    ] {
        let once = created(input);
        let mut twice = once.clone();
        rules(&once).default(&mut twice);
        assert_eq!(once, twice);
    }
}

#[test]
fn the_class_does_not_depend_on_defaults() {
    for (resources, class) in [
        (json!({}), "BestEffort"),
        (json!({"requests": {"cpu": "1"}}), "Burstable"),
        (json!({"limits": {"cpu": "1"}}), "Burstable"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable"),
        (
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}),
            "Guaranteed",
        ),
        (json!({"limits": {"example.com/gpu": "1"}}), "BestEffort"),
    ] {
        let pod = container(json!({"resources": resources}));
        assert_eq!(qos::class(&pod["spec"]), class, "{resources}");
        assert_eq!(created(pod)["status"]["qosClass"], class);
    }
}

#[test]
fn a_gated_pod_says_so() {
    check_created(
        pod(json!({"schedulingGates": [{"name": "example.com/g"}]})),
        "/status/conditions/0/reason",
        json!("SchedulingGated"),
    );
}
