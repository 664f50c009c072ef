//! What is wrong with how a pod's containers run, are asked and are resized, and where a pod may go.

use super::pod::{check_container, check_spec};
use super::*;
use crate::rules::pod::subresources;

#[test]
fn requests_of_probes() {
    let get = |fields: Value| {
        let mut http = json!({"port": 80});
        merge(&mut http, fields);
        json!({"readinessProbe": {"httpGet": http}})
    };
    check_container(get(json!({"httpHeaders": [{"name": "X-Custom", "value": "a"}]})), &[]);
    check_container(
        get(json!({"httpHeaders": [{"name": "X Custom", "value": "a"}], "scheme": "FTP", "port": 0})),
        &[
            "readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "readinessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \"HTTP\", \"HTTPS\"",
            "readinessProbe.httpGet.httpHeaders: Invalid value: \"X Custom\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
        ],
    );
    check_container(
        json!({"startupProbe": {"tcpSocket": {"port": "Http"}}}),
        &[
            "startupProbe.tcpSocket.port: Invalid value: \"Http\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ],
    );
    check_container(
        json!({"readinessProbe": {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 0}}),
        &[
            "readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
            "readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must not be set for readinessProbes",
        ],
    );
}

#[test]
fn hooks() {
    let hook = |hook: Value| json!({"lifecycle": {"preStop": hook}});
    check_container(hook(json!({"sleep": {"seconds": 5}})), &[]);
    check_container(
        hook(json!({"sleep": {"seconds": 31}})),
        &[
            "lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
        ],
    );
    check_container(hook(json!({})), &["lifecycle.preStop: Required value: must specify a handler type"]);
}

#[test]
fn resize_policies() {
    let policy = |resource: &str, restart: &str| json!({"resourceName": resource, "restartPolicy": restart});
    check_container(json!({"resizePolicy": [policy("cpu", "NotRequired"), policy("memory", "RestartContainer")]}), &[]);
    check_container(
        json!({"resizePolicy": [policy("cpu", "NotRequired"), policy("cpu", "NotRequired")]}),
        &["resizePolicy[1]: Duplicate value: \"cpu\""],
    );
    check_container(
        json!({"resizePolicy": [policy("disk", "Always")]}),
        &[
            "resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"",
            "resizePolicy: Unsupported value: \"Always\": supported values: \"NotRequired\", \"RestartContainer\"",
        ],
    );
    let mut never = container(json!({"resizePolicy": [policy("memory", "RestartContainer")]}));
    never["spec"]["restartPolicy"] = json!("Never");
    check(
        never,
        &[
            "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'",
        ],
    );
}

#[test]
fn restart_rules_of_containers() {
    let rules = |policy: &str, rules: Value| {
        let mut fields = json!({"restartPolicyRules": rules});
        if !policy.is_empty() {
            fields["restartPolicy"] = json!(policy);
        }
        fields
    };
    let restart = json!({"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}});
    check_container(rules("Never", json!([restart])), &[]);
    check_container(
        rules("", json!([restart])),
        &["restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
    );
    check_container(
        rules("Never", json!([{"action": "Stop"}, {"action": "Restart", "exitCodes": {"operator": "Is"}}])),
        &[
            "restartPolicyRules[0].action: Unsupported value: \"Stop\": supported values: \"Restart\", \"RestartAllContainers\"",
            "restartPolicyRules[0].exitCodes: Required value: must be specified",
            "restartPolicyRules[1].exitCodes.operator: Unsupported value: \"Is\": supported values: \"In\", \"NotIn\"",
        ],
    );
}

#[test]
fn huge_pages_and_devices() {
    let limits = |limits: Value| json!({"resources": {"limits": limits}});
    check_container(limits(json!({"hugepages-2Mi": "4Mi", "memory": "1Gi"})), &[]);
    check_container(
        json!({"resources": {"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "1"}}}),
        &["resources.requests: Invalid value: \"1\": must be equal to example.com/gpu limit of 2"],
    );
    check_spec(
        json!({"resources": {"claims": [{"name": "x"}], "limits": {"cpu": "1"}}}),
        &["resources.claims: Forbidden: claims cannot be set for Resources at pod-level"],
    );
}

#[test]
fn selectors_of_nodes() {
    const TERMS: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let terms = |terms: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
    let expression = |expression: Value| terms(json!([{"matchExpressions": [expression]}]));
    let field = |field: Value| terms(json!([{"matchFields": [field]}]));
    check_spec(field(json!({"key": "metadata.name", "operator": "In", "values": ["n"]})), &[]);
    check_spec(terms(json!([])), &[&format!("{TERMS}: Required value: must have at least one node selector term")]);
    check_spec(
        expression(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
        &[&format!(
            "{TERMS}[0].matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        )],
    );
    check_spec(
        expression(json!({"key": "a", "operator": "Gt", "values": ["1", "2"]})),
        &[&format!(
            "{TERMS}[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'"
        )],
    );
    check_spec(
        field(json!({"key": "spec.x", "operator": "In", "values": ["a", "b"]})),
        &[
            &format!(
                "{TERMS}[0].matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            ),
            &format!("{TERMS}[0].matchFields[0].key: Invalid value: \"spec.x\": not a valid field selector key"),
        ],
    );
}

#[test]
fn a_gated_pod_is_only_narrowed_down() {
    let terms = |values: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": values}}}});
    let one = json!({"key": "a", "operator": "In", "values": ["1"]});
    let two = json!({"key": "b", "operator": "Exists"});
    let mut gated = pod(terms(json!([{"matchExpressions": [one]}])));
    gated["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    let narrowed = terms(json!([{"matchExpressions": [one, two]}]));
    check_update(gated.clone(), json!({"spec": narrowed}), &[]);
    const TERMS: &str = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let wider = json!([{"matchExpressions": [one]}, {"matchExpressions": [two]}]);
    check_update(
        gated.clone(),
        json!({"spec": terms(wider.clone())}),
        &[&format!(
            "{TERMS}: Invalid value: {wider}: no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        )],
    );
    let other = json!([{"matchExpressions": [two]}]);
    check_update(
        gated,
        json!({"spec": terms(other.clone())}),
        &[&format!("{TERMS}[0]: Invalid value: {}: only additions are allowed (no mutations or deletions)", other[0])],
    );
}

/// Errors of a resize of a pod whose container has these resources.
#[track_caller]
fn check_resize(old: Value, new: Value, expected: &[&str]) {
    let old = created(container(json!({"resources": old})));
    let mut changed = old.clone();
    changed["spec"]["containers"][0]["resources"] = new;
    subresources::prepare_resize(&mut changed, &old);
    assert_eq!(texts(&subresources::validate_resize(&changed, &old)), expected);
}

#[test]
fn resizes() {
    let guaranteed =
        |cpu: &str| json!({"limits": {"cpu": cpu, "memory": "1Gi"}, "requests": {"cpu": cpu, "memory": "1Gi"}});
    check_resize(guaranteed("1"), guaranteed("2"), &[]);
    check_resize(
        guaranteed("1"),
        json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}),
        &["spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing"],
    );
    let mut mirror = created(pod(json!({})));
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    assert_eq!(
        texts(&subresources::validate_resize(&mirror, &mirror)),
        ["<nil>: Forbidden: static pods cannot be resized"]
    );
    assert_eq!(
        texts(&subresources::validate_ephemeral_containers(&mirror, &mirror)),
        ["<nil>: Forbidden: static pods do not support ephemeral containers"]
    );
}

#[test]
fn names_of_resolvers() {
    let search = |index: usize, name: &str| {
        format!(
            "dnsConfig.searches[{index}]: Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
        )
    };
    check_spec(
        json!({"dnsPolicy": "None", "dnsConfig": {"searches": ["a.b"]}}),
        &["dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"],
    );
    check_spec(json!({"dnsConfig": {"searches": ["_sip._tcp.a", ".", "a.b."]}}), &[]);
    check_spec(json!({"dnsConfig": {"searches": ["A.b", "a_.b"]}}), &[&search(0, "A.b"), &search(1, "a_.b")]);
    check_spec(
        json!({"dnsConfig": {"options": [{"value": "2"}]}}),
        &["dnsConfig.options[0]: Required value: must not be empty"],
    );
    let many: Vec<String> = (0..33).map(|i| format!("s{i}.a")).collect();
    check_spec(
        json!({"dnsConfig": {"searches": many}}),
        &[&format!("dnsConfig.searches: Invalid value: {}: must not have more than 32 search paths", json!(many))],
    );
}

#[test]
fn claims_of_devices() {
    let claim = |claim: Value| json!({"resourceClaims": [claim]});
    check_spec(claim(json!({"name": "gpu", "resourceClaimTemplateName": "t"})), &[]);
    check_spec(
        claim(json!({"name": "gpu"})),
        &[
            "resourceClaims[0]: Invalid value: {\"name\":\"gpu\"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
        ],
    );
    check_spec(
        claim(json!({"name": "gpu", "resourceClaimName": "c", "resourceClaimTemplateName": "t"})),
        &[
            "resourceClaims[0]: Invalid value: {\"name\":\"gpu\",\"resourceClaimName\":\"c\",\"resourceClaimTemplateName\":\"t\"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
        ],
    );
}
