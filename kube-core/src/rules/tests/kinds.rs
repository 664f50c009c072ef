//! What is wrong with objects of the other kinds.

use super::*;
use crate::catalog;
use crate::rules::{NameRule, certificate_signing_request};

#[test]
fn config_maps_and_secrets() {
    check(object("v1", "ConfigMap", json!({"data": {"a.b": "x"}, "binaryData": {"c": "eA=="}})), &[]);
    check(
        object("v1", "ConfigMap", json!({"data": {"a b": ""}, "binaryData": {"..": ""}})),
        &[
            "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            "binaryData[..]: Invalid value: \"..\": must not be '..'",
        ],
    );
    check(
        object("v1", "ConfigMap", json!({"data": {"a": ""}, "binaryData": {"a": ""}})),
        &["data[a]: Invalid value: \"a\": duplicate of key present in binaryData"],
    );
    let large = "x".repeat((1 << 20) + 1);
    check(
        object("v1", "ConfigMap", json!({"data": {"a": large}})),
        &["<nil>: Too long: may not be more than 1048576 bytes"],
    );
    check(object("v1", "ConfigMap", json!({"data": {"a": &large[1..]}})), &[]);
    check(
        object("v1", "Secret", json!({"stringData": {"a": large}})),
        &["data: Too long: may not be more than 1048576 bytes"],
    );
}

#[test]
fn types_of_secrets() {
    let secret = |kind: &str, data: Value| object("v1", "Secret", json!({"type": kind, "stringData": data}));
    check(secret("example.com/x", json!({})), &[]);
    check(secret("kubernetes.io/tls", json!({"tls.crt": "x"})), &["data[tls.key]: Required value"]);
    check(
        secret("kubernetes.io/basic-auth", json!({})),
        &["data[username]: Required value", "data[password]: Required value"],
    );
    check(secret("kubernetes.io/basic-auth", json!({"password": ""})), &[]);
    check(secret("kubernetes.io/ssh-auth", json!({})), &["data[ssh-privatekey]: Required value"]);
    check(
        secret("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "x"})),
        &["data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": must be a valid JSON object"],
    );
    check(secret("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "{}"})), &[]);
    check(
        secret("kubernetes.io/service-account-token", json!({})),
        &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    );
}

#[test]
fn nodes() {
    let node = |spec: Value| object("v1", "Node", json!({"spec": spec}));
    check(node(json!({"taints": [{"key": "a", "effect": "NoSchedule"}]})), &[]);
    check(
        node(json!({"taints": [{"key": "a", "effect": "x"}, {"key": "b"}]})),
        &[
            "metadata.taints[0].effect: Unsupported value: \"x\": supported values: \"NoExecute\", \"NoSchedule\", \"PreferNoSchedule\"",
            "metadata.taints[1].effect: Required value",
        ],
    );
    check(
        node(json!({"taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]})),
        &[
            "metadata.taints[1]: Duplicate value: {\"effect\":\"NoSchedule\",\"key\":\"a\"}: taints must be unique by key and effect pair",
        ],
    );
    check(
        node(json!({"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]})),
        &[
            "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no more than one CIDR for each IP family",
        ],
    );
    check(
        node(json!({"podCIDR": "10.0.0.0"})),
        &[
            "spec.podCIDRs[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ],
    );
    check(
        object("v1", "Node", json!({"status": {"capacity": {"cpu": "-1"}, "allocatable": {"cpu": "1"}}})),
        &["status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0"],
    );
}

#[test]
fn endpoints_and_slices() {
    check(
        object("v1", "Endpoints", json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]})),
        &[],
    );
    check(
        object("v1", "Endpoints", json!({"subsets": [{}, {"addresses": [{"ip": "127.0.0.1"}]}]})),
        &[
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
            "subsets[1].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ],
    );
    let slice = |fields: Value| {
        let mut slice = object("discovery.k8s.io/v1", "EndpointSlice", json!({"addressType": "IPv4", "endpoints": []}));
        merge(&mut slice, fields);
        slice
    };
    check(slice(json!({"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]})), &[]);
    check(slice(json!({"addressType": null})), &["addressType: Required value"]);
    check(
        slice(json!({"addressType": "x"})),
        &["addressType: Unsupported value: \"x\": supported values: \"FQDN\", \"IPv4\", \"IPv6\""],
    );
    check(
        slice(json!({"endpoints": [{"addresses": []}, {"addresses": ["fd00::1"]}]})),
        &[
            "endpoints[0].addresses: Required value: must contain at least 1 address",
            "endpoints[1].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address",
        ],
    );
    check(slice(json!({"ports": [{"port": 1}, {"port": 2}]})), &["ports[1].name: Duplicate value: \"\""]);
    let many = vec![json!({"addresses": ["10.0.0.1"]}); 1001];
    check(slice(json!({"endpoints": many})), &["endpoints: Too many: 1001: must have at most 1000 items"]);
}

#[test]
fn leases() {
    let lease = |spec: Value| object("coordination.k8s.io/v1", "Lease", json!({"spec": spec}));
    check(lease(json!({"holderIdentity": "h", "leaseDurationSeconds": 15})), &[]);
    check(
        lease(json!({"leaseDurationSeconds": 0, "leaseTransitions": -1})),
        &[
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
    check(
        lease(json!({"preferredHolder": "h"})),
        &["spec.preferredHolder: Forbidden: may only be specified when `strategy` is defined"],
    );
}

#[test]
fn events() {
    let core = |fields: Value| {
        let mut event = object("v1", "Event", json!({"involvedObject": {"namespace": "default"}}));
        merge(&mut event, fields);
        event
    };
    check(core(json!({})), &[]);
    check(
        core(json!({"involvedObject": {"namespace": "other"}})),
        &["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"],
    );
    let new = |fields: Value| {
        let mut event = object(
            "events.k8s.io/v1",
            "Event",
            json!({"eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "action": "A", "reason": "R",
                   "reportingController": "c", "reportingInstance": "i", "regarding": {"namespace": "default"}}),
        );
        merge(&mut event, fields);
        event
    };
    check(new(json!({})), &[]);
    check(
        new(json!({"action": null, "note": "x".repeat(1025), "type": "Odd"})),
        &[
            "action: Required value",
            "message: Invalid value: \"\": can have at most 1024 characters",
            "type: Invalid value: \"\": has invalid value: Odd",
        ],
    );
    check(
        new(json!({"series": {"count": 1}, "deprecatedCount": 1})),
        &[
            "series.count: Invalid value: \"\": should be at least 2",
            "series.lastObservedTime: Required value",
            "count: Invalid value: \"\": needs to be unset",
        ],
    );
    check(
        core(
            json!({"eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c", "reason": "R", "action": "A"}),
        ),
        &["reportingInstance: Required value"],
    );
}

#[test]
fn roles_and_bindings() {
    let rbac = |kind: &str, fields: Value| object("rbac.authorization.k8s.io/v1", kind, fields);
    let role = |rule: Value| rbac("Role", json!({"rules": [rule]}));
    check(role(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]})), &[]);
    check(
        role(json!({})),
        &[
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[0].resources: Required value: resource rules must supply at least one resource",
        ],
    );
    check(
        role(json!({"verbs": ["get"], "nonResourceURLs": ["/x"]})),
        &["rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs"],
    );
    check(rbac("ClusterRole", json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]})), &[]);
    check(
        rbac("ClusterRole", json!({"aggregationRule": {}})),
        &[
            "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
        ],
    );
    check(
        rbac("RoleBinding", json!({"roleRef": {"kind": "Pod", "name": ""}})),
        &[
            "roleRef.kind: Unsupported value: \"Pod\": supported values: \"ClusterRole\", \"Role\"",
            "roleRef.name: Required value",
        ],
    );
    let bound = |kind: &str, subject: Value| {
        rbac(kind, json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [subject]}))
    };
    check(bound("RoleBinding", json!({"kind": "ServiceAccount", "name": "s"})), &[]);
    check(
        bound("ClusterRoleBinding", json!({"kind": "ServiceAccount", "name": "s"})),
        &["subjects[0].namespace: Required value"],
    );
    check(
        bound("ClusterRoleBinding", json!({"kind": "Robot", "name": "s"})),
        &["subjects[0].kind: Unsupported value: \"Robot\": supported values: \"Group\", \"ServiceAccount\", \"User\""],
    );
}

#[test]
fn network() {
    let ingress = |spec: Value| object("networking.k8s.io/v1", "Ingress", json!({"spec": spec}));
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    check(ingress(json!({"defaultBackend": backend})), &[]);
    check(ingress(json!({})), &["spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"]);
    check(
        ingress(
            json!({"rules": [{"host": "1.2.3.4", "http": {"paths": [{"path": "x", "pathType": "Prefix", "backend": backend}]}}]}),
        ),
        &[
            "spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address",
            "spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path",
        ],
    );
    let policy = |spec: Value| object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": spec}));
    check(policy(json!({"ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}]})), &[]);
    check(
        policy(json!({"ingress": [{"from": [{}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}]})),
        &[
            "spec.ingress[0].from[0]: Required value: must specify a peer",
            "spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`: 10.0.0.0/8",
        ],
    );
}

#[test]
fn priority_classes() {
    let class = |fields: Value| object("scheduling.k8s.io/v1", "PriorityClass", fields);
    check(class(json!({"value": 1000})), &[]);
    check(
        class(json!({"value": 1_000_000_001})),
        &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    );
    check(
        class(json!({"metadata": {"name": "system-x"}, "value": 1})),
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
        ],
    );
    check(class(json!({"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000})), &[]);
}

#[test]
fn autoscalers() {
    let scaler = |spec: Value| {
        let mut scaler = object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}}),
        );
        merge(&mut scaler["spec"], spec);
        scaler
    };
    check(scaler(json!({})), &[]);
    check(
        scaler(json!({"minReplicas": 4, "scaleTargetRef": {"name": ""}})),
        &[
            "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`",
            "spec.scaleTargetRef.name: Required value",
        ],
    );
}

#[test]
fn what_is_particular_about_a_kind() {
    for (group, kind, status, generation) in [
        ("", "Pod", true, true),
        ("", "Service", true, false),
        ("", "Node", true, false),
        ("", "ConfigMap", false, false),
        ("apps", "Deployment", true, true),
        ("apps", "ControllerRevision", false, false),
        ("discovery.k8s.io", "EndpointSlice", false, true),
        ("networking.k8s.io", "NetworkPolicy", false, true),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", false, true),
        ("apiextensions.k8s.io", "CustomResourceDefinition", true, true),
        ("certificates.k8s.io", "CertificateSigningRequest", true, false),
    ] {
        let rules = of(group, kind);
        assert_eq!((rules.has_status(), rules.has_generation()), (status, generation), "{kind}");
    }
    assert_eq!(of("", "Service").name_rule(), NameRule::Rfc1035Label);
    assert_eq!(of("", "Namespace").name_rule(), NameRule::Label);
    assert_eq!(of("apps", "StatefulSet").name_rule(), NameRule::Label);
    assert_eq!(of("rbac.authorization.k8s.io", "Role").name_rule(), NameRule::PathSegment);
}

#[test]
fn kinds_have_a_status_where_they_serve_one() {
    for resource in catalog::builtin() {
        let served = resource.subresources.iter().any(|subresource| subresource.name == "status");
        assert_eq!(resource.rules.has_status(), served, "{}/{}", resource.group, resource.kind);
    }
}

#[test]
fn selectable_fields_have_the_names_that_were_announced() {
    for resource in catalog::builtin() {
        let object = json!({"apiVersion": resource.api_version(), "kind": resource.kind});
        let given: Vec<&str> = resource.rules.selectable_fields(&object).iter().map(|(name, _)| *name).collect();
        assert_eq!(given, resource.rules.selectable_field_names(), "{}", resource.kind);
    }
}

#[test]
fn certificate_signing_requests() {
    let request = |spec: Value| object("certificates.k8s.io/v1", "CertificateSigningRequest", json!({"spec": spec}));
    let pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";
    let signer = "example.com/a";
    check(
        request(json!({"request": pem, "signerName": signer, "usages": ["client auth"], "expirationSeconds": 600})),
        &[],
    );
    check(
        request(json!({"request": "eA==", "signerName": "a/b", "expirationSeconds": 599})),
        &[
            "spec.request: Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST",
            "spec.usages: Required value",
            "spec.signerName: Invalid value: \"a/b\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ],
    );
    check(
        request(json!({"request": pem, "signerName": "kubernetes.io/legacy-unknown", "usages": ["any", "any"]})),
        &[
            "spec.usages[1]: Duplicate value: \"any\"",
            "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this API version",
        ],
    );
    check(request(json!({"request": pem, "usages": ["any"]})), &["spec.signerName: Required value"]);
}

/// Errors of a change of a request's status: by its signer, and by who approves it.
#[track_caller]
fn check_request_status(before: Value, after: Value, signer: &[&str], approver: &[&str]) {
    let status = |status: Value| {
        let mut request = object("certificates.k8s.io/v1", "CertificateSigningRequest", json!({"spec": {}}));
        request["status"] = status;
        request
    };
    let (old, new) = (status(before), status(after));
    assert_eq!(texts(&rules(&old).validate_status_update(&new, &old)), signer);
    assert_eq!(texts(&certificate_signing_request::validate_approval(&new, &old)), approver);
}

#[test]
fn a_request_is_approved_or_denied_once_and_not_by_its_signer() {
    let one = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason});
    let conditions = |conditions: Value| json!({"conditions": conditions});
    let approved = conditions(json!([one("Approved", "True", "r")]));
    let added = "status.conditions: Forbidden: updates may not add a condition of type \"Approved\"";
    check_request_status(json!({}), approved.clone(), &[added], &[]);
    check_request_status(approved.clone(), approved.clone(), &[], &[]);
    let modified = "status.conditions: Forbidden: updates may not modify a condition of type \"Approved\"";
    check_request_status(approved.clone(), conditions(json!([one("Approved", "True", "other")])), &[modified], &[]);
    let removed = "status.conditions: Forbidden: updates may not remove a condition of type \"Approved\"";
    check_request_status(approved.clone(), json!({}), &[removed], &[removed]);
    let both = conditions(json!([one("Approved", "True", "r"), one("Denied", "True", "r")]));
    let exclusive =
        "status.conditions[1].type: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive";
    let denied = "status.conditions: Forbidden: updates may not add a condition of type \"Denied\"";
    check_request_status(approved, both, &[exclusive, denied], &[exclusive]);
    let odd = json!([one("Failed", "False", ""), one("Mine", "Maybe", ""), one("Mine", "", ""), one("", "True", "")]);
    let wrong = [
        "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\"",
        "status.conditions[1].status: Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \"Unknown\"",
        "status.conditions[2].status: Required value",
        "status.conditions[2].type: Duplicate value: \"Mine\"",
        "status.conditions[3].type: Required value",
    ];
    check_request_status(json!({}), conditions(odd), &wrong, &wrong);
    let fixed = "status.certificate: Forbidden: updates may not modify existing certificate content";
    check_request_status(json!({"certificate": "YQ=="}), json!({"certificate": "Yg=="}), &[fixed], &[]);
    check_request_status(json!({}), json!({"certificate": "Yg=="}), &[], &[]);
}

#[test]
fn conditions_of_a_request_have_their_times() {
    let now: jiff::Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let old = json!({"status": {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let mut new = json!({"status": {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "True"},
        {"type": "C", "status": "True", "lastUpdateTime": "2026-02-01T00:00:00Z", "lastTransitionTime": "2026-02-01T00:00:00Z"}]}});
    certificate_signing_request::fill_times(&mut new, &old, now);
    let times = |index: usize| {
        let condition = &new["status"]["conditions"][index];
        ["lastTransitionTime", "lastUpdateTime"].map(|field| condition[field].as_str().unwrap()[..7].to_owned())
    };
    assert_eq!(
        [times(0), times(1), times(2)],
        [["2026-01", "2026-05"], ["2026-05", "2026-05"], ["2026-02", "2026-02"]]
    );
}

#[test]
fn pod_groups() {
    let group =
        |policy: Value| object("scheduling.k8s.io/v1alpha2", "PodGroup", json!({"spec": {"schedulingPolicy": policy}}));
    check(group(json!({"gang": {"minCount": 3}})), &[]);
    check(group(json!({"basic": {}})), &[]);
    let path = "spec.schedulingPolicy";
    check(group(json!({})), &[&format!("{path}: Invalid value: \"\": must specify one of: `basic`, `gang`")]);
    let both = "exactly one of `basic`, `gang` is required, but multiple fields are set";
    check(
        group(json!({"basic": {}, "gang": {"minCount": 1}})),
        &[&format!("{path}: Invalid value: \"{{`basic`, `gang`}}\": {both}")],
    );
    check(group(json!({"gang": {"minCount": 0}})), &[&format!("{path}.gang.minCount: Required value")]);
    check(
        group(json!({"gang": {"minCount": -1}})),
        &[&format!("{path}.gang.minCount: Invalid value: -1: must be greater than or equal to 1")],
    );
    let mut made = group(json!({"gang": {"minCount": 3}}));
    made["spec"]["podGroupTemplateRef"] =
        json!({"workload": {"workloadName": "train", "podGroupTemplateName": "workers"}});
    check(made.clone(), &[]);
    made["spec"]["podGroupTemplateRef"] = json!({"workload": {"workloadName": "A", "podGroupTemplateName": ""}});
    let errors = crate::rules::of("scheduling.k8s.io", "PodGroup").validate(&made);
    assert_eq!(errors.len(), 2, "{errors:?}");
    let path = "spec.schedulingConstraints.topology";
    let constrained = |topology: Value| {
        let mut made = group(json!({"gang": {"minCount": 3}}));
        made["spec"]["schedulingConstraints"] = json!({"topology": topology});
        made
    };
    check(constrained(json!([{"key": "topology.kubernetes.io/rack"}])), &[]);
    check(constrained(json!([{"key": ""}])), &[&format!("{path}[0].key: Required value")]);
    check(
        constrained(json!([{"key": "rack"}, {"key": "zone"}])),
        &[&format!("{path}: Too many: 2: must have at most 1 item")],
    );
    let errors =
        crate::rules::of("scheduling.k8s.io", "PodGroup").validate(&constrained(json!([{"key": "not a label"}])));
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn workloads() {
    let workload = |templates: Value| {
        object("scheduling.k8s.io/v1alpha2", "Workload", json!({"spec": {"podGroupTemplates": templates}}))
    };
    let template = |name: &str| json!({"name": name, "schedulingPolicy": {"gang": {"minCount": 2}}});
    let path = "spec.podGroupTemplates";
    check(workload(json!([template("a"), template("b")])), &[]);
    check(workload(json!([])), &[&format!("{path}: Required value: must have at least one item")]);
    check(
        workload((0..9).map(|i| template(&format!("t{i}"))).collect()),
        &[&format!("{path}: Too many: 9: must have at most 8 items")],
    );
    check(workload(json!([template("")])), &[&format!("{path}[0].name: Required value")]);
    let twice =
        crate::rules::of("scheduling.k8s.io", "Workload").validate(&workload(json!([template("a"), template("a")])));
    assert_eq!(twice.len(), 1);
    let mut owned = workload(json!([template("a")]));
    owned["spec"]["controllerRef"] = json!({"apiGroup": "batch", "kind": "Job", "name": "train"});
    check(owned.clone(), &[]);
    owned["spec"]["controllerRef"] = json!({"kind": "a/b"});
    check(
        owned,
        &[
            "spec.controllerRef.kind: Invalid value: \"a/b\": may not contain '/'",
            "spec.controllerRef.name: Required value",
        ],
    );
}

#[test]
fn groups_and_workloads_do_not_change_and_forget_what_is_switched_off() {
    let group = |min: i64| {
        object(
            "scheduling.k8s.io/v1alpha2",
            "PodGroup",
            json!({"spec": {"priority": 5, "disruptionMode": "PodGroup", "schedulingPolicy": {"gang": {"minCount": min}}}, "status": {"conditions": []}}),
        )
    };
    let rules = of("scheduling.k8s.io", "PodGroup");
    let mut constrained = group(2);
    constrained["spec"]["schedulingConstraints"] = json!({"topology": [{"key": "rack"}]});
    assert_eq!(rules.validate_update(&constrained, &group(2)).len(), 1, "constraints do not change either");
    assert_eq!(rules.validate_update(&group(2), &group(3)).len(), 1);
    assert!(rules.validate_update(&group(2), &group(2)).is_empty());
    let mut made = group(2);
    rules.prepare_create(&mut made);
    assert_eq!((made.get("status"), made["spec"].as_object().map(|spec| spec.len())), (None, Some(1)));
    let mut again = group(2);
    rules.prepare_update(&mut again, &made);
    assert!(rules.validate_update(&again, &made).is_empty(), "what was applied can be applied again: {again}");
    let mut kept = group(2);
    rules.prepare_update(&mut kept, &group(2));
    assert_eq!(kept["spec"], group(2)["spec"], "what is stored already stays");
    let rules = of("scheduling.k8s.io", "Workload");
    let workload = |name: &str| {
        object(
            "scheduling.k8s.io/v1alpha2",
            "Workload",
            json!({"spec": {"podGroupTemplates": [{"name": name, "priority": 1, "schedulingPolicy": {"basic": {}}}]}}),
        )
    };
    assert_eq!(rules.validate_update(&workload("a"), &workload("b")).len(), 1);
    let mut made = workload("a");
    rules.prepare_create(&mut made);
    assert!(made["spec"]["podGroupTemplates"][0].get("priority").is_none());
    let mut again = workload("a");
    rules.prepare_update(&mut again, &made);
    assert!(rules.validate_update(&again, &made).is_empty(), "{again}");
}
