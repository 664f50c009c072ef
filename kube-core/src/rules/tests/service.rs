//! What is wrong with a Service, and what an update of one keeps and drops.

use super::*;

/// Errors of a Service whose spec has these fields, without `spec`.
#[track_caller]
fn check_spec(fields: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.{text}")).collect();
    check(service(fields), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

/// A Service as it is stored, with what the server allocated.
fn stored(fields: Value) -> Value {
    let mut allocated = json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
                               "ipFamilyPolicy": "SingleStack"});
    merge(&mut allocated, fields);
    service(allocated)
}

#[test]
fn types() {
    check_spec(json!({}), &[]);
    check_spec(
        json!({"type": "x"}),
        &[
            "type: Unsupported value: \"x\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
        ],
    );
    check_spec(json!({"ports": []}), &["ports: Required value"]);
    check_spec(json!({"ports": [], "clusterIP": "None"}), &[]);
    check_spec(
        json!({"type": "NodePort", "clusterIP": "None"}),
        &["clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    );
    check_spec(json!({"type": "ExternalName", "ports": []}), &["externalName: Required value"]);
    check_spec(json!({"type": "ExternalName", "externalName": "example.com.", "ports": []}), &[]);
    check_spec(
        json!({"type": "ExternalName", "externalName": "x.org", "ipFamilyPolicy": "SingleStack"}),
        &["ipFamilyPolicy: Forbidden: may not be set for ExternalName services"],
    );
}

#[test]
fn ports() {
    check_spec(json!({"ports": [{"port": 80}, {"port": 81, "name": "b"}]}), &["ports[0].name: Required value"]);
    check_spec(
        json!({"ports": [{"port": 0, "targetPort": 1}, {"port": 81, "name": "b", "protocol": "x"}]}),
        &[
            "ports[0].name: Required value",
            "ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "ports[1].protocol: Unsupported value: \"x\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
    );
    check_spec(
        json!({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}),
        &["ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}"],
    );
    check_spec(json!({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b", "protocol": "UDP"}]}), &[]);
    check_spec(
        json!({"ports": [{"port": 80, "nodePort": 30000}]}),
        &["ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    );
    check_spec(
        json!({"type": "NodePort", "ports": [{"port": 80, "name": "a", "nodePort": 30000}, {"port": 81, "name": "b", "nodePort": 30000}]}),
        &["ports[1].nodePort: Duplicate value: 30000"],
    );
    check_spec(
        json!({"ports": [{"port": 80, "targetPort": "Web"}]}),
        &[
            "ports[0].targetPort: Invalid value: \"Web\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ],
    );
}

#[test]
fn affinity_and_traffic() {
    check_spec(json!({"sessionAffinity": "ClientIP"}), &[]);
    check_spec(
        json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}}),
        &[
            "sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
        ],
    );
    check_spec(
        json!({"externalTrafficPolicy": "Local"}),
        &["externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"],
    );
    check_spec(
        json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}),
        &["healthCheckNodePort: Required value"],
    );
    check_spec(
        json!({"healthCheckNodePort": 1}),
        &[
            "healthCheckNodePort: Invalid value: 1: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ],
    );
    check_spec(
        json!({"internalTrafficPolicy": "x"}),
        &["internalTrafficPolicy: Unsupported value: \"x\": supported values: \"Cluster\", \"Local\""],
    );
    check_spec(
        json!({"trafficDistribution": "x"}),
        &[
            "trafficDistribution: Unsupported value: \"x\": supported values: \"PreferClose\", \"PreferSameNode\", \"PreferSameZone\"",
        ],
    );
    check_spec(
        json!({"loadBalancerClass": "a/b", "loadBalancerSourceRanges": ["x"], "allocateLoadBalancerNodePorts": true}),
        &[
            "LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "LoadBalancerSourceRanges[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            "allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ],
    );
    check_spec(
        json!({"externalIPs": ["127.0.0.1"]}),
        &["externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"],
    );
}

#[test]
fn addresses() {
    check_spec(
        json!({"clusterIP": "x"}),
        &["clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
    );
    check_spec(
        json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.2"]}),
        &["clusterIPs: Invalid value: [\"10.0.0.2\"]: first value must match `clusterIP`"],
    );
    check_spec(
        json!({"clusterIPs": ["10.0.0.2"]}),
        &["clusterIPs: Invalid value: [\"10.0.0.2\"]: must be empty when `clusterIP` is not specified"],
    );
    check_spec(
        json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "10.0.0.2"]}),
        &["clusterIPs: Invalid value: [\"10.0.0.1\",\"10.0.0.2\"]: may specify no more than one IP for each IP family"],
    );
    check_spec(json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]}), &[]);
    check_spec(
        json!({"clusterIP": "10.0.0.1", "ipFamilies": ["IPv6"]}),
        &["clusterIPs[0]: Invalid value: \"10.0.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`"],
    );
    check_spec(
        json!({"ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": "x"}),
        &[
            "ipFamilies[1]: Duplicate value: \"IPv4\"",
            "ipFamilyPolicy: Unsupported value: \"x\": supported values: \"PreferDualStack\", \"RequireDualStack\", \"SingleStack\"",
        ],
    );
}

#[test]
fn headless_and_dual_stack() {
    check_spec(
        json!({"clusterIP": "None", "clusterIPs": ["None", "10.0.0.1"]}),
        &["clusterIPs: Invalid value: [\"None\",\"10.0.0.1\"]: 'None' must be the first and only value"],
    );
    check_spec(
        json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1", "fd00::2"]}),
        &[
            "clusterIPs: Invalid value: [\"10.0.0.1\",\"fd00::1\",\"fd00::2\"]: may only hold up to 2 values",
            "clusterIPs: Invalid value: [\"10.0.0.1\",\"fd00::1\",\"fd00::2\"]: may specify no more than one IP for each IP family",
        ],
    );
    check_spec(json!({"clusterIP": "None", "ports": [{"port": 5432, "targetPort": "db"}]}), &[]);
}

#[test]
fn names_and_protocols_of_ports() {
    check_spec(
        json!({"ports": [{"port": 80, "name": "Web"}]}),
        &[
            "ports[0].name: Invalid value: \"Web\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ],
    );
    check_spec(
        json!({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}),
        &["ports[1].name: Duplicate value: \"a\""],
    );
    check_spec(json!({"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]}), &[]);
    check_spec(
        json!({"ports": [{"port": 80, "targetPort": 65536}]}),
        &["ports[0].targetPort: Invalid value: 65536: must be between 1 and 65535, inclusive"],
    );
    check_created(
        service(json!({"ports": [{"port": 80}]})),
        "/spec/ports/0",
        json!({"port": 80, "protocol": "TCP", "targetPort": 80}),
    );
}

#[test]
fn what_a_service_is_by_default() {
    for (spec, pointer, expected) in [
        (json!({}), "/spec/type", json!("ClusterIP")),
        (json!({}), "/spec/sessionAffinity", json!("None")),
        (json!({}), "/spec/internalTrafficPolicy", json!("Cluster")),
        (json!({}), "/spec/externalTrafficPolicy", Value::Null),
        (json!({"externalIPs": ["1.2.3.4"]}), "/spec/externalTrafficPolicy", json!("Cluster")),
        (json!({"type": "NodePort"}), "/spec/externalTrafficPolicy", json!("Cluster")),
        (json!({"type": "NodePort"}), "/spec/allocateLoadBalancerNodePorts", Value::Null),
        (json!({"type": "LoadBalancer"}), "/spec/allocateLoadBalancerNodePorts", json!(true)),
        (
            json!({"sessionAffinity": "ClientIP"}),
            "/spec/sessionAffinityConfig",
            json!({"clientIP": {"timeoutSeconds": 10800}}),
        ),
        (json!({"type": "ExternalName", "externalName": "x.org"}), "/spec/internalTrafficPolicy", Value::Null),
        (json!({"clusterIP": "10.0.0.1"}), "/spec/clusterIPs", json!(["10.0.0.1"])),
    ] {
        check_created(service(spec), pointer, expected);
    }
}

#[test]
fn load_balancers() {
    check_spec(json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/lb"}), &[]);
    check_update(
        stored(json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/a"})),
        json!({"spec": {"loadBalancerClass": "example.com/b"}}),
        &["spec.loadBalancerClass: Invalid value: \"example.com/b\": may not change once set"],
    );
    let local =
        || stored(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30000}));
    check_update(
        local(),
        json!({"spec": {"healthCheckNodePort": 30001}}),
        &["spec.healthCheckNodePort: Forbidden: field is immutable"],
    );
    check_update(local(), json!({"spec": {"healthCheckNodePort": null}}), &[]);
    check_update(local(), json!({"spec": {"externalTrafficPolicy": "Cluster"}}), &[]);
    let mut annotated = service(json!({}));
    annotated["metadata"]["annotations"] =
        json!({"service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, x"});
    const RANGES: &str = "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]";
    check(
        annotated,
        &[
            &format!("{RANGES}: Forbidden: may only be used when `type` is 'LoadBalancer'"),
            &format!("{RANGES}: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        ],
    );
}

#[test]
fn an_update_keeps_what_was_allocated() {
    check_update(
        stored(json!({})),
        json!({"spec": {"clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null}}),
        &[],
    );
    check_update(
        stored(json!({})),
        json!({"spec": {"clusterIP": "10.0.0.2"}}),
        &["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"],
    );
    let old = created(stored(json!({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30001}]})));
    let mut new = old.clone();
    new["spec"]["ports"] = json!([{"name": "a", "port": 81}, {"name": "b", "port": 82}]);
    let rules = rules(&old);
    rules.default(&mut new);
    rules.prepare_update(&mut new, &old);
    assert_eq!(new["spec"]["ports"][0]["nodePort"], 30001);
    assert_eq!(new["spec"]["ports"][1].get("nodePort"), None, "left to the server");
}

#[test]
fn a_change_of_type_drops_what_the_type_had() {
    let change = |from: Value, to: Value| {
        let old = created(stored(from));
        let mut new = old.clone();
        merge(&mut new["spec"], to);
        let rules = rules(&old);
        rules.default(&mut new);
        rules.prepare_update(&mut new, &old);
        assert_eq!(texts(&rules.validate_update(&new, &old)), Vec::<String>::new());
        new["spec"].clone()
    };
    let node = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]});
    let spec = change(node, json!({"type": "ClusterIP"}));
    assert_eq!(spec["ports"][0].get("nodePort"), None);
    assert_eq!(spec.get("externalTrafficPolicy"), None);
    let spec = change(json!({"type": "LoadBalancer"}), json!({"type": "ClusterIP"}));
    assert_eq!(spec.get("allocateLoadBalancerNodePorts"), None);
    let spec = change(json!({}), json!({"type": "ExternalName", "externalName": "x.org"}));
    assert_eq!((spec.get("clusterIP"), spec.get("clusterIPs"), spec.get("ipFamilies")), (None, None, None));
}

#[test]
fn a_second_address_may_come_and_go() {
    check_update(
        stored(json!({})),
        json!({"spec": {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.0.0.1", "fd00::1"]}}),
        &[],
    );
    let dual = || {
        stored(
            json!({"clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}),
        )
    };
    check_update(
        dual(),
        json!({"spec": {"clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}}),
        &[],
    );
    check_update(
        dual(),
        json!({"spec": {"clusterIPs": ["10.0.0.1"]}}),
        &[
            "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary clusterIP",
        ],
    );
}

#[test]
fn statuses() {
    let status = |kind: &str, ingress: Value| {
        let object = created(service(json!({"type": kind})));
        let mut new = object.clone();
        new["status"] = json!({"loadBalancer": {"ingress": [ingress]}});
        rules(&object).default(&mut new);
        texts(&rules(&object).validate_status_update(&new, &object))
    };
    assert_eq!(status("LoadBalancer", json!({"ip": "1.2.3.4"})), Vec::<String>::new());
    assert_eq!(
        status("ClusterIP", json!({"ip": "1.2.3.4"})),
        ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]
    );
    assert_eq!(
        status("LoadBalancer", json!({"hostname": "1.2.3.4"})),
        ["status.loadBalancer.ingress[0].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"]
    );
}
