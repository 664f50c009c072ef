//! What is wrong with Ingresses, IngressClasses and NetworkPolicies.

use super::*;

/// Errors of an Ingress whose only path has this backend.
#[track_caller]
fn check_backend(backend: Value, expected: &[&str]) {
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    check(ingress(json!({"rules": [{"http": {"paths": [path]}}]})), expected);
}

/// Errors of an Ingress whose only path is this one.
#[track_caller]
fn check_path(path_type: &str, path: &str, expected: &[&str]) {
    let path = json!({"path": path, "pathType": path_type, "backend": service_backend()});
    let expected: Vec<String> = expected.iter().map(|text| format!("spec.rules[0].http.paths[0].{text}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(ingress(json!({"rules": [{"http": {"paths": [path]}}]})), &expected);
}

/// Errors of an Ingress with a rule for this host.
#[track_caller]
fn check_host(host: &str, expected: &[&str]) {
    check(ingress(json!({"rules": [{"host": host}]})), expected);
}

fn ingress(spec: Value) -> Value {
    object("networking.k8s.io/v1", "Ingress", json!({"spec": spec}))
}

fn service_backend() -> Value {
    json!({"service": {"name": "s", "port": {"number": 80}}})
}

#[test]
fn backends() {
    const AT: &str = "spec.rules[0].http.paths[0].backend";
    check_backend(service_backend(), &[]);
    check_backend(json!({"service": {"name": "s", "port": {"name": "http"}}}), &[]);
    check_backend(json!({"resource": {"kind": "Bucket", "name": "b", "apiGroup": "example.com"}}), &[]);
    check_backend(json!({}), &[&format!("{AT}: Invalid value: \"\": resource or service backend is required")]);
    check_backend(
        json!({"service": {"name": "s"}}),
        &[&format!("{AT}: Required value: port name or number is required")],
    );
    check_backend(
        json!({"service": {"name": "s", "port": {"name": "http", "number": 80}}}),
        &[&format!("{AT}: Invalid value: \"\": cannot set both port name & port number")],
    );
    check_backend(
        json!({"service": {"name": "s", "port": {"number": 80}}, "resource": {"kind": "a", "name": "b"}}),
        &[&format!("{AT}: Invalid value: \"\": cannot set both resource and service backends")],
    );
    check_backend(json!({"service": {"port": {"number": 80}}}), &[&format!("{AT}.service.name: Required value")]);
    check_backend(
        json!({"service": {"name": "s", "port": {"number": 65536}}}),
        &[&format!("{AT}.service.port.number: Invalid value: 65536: must be between 1 and 65535, inclusive")],
    );
    check_backend(
        json!({"service": {"name": "s", "port": {"name": "80"}}}),
        &[&format!("{AT}.service.port.name: Invalid value: \"80\": must contain at least one letter (a-z)")],
    );
    check_backend(
        json!({"resource": {"apiGroup": "Example"}}),
        &[
            &format!(
                "{AT}.resource.apiGroup: Invalid value: \"Example\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ),
            &format!("{AT}.resource.kind: Required value: kind is required"),
            &format!("{AT}.resource.name: Required value: name is required"),
        ],
    );
    check_backend(
        json!({"resource": {"kind": "a/b", "name": ".."}}),
        &[
            &format!("{AT}.resource.kind: Invalid value: \"a/b\": may not contain '/'"),
            &format!("{AT}.resource.name: Invalid value: \"..\": may not be '..'"),
        ],
    );
}

#[test]
fn a_class_is_named_once() {
    let mut both = ingress(json!({"defaultBackend": service_backend(), "ingressClassName": "nginx"}));
    both["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "nginx"});
    check(
        both.clone(),
        &[
            "annotations.kubernetes.io/ingress.class: Invalid value: \"nginx\": can not be set when the class field is also set",
        ],
    );
    // Who has both from before may go on.
    check_update(both, json!({"metadata": {"labels": {"a": "b"}}}), &[]);
}

#[test]
fn paths() {
    check_path("Exact", "/a", &[]);
    check_path("ImplementationSpecific", "", &[]);
    check_path("ImplementationSpecific", "/a/../b", &[]);
    check_path("ImplementationSpecific", "a", &["path: Invalid value: \"a\": must be an absolute path"]);
    check_path("Exact", "", &["path: Invalid value: \"\": must be an absolute path"]);
    for (path, part) in [("/a//b", "//"), ("/./a", "/./"), ("/a/../b", "/../"), ("/a%2fb", "%2f"), ("/a%2Fb", "%2F")] {
        check_path("Prefix", path, &[&format!("path: Invalid value: \"{path}\": must not contain '{part}'")]);
    }
    check_path("Prefix", "/a/..", &["path: Invalid value: \"/a/..\": cannot end with '/..'"]);
    check_path("Prefix", "/a/.", &["path: Invalid value: \"/a/.\": cannot end with '/.'"]);
    check_path(
        "Regex",
        "/",
        &[
            "pathType: Unsupported value: \"Regex\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\"",
        ],
    );
    let untyped = json!({"path": "/", "backend": {}});
    check(
        ingress(json!({"rules": [{"http": {"paths": [untyped]}}]})),
        &["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
    );
    check(ingress(json!({"rules": [{"http": {"paths": []}}]})), &["spec.rules[0].http.paths: Required value"]);
}

#[test]
fn hosts() {
    const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    check_host("", &[]);
    check_host("foo.bar.com", &[]);
    check_host("*.bar.com", &[]);
    check_host("foo.*.com", &[&format!("spec.rules[0].host: Invalid value: \"foo.*.com\": {WILDCARD}")]);
    check_host("*", &[&format!("spec.rules[0].host: Invalid value: \"*\": {WILDCARD}")]);
    check_host("10.0.0.1", &["spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"]);
    let tls = |tls: Value| ingress(json!({"defaultBackend": service_backend(), "tls": [tls]}));
    check(tls(json!({"hosts": ["*.a.com", "b.com"], "secretName": "s"})), &[]);
    check(tls(json!({"hosts": ["*.*"]})), &[&format!("spec.tls[0].hosts[0]: Invalid value: \"*.*\": {WILDCARD}")]);
    check(
        tls(json!({"secretName": "S_"})),
        &[
            "spec.tls[0].secretName: Invalid value: \"S_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
}

#[test]
fn classes() {
    let class = |spec: Value| object("networking.k8s.io/v1", "IngressClass", json!({"spec": spec}));
    check(class(json!({"controller": "example.com/c"})), &[]);
    check(class(json!({})), &["spec.controller: Required value"]);
    check(
        class(json!({"controller": "c"})),
        &["spec.controller: Invalid value: \"c\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
    );
    let with = |parameters: Value| class(json!({"controller": "example.com/c", "parameters": parameters}));
    check(with(json!({"kind": "K", "name": "n"})), &[]);
    check_created(with(json!({"kind": "K", "name": "n"})), "/spec/parameters/scope", json!("Cluster"));
    check(with(json!({"kind": "K", "name": "n", "scope": "Namespace", "namespace": "ns"})), &[]);
    check(
        with(json!({"name": "n", "scope": "Namespace"})),
        &[
            "spec.parameters.kind: Required value: kind is required",
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
        ],
    );
    check(
        with(json!({"kind": "K", "name": "n", "namespace": "ns"})),
        &["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    );
    check(
        with(json!({"kind": "K", "name": "n", "scope": "World"})),
        &["spec.parameters.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespace\""],
    );
    check_update(
        class(json!({"controller": "example.com/c"})),
        json!({"spec": {"controller": "example.com/d"}}),
        &["spec.controller: Invalid value: \"example.com/d\": field is immutable"],
    );
}

#[track_caller]
fn check_policy_port(port: Value, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|text| format!("spec.ingress[0].ports[0].{text}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let spec = json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
    check(object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": spec})), &expected);
}

#[test]
fn ports_of_policies() {
    check_policy_port(json!({"port": 80, "endPort": 90}), &[]);
    check_policy_port(json!({"port": "http", "protocol": "SCTP"}), &[]);
    check_policy_port(json!({"port": 0}), &["port: Invalid value: 0: must be between 1 and 65535, inclusive"]);
    check_policy_port(
        json!({"port": 80, "endPort": 79}),
        &["endPort: Invalid value: 79: must be greater than or equal to `port`"],
    );
    check_policy_port(
        json!({"port": "http", "endPort": 90}),
        &["endPort: Invalid value: 90: may not be specified when `port` is non-numeric"],
    );
    check_policy_port(
        json!({"endPort": 90}),
        &["endPort: Invalid value: 90: may not be specified when `port` is not specified"],
    );
    check_policy_port(
        json!({"protocol": "ICMP", "port": 1}),
        &["protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""],
    );
}

#[test]
fn peers_and_types_of_policies() {
    let policy = |spec: Value| object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": spec}));
    let peer = |peer: Value| policy(json!({"podSelector": {}, "egress": [{"to": [peer]}]}));
    check(peer(json!({"podSelector": {}, "namespaceSelector": {}})), &[]);
    check(
        peer(json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}})),
        &["spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"],
    );
    check(peer(json!({"ipBlock": {}})), &["spec.egress[0].to[0].ipBlock.cidr: Required value"]);
    check(
        peer(json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}})),
        &[
            "spec.egress[0].to[0].ipBlock.except[0]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`: 10.0.0.0/8",
        ],
    );
    check(
        policy(json!({"podSelector": {}, "policyTypes": ["Ingress", "Both"]})),
        &["spec.policyTypes[1]: Unsupported value: \"Both\": supported values: \"Egress\", \"Ingress\""],
    );
    check(
        policy(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]})),
        &[
            "spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Ingress\"]: may not specify more than two policyTypes",
        ],
    );
    check_created(policy(json!({"podSelector": {}})), "/spec/policyTypes", json!(["Ingress"]));
    check_created(
        policy(json!({"podSelector": {}, "egress": [{}]})),
        "/spec/policyTypes",
        json!(["Ingress", "Egress"]),
    );
}

/// Errors of an IPAddress with this reference.
#[track_caller]
fn check_parent(parent: Value, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|text| format!("spec.parentRef{text}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(object("networking.k8s.io/v1", "IPAddress", json!({"spec": {"parentRef": parent}})), &expected);
}

#[test]
fn ip_addresses() {
    check_parent(json!({"resource": "services", "namespace": "default", "name": "a"}), &[]);
    check_parent(json!({"group": "gateway.networking.k8s.io", "resource": "gateways", "name": "a"}), &[]);
    check_parent(json!(null), &[": Required value"]);
    check_parent(json!({}), &[".resource: Required value", ".name: Required value"]);
    check_parent(
        json!({"resource": "a/b", "name": "..", "namespace": "a%b"}),
        &[
            ".resource: Invalid value: \"a/b\": may not contain '/'",
            ".name: Invalid value: \"..\": may not be '..'",
            ".namespace: Invalid value: \"a%b\": may not contain '%'",
        ],
    );
    let address =
        object("networking.k8s.io/v1", "IPAddress", json!({"spec": {"parentRef": {"resource": "a", "name": "b"}}}));
    check_update(address.clone(), json!({"metadata": {"labels": {"a": "b"}}}), &[]);
    check_update(
        address,
        json!({"spec": {"parentRef": {"name": "c"}}}),
        &["spec.parentRef: Invalid value: {\"name\":\"c\",\"resource\":\"a\"}: field is immutable"],
    );
}

/// Errors of a ServiceCIDR with these ranges.
#[track_caller]
fn check_ranges(ranges: Value, expected: &[&str]) {
    check(object("networking.k8s.io/v1", "ServiceCIDR", json!({"spec": {"cidrs": ranges}})), expected);
}

#[test]
fn service_cidrs() {
    check_ranges(json!(["10.0.0.0/24"]), &[]);
    check_ranges(json!(["fd00::/64", "10.0.0.0/24"]), &[]);
    check_ranges(json!([]), &["spec.cidrs: Required value: at least one CIDR required"]);
    check_ranges(
        json!(["10.0.0.0/24", "10.0.1.0/24"]),
        &[
            "spec.cidrs: Invalid value: {\"cidrs\":[\"10.0.0.0/24\",\"10.0.1.0/24\"]}: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        ],
    );
    check_ranges(
        json!(["10.0.0.0/33"]),
        &[
            "spec.cidrs[0]: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ],
    );
    let four = object("networking.k8s.io/v1", "ServiceCIDR", json!({"spec": {"cidrs": ["10.0.0.0/24"]}}));
    check_update(four.clone(), json!({"spec": {"cidrs": ["10.0.0.0/24", "fd00::/64"]}}), &[]);
    check_update(
        four,
        json!({"spec": {"cidrs": ["10.0.1.0/24"]}}),
        &["spec.cidrs: Invalid value: [\"10.0.1.0/24\"]: field is immutable"],
    );
}
