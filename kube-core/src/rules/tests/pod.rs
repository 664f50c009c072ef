//! What is wrong with a pod.

use super::*;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(super) const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// Errors of a pod whose container has these fields, without the container's path.
#[track_caller]
pub(super) fn check_container(fields: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.containers[0].{text}")).collect();
    check(container(fields), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Errors of a pod whose spec has these fields, without `spec`.
#[track_caller]
pub(super) fn check_spec(fields: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.{text}")).collect();
    check(pod(fields), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Errors of a pod with one volume of this source, without the volume's path.
#[track_caller]
fn check_volume(source: Value, expected: &[&str]) {
    let mut volume = json!({"name": "v"});
    merge(&mut volume, source);
    let full: Vec<String> = expected.iter().map(|text| format!("spec.volumes[0]{text}")).collect();
    check(pod(json!({"volumes": [volume]})), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_plain_pod_is_valid() {
    check(pod(json!({})), &[]);
    check(pod(json!({"containers": []})), &["spec.containers: Required value"]);
}

#[test]
fn names_and_images() {
    check_container(json!({"name": "B_d"}), &[&format!("name: Invalid value: \"B_d\": {LABEL}")]);
    check_container(json!({"name": "a.b"}), &["name: Invalid value: \"a.b\": must not contain dots"]);
    check_container(
        json!({"name": "a".repeat(64)}),
        &[&format!("name: Invalid value: \"{}\": must be no more than 63 bytes", "a".repeat(64))],
    );
    check_container(json!({"name": "", "image": ""}), &["name: Required value", "image: Required value"]);
    check_container(
        json!({"image": " nginx"}),
        &["image: Invalid value: \" nginx\": must not have leading or trailing whitespace"],
    );
    check_container(
        json!({"imagePullPolicy": "Sometimes"}),
        &[
            "imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ],
    );
    check_container(
        json!({"terminationMessagePolicy": "x"}),
        &["terminationMessagePolicy: Unsupported value: \"x\": supported values: \"FallbackToLogsOnError\", \"File\""],
    );
    check_spec(
        json!({"containers": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]}),
        &["containers[1].name: Duplicate value: \"a\""],
    );
}

#[test]
fn ports() {
    check_container(
        json!({"ports": [{"containerPort": 0}, {"containerPort": 70000}, {"containerPort": 80, "hostPort": -1}]}),
        &[
            "ports[0].containerPort: Required value",
            "ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "ports[2].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive",
        ],
    );
    check_container(
        json!({"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]}),
        &["ports[1].name: Duplicate value: \"a\""],
    );
    check_container(
        json!({"ports": [{"containerPort": 80, "name": "80"}]}),
        &["ports[0].name: Invalid value: \"80\": must contain at least one letter (a-z)"],
    );
    check_container(
        json!({"ports": [{"containerPort": 80, "protocol": "HTTP"}]}),
        &["ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\""],
    );
    check_container(
        json!({"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]}),
        &["ports[1].hostPort: Duplicate value: \"TCP//80\""],
    );
    let mut host = container(json!({"ports": [{"containerPort": 80, "hostPort": 81}]}));
    host["spec"]["hostNetwork"] = json!(true);
    check(
        host,
        &[
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true",
        ],
    );
}

#[test]
fn environment() {
    check_container(
        json!({"env": [{"name": ""}, {"name": "a=b"}]}),
        &[
            "env[0].name: Required value",
            "env[1].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='",
        ],
    );
    let from = |source: Value| json!({"env": [{"name": "A", "valueFrom": source}]});
    check_container(
        from(json!({})),
        &[
            "env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        ],
    );
    check_container(
        from(json!({"configMapKeyRef": {"name": "c", "key": ""}})),
        &["env[0].valueFrom.configMapKeyRef.key: Required value"],
    );
    check_container(
        from(json!({"fieldRef": {"fieldPath": "status.phase"}})),
        &[
            "env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"",
        ],
    );
    check_container(
        from(json!({"fieldRef": {"fieldPath": "spec.x"}})),
        &[
            "env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x\": error converting fieldPath: field label not supported: spec.x",
        ],
    );
    check_container(from(json!({"fieldRef": {"fieldPath": "metadata.labels['app']"}})), &[]);
    check_container(
        from(json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}})),
        &[
            "env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource",
        ],
    );
    check_container(
        json!({"env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
        &["env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"],
    );
    check_container(
        json!({"envFrom": [{}, {"secretRef": {"name": ""}}]}),
        &[
            "envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
            "envFrom[1].secretRef.name: Required value",
        ],
    );
}

#[test]
fn resources() {
    check_container(json!({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}}), &[]);
    check_container(
        json!({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}),
        &["resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"],
    );
    check_container(
        json!({"resources": {"requests": {"cpu": "-1"}}}),
        &["resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"],
    );
    check_container(
        json!({"resources": {"requests": {"disk": "1"}}}),
        &[
            "resources.requests[disk]: Invalid value: \"disk\": must be a standard resource type or fully qualified",
            "resources.requests[disk]: Invalid value: \"disk\": must be a standard resource for containers",
        ],
    );
    check_container(
        json!({"resources": {"limits": {"example.com/gpu": "1500m"}}}),
        &[
            "resources.limits[example.com/gpu]: Invalid value: \"1500m\": must be an integer",
            "resources.requests[example.com/gpu]: Invalid value: \"1500m\": must be an integer",
        ],
    );
    check_container(
        json!({"resources": {"requests": {"example.com/gpu": "1"}}}),
        &["resources.limits: Required value: Limit must be set for non overcommitable resources"],
    );
    check_container(
        json!({"resources": {"limits": {"hugepages-2Mi": "4Mi"}}}),
        &["resources: Forbidden: HugePages require cpu or memory"],
    );
    check_container(
        json!({"resources": {"claims": [{"name": "x"}]}}),
        &["resources.claims[0]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims which is empty"],
    );
    let mut whole = container(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"memory": "2Gi"}}}));
    whole["spec"]["resources"] = json!({"limits": {"memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}});
    check(
        whole,
        &[
            "spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container requests of 2",
            "spec.resources.requests[memory]: Invalid value: \"1Gi\": must be greater than or equal to aggregate container requests of 2Gi",
            "spec.resources.containers[0][memory].limits: Invalid value: \"2Gi\": must be less than or equal to pod limits of 1Gi",
        ],
    );
}

#[test]
fn mounts() {
    check_container(
        json!({"volumeMounts": [{"name": "x", "mountPath": "/a"}]}),
        &["volumeMounts[0].name: Not found: \"x\""],
    );
    let with = |mount: Value| {
        let mut pod = container(json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}]}));
        merge(&mut pod["spec"]["containers"][0]["volumeMounts"][0], mount);
        pod["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        pod
    };
    check(with(json!({})), &[]);
    check(with(json!({"mountPath": ""})), &["spec.containers[0].volumeMounts[0].mountPath: Required value"]);
    check(
        with(json!({"subPath": "/x"})),
        &["spec.containers[0].volumeMounts.subPath: Invalid value: \"/x\": must be a relative path"],
    );
    check(
        with(json!({"subPath": "x/../y"})),
        &["spec.containers[0].volumeMounts.subPath: Invalid value: \"x/../y\": must not contain '..'"],
    );
    check(
        with(json!({"mountPropagation": "Bidirectional"})),
        &[
            "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
        ],
    );
    check(
        with(json!({"recursiveReadOnly": "Enabled"})),
        &["spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"],
    );
    let mut twice = with(json!({}));
    let mount = twice["spec"]["containers"][0]["volumeMounts"][0].clone();
    twice["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap().push(mount);
    check(twice, &["spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"]);
    let mut device = with(json!({}));
    device["spec"]["containers"][0] =
        json!({"name": "c", "image": "i", "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]});
    check(
        device,
        &[
            "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
        ],
    );
}

#[test]
fn volumes() {
    check_volume(json!({"emptyDir": {}}), &[]);
    check_volume(json!({"name": "A", "emptyDir": {}}), &[&format!(".name: Invalid value: \"A\": {LABEL}")]);
    check_volume(json!({"secret": {}}), &[".secret.secretName: Required value"]);
    check_volume(json!({"configMap": {}}), &[".configMap.name: Required value"]);
    check_volume(json!({"persistentVolumeClaim": {}}), &[".persistentVolumeClaim.claimName: Required value"]);
    check_volume(
        json!({"emptyDir": {}, "hostPath": {"path": "/"}}),
        &[".hostPath: Forbidden: may not specify more than 1 volume type"],
    );
    check_volume(
        json!({"hostPath": {"path": "/a/../b", "type": "Pipe"}}),
        &[
            ".hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
            ".hostPath.type: Unsupported value: \"Pipe\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
        ],
    );
    check_volume(
        json!({"secret": {"secretName": "s", "defaultMode": 512, "items": [{"key": "k", "path": "../x"}]}}),
        &[
            ".secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
            ".secret.items[0].path: Invalid value: \"../x\": must not contain '..'",
        ],
    );
    check_volume(
        json!({"nfs": {"server": "s", "path": "a"}}),
        &[".nfs.path: Invalid value: \"a\": must be an absolute path"],
    );
    check_volume(
        json!({"projected": {"sources": [
            {"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}},
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
            {"secret": {"name": "s"}, "configMap": {"name": "c"}}]}}),
        &[
            ".projected: Invalid value: \"c\": conflicting duplicate paths",
            ".projected.sources[2]: Forbidden: may not specify more than 1 volume type per source",
        ],
    );
    check_volume(
        json!({"downwardAPI": {"items": [{"path": "p"}]}}),
        &[".downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
    );
    check_volume(json!({"ephemeral": {}}), &[".ephemeral.volumeClaimTemplate: Required value"]);
    check_volume(json!({"image": {}}), &[".image.reference: Required value"]);
    check_volume(json!({"csi": {"driver": ""}}), &[".csi.driver: Required value"]);
    check_spec(json!({"volumes": [{"name": "v"}, {"name": "v"}]}), &["volumes[1].name: Duplicate value: \"v\""]);
    check_spec(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}]}}],
               "serviceAccountName": "s"}),
        &[
            "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
        ],
    );
    check_spec(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
        &[
            "volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set",
        ],
    );
}

#[test]
fn probes_and_hooks() {
    check_container(json!({"livenessProbe": {}}), &["livenessProbe: Required value: must specify a handler type"]);
    check_container(
        json!({"livenessProbe": {"exec": {"command": []}, "tcpSocket": {"port": 80}}}),
        &[
            "livenessProbe.exec.command: Required value",
            "livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ],
    );
    check_container(
        json!({"livenessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2, "periodSeconds": -1}}),
        &[
            "livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
            "livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    );
    check_container(json!({"readinessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}}), &[]);
    check_container(
        json!({"readinessProbe": {"tcpSocket": {"port": "x_y"}, "terminationGracePeriodSeconds": 1}}),
        &[
            "readinessProbe.tcpSocket.port: Invalid value: \"x_y\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            "readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes",
        ],
    );
    check_container(
        json!({"startupProbe": {"httpGet": {"port": 80, "scheme": "FTP"}}}),
        &["startupProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \"HTTP\", \"HTTPS\""],
    );
    check_container(
        json!({"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}),
        &[
            "lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)",
        ],
    );
}

#[test]
fn init_and_ephemeral_containers() {
    let init = |fields: Value| {
        let mut container = json!({"name": "i", "image": "i"});
        merge(&mut container, fields);
        json!({"initContainers": [container]})
    };
    check_spec(init(json!({})), &[]);
    check_spec(init(json!({"name": "c"})), &["initContainers[0].name: Duplicate value: \"c\""]);
    check_spec(
        init(json!({"readinessProbe": {"tcpSocket": {"port": 1}}})),
        &[
            "initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        ],
    );
    check_spec(init(json!({"restartPolicy": "Always", "readinessProbe": {"tcpSocket": {"port": 1}}})), &[]);
    check_spec(
        init(json!({"restartPolicy": "Maybe"})),
        &[
            "initContainers[0].restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"Never\", \"OnFailure\"",
        ],
    );
    check_spec(
        json!({"ephemeralContainers": [{"name": "e", "image": "i"}]}),
        &["ephemeralContainers: Forbidden: cannot be set on create"],
    );
    check_container(
        json!({"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]}),
        &["restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
    );
}

#[test]
fn the_spec_itself() {
    check_spec(
        json!({"restartPolicy": "x"}),
        &["restartPolicy: Unsupported value: \"x\": supported values: \"Always\", \"Never\", \"OnFailure\""],
    );
    check_spec(
        json!({"dnsPolicy": "x"}),
        &[
            "dnsPolicy: Unsupported value: \"x\": supported values: \"ClusterFirst\", \"ClusterFirstWithHostNet\", \"Default\", \"None\"",
        ],
    );
    check_spec(
        json!({"dnsPolicy": "None"}),
        &["dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    );
    check_spec(
        json!({"dnsConfig": {"nameservers": ["x", "1.1.1.1", "1.1.1.2", "1.1.1.3"]}}),
        &[
            "dnsConfig.nameservers: Invalid value: [\"x\",\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\"]: must not have more than 3 nameservers",
            "dnsConfig.nameservers[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ],
    );
    check_spec(
        json!({"activeDeadlineSeconds": 0}),
        &["activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    );
    check_spec(json!({"hostname": "A"}), &[&format!("hostname: Invalid value: \"A\": {LABEL}")]);
    check_spec(
        json!({"hostAliases": [{"ip": "x"}]}),
        &["hostAliases[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
    );
    check_spec(
        json!({"readinessGates": [{"conditionType": "-"}]}),
        &[&format!("readinessGates[0].conditionType: Invalid value: \"-\": {QUALIFIED}")],
    );
    check_spec(
        json!({"schedulingGates": [{"name": "a"}, {"name": "a"}], "nodeName": "n"}),
        &[
            "schedulingGates[1]: Duplicate value: \"a\"",
            "nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ],
    );
    check_spec(
        json!({"preemptionPolicy": "x"}),
        &["preemptionPolicy: Unsupported value: \"x\": supported values: \"Never\", \"PreemptLowerPriority\""],
    );
    check_spec(
        json!({"resourceClaims": [{"name": "c"}]}),
        &[
            "resourceClaims[0]: Invalid value: {\"name\":\"c\"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
        ],
    );
    check_spec(
        json!({"os": {"name": "plan9"}}),
        &["os: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\""],
    );
    check_spec(
        json!({"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}, "hostPID": true}),
        &[
            "securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
            "hostPID: Forbidden: cannot be set for a windows pod",
        ],
    );
}
