//! What kubectl prints: the columns of every common kind, generators, descriptions, refusals.

use crate::cluster::{Cluster, eventually};
use crate::kubectl::Kubectl;

#[test]
fn kubectl_1_27_prints_what_kubernetes_prints() {
    prints("1.27");
}

#[test]
fn kubectl_1_33_prints_what_kubernetes_prints() {
    prints("1.33");
}

fn prints(version: &str) {
    let cluster = Cluster::start(&["--nodes", "1"]);
    let Some(kubectl) = Kubectl::find(version, &cluster) else { return };
    // Before, pods have an event more, which says that they wait for it.
    eventually("the node takes pods", || {
        let nodes = kubectl.json(&["get", "nodes"]);
        let taints = &nodes["items"].get(0)?["spec"]["taints"];
        taints.is_null().then_some(())
    });
    generators(&kubectl);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    columns(&kubectl);
    descriptions(&kubectl);
    refusals(&kubectl);
    paths(&kubectl);
}

/// Splits a command line at spaces.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[track_caller]
fn check_created(kubectl: &Kubectl, line: &str, expected: &str) {
    let printed = kubectl.run(&[&["create"], &words(line)[..]].concat());
    assert_eq!(printed.trim(), format!("{expected} created"), "{line}");
}

fn generators(kubectl: &Kubectl) {
    for (line, expected) in [
        ("deployment web --image=nginx --replicas=2 --port=80", "deployment.apps/web"),
        ("job once --image=busybox -- date", "job.batch/once"),
        ("cronjob often --image=busybox --schedule=@hourly -- date", "cronjob.batch/often"),
        ("ingress in --rule=a.com/b=web:80", "ingress.networking.k8s.io/in"),
        ("quota few --hard=pods=9", "resourcequota/few"),
        ("role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r"),
        ("clusterrole cr --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/cr"),
        ("rolebinding rb --clusterrole=view --user=u", "rolebinding.rbac.authorization.k8s.io/rb"),
        ("clusterrolebinding crb --clusterrole=view --group=g", "clusterrolebinding.rbac.authorization.k8s.io/crb"),
        ("priorityclass high --value=100", "priorityclass.scheduling.k8s.io/high"),
        ("pdb budget --selector=app=web --min-available=1", "poddisruptionbudget.policy/budget"),
        ("service clusterip web --tcp=80:80", "service/web"),
        ("service nodeport node --tcp=80", "service/node"),
        ("service loadbalancer lb --tcp=80", "service/lb"),
        ("service externalname away --external-name=a.b", "service/away"),
        ("sa robot", "serviceaccount/robot"),
        ("secret docker-registry pull --docker-username=u --docker-password=p", "secret/pull"),
    ] {
        check_created(kubectl, line, expected);
    }
    assert_eq!(kubectl.run(&["create", "token", "robot"]).matches('.').count(), 2, "a token has three parts");
    let scaled = kubectl.run(&["autoscale", "deployment", "web", "--max=3", "--cpu-percent=80"]);
    assert_eq!(scaled.trim(), "horizontalpodautoscaler.autoscaling/web autoscaled");
}

#[track_caller]
fn check_columns(kubectl: &Kubectl, what: &str, expected: &str) {
    let printed = kubectl.run(&[&["get"], &words(what)[..], &["-o", "wide"]].concat());
    let header: Vec<&str> = printed.lines().next().unwrap_or_default().split("  ").map(str::trim).collect();
    let header: Vec<&str> = header.into_iter().filter(|column| !column.is_empty()).collect();
    assert_eq!(header.join("|"), expected, "{what}");
}

fn columns(kubectl: &Kubectl) {
    for (what, expected) in [
        ("pods", "NAME|READY|STATUS|RESTARTS|AGE|IP|NODE|NOMINATED NODE|READINESS GATES"),
        ("deploy", "NAME|READY|UP-TO-DATE|AVAILABLE|AGE|CONTAINERS|IMAGES|SELECTOR"),
        ("rs", "NAME|DESIRED|CURRENT|READY|AGE|CONTAINERS|IMAGES|SELECTOR"),
        ("svc", "NAME|TYPE|CLUSTER-IP|EXTERNAL-IP|PORT(S)|AGE|SELECTOR"),
        ("endpointslices", "NAME|ADDRESSTYPE|PORTS|ENDPOINTS|AGE"),
        ("jobs", "NAME|STATUS|COMPLETIONS|DURATION|AGE|CONTAINERS|IMAGES|SELECTOR"),
        ("cronjobs", "NAME|SCHEDULE|TIMEZONE|SUSPEND|ACTIVE|LAST SCHEDULE|AGE|CONTAINERS|IMAGES|SELECTOR"),
        ("ingress", "NAME|CLASS|HOSTS|ADDRESS|PORTS|AGE"),
        ("hpa", "NAME|REFERENCE|TARGETS|MINPODS|MAXPODS|REPLICAS|AGE"),
        ("pdb", "NAME|MIN AVAILABLE|MAX UNAVAILABLE|ALLOWED DISRUPTIONS|AGE"),
        ("rolebindings", "NAME|ROLE|AGE|USERS|GROUPS|SERVICEACCOUNTS"),
        ("roles", "NAME|CREATED AT"),
        ("sa", "NAME|AGE"),
        ("cm", "NAME|DATA|AGE"),
        ("secrets", "NAME|TYPE|DATA|AGE"),
        ("priorityclasses", "NAME|VALUE|GLOBAL-DEFAULT|AGE|PREEMPTIONPOLICY"),
        ("nodes", "NAME|STATUS|ROLES|AGE|VERSION|INTERNAL-IP|EXTERNAL-IP|OS-IMAGE|KERNEL-VERSION|CONTAINER-RUNTIME"),
        ("leases -A", "NAMESPACE|NAME|HOLDER|AGE"),
        ("events", "LAST SEEN|TYPE|REASON|OBJECT|SUBOBJECT|SOURCE|MESSAGE|FIRST SEEN|COUNT|NAME"),
        ("ns", "NAME|STATUS|AGE"),
        ("deploy/web --subresource=scale", "NAME|DESIRED|AVAILABLE|AGE"),
    ] {
        check_columns(kubectl, what, expected);
    }
}

fn descriptions(kubectl: &Kubectl) {
    let described = kubectl.run(&["describe", "pods", "-l", "app=web"]);
    let events = described.split("Events:").nth(1).expect("a pod has events");
    let reasons: Vec<&str> =
        events.lines().skip(3).take(5).map(|line| line.split_whitespace().nth(1).unwrap_or_default()).collect();
    assert!(reasons.contains(&"Scheduled"), "{events}");
    // The scheduler tells of its binding when that is answered, and by then the node may be at work.
    let of_the_node: Vec<&str> = reasons.into_iter().filter(|reason| *reason != "Scheduled").collect();
    assert_eq!(of_the_node, ["Pulling", "Pulled", "Created", "Started"], "{events}");
    for (what, expected) in [
        ("deploy web", "Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable"),
        ("node node-1", "Lease: HolderIdentity: node-1"),
        ("svc web", "Type: ClusterIP"),
        ("ns default", "No LimitRange resource."),
        ("hpa web", "Min replicas: 1"),
        ("sa robot", "Mountable secrets: <none>"),
        ("secret pull", "Type: kubernetes.io/dockerconfigjson"),
    ] {
        let printed = kubectl.run(&[&["describe"], &words(what)[..]].concat());
        // Versions of kubectl pad differently.
        let plain = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(expected), "describe {what} does not say {expected:?}:\n{printed}");
    }
    let managers = "-o=jsonpath={.items[*].metadata.managedFields[*].manager}";
    let printed = kubectl.run(&["get", "pods", "-l", "app=web", managers, "--show-managed-fields"]);
    let mut managers: Vec<&str> = printed.split_whitespace().collect();
    managers.sort_unstable();
    managers.dedup();
    assert_eq!(managers, ["kube-controller-manager", "kubelet"]);
}

#[track_caller]
fn check_refused(kubectl: &Kubectl, args: &[&str], expected: &str) {
    let said = kubectl.fails(args);
    assert!(said.contains(expected), "{args:?}: {said}");
}

fn refusals(kubectl: &Kubectl) {
    check_refused(
        kubectl,
        &["patch", "deploy", "web", "-p", r#"{"spec":{"replicas":"x"}}"#],
        "patch: Invalid value: \"map[spec:map[replicas:x]]\": json: cannot unmarshal string",
    );
    check_refused(
        kubectl,
        &["patch", "deploy", "web", "-p", r#"{"spec":{"selector":{"matchLabels":{"a":"b"}}}}"#],
        "field is immutable",
    );
    check_refused(kubectl, &["get", "pod", "none"], r#"Error from server (NotFound): pods "none" not found"#);
    check_refused(kubectl, &["get", "nope"], r#"the server doesn't have a resource type "nope""#);
    check_refused(kubectl, &["get", "pods", "--field-selector=a=b"], "field label not supported: a");
    check_refused(kubectl, &["top", "nodes"], "Metrics API not available");
    check_refused(kubectl, &["logs", "none"], r#"pods "none" not found"#);
    check_refused(
        kubectl,
        &["rollout", "undo", "deploy/web", "--to-revision=9"],
        "unable to find specified revision 9",
    );
    check_refused(kubectl, &["wait", "--for=condition=Nope", "deploy/web", "--timeout=1s"], "timed out");
    check_refused(
        kubectl,
        &["scale", "deploy/web", "--replicas=3", "--current-replicas=7"],
        "xpected replicas to be 7",
    );
    check_refused(kubectl, &["create", "sa", "A_b"], r#"metadata.name: Invalid value: "A_b""#);
}

fn paths(kubectl: &Kubectl) {
    let raw = |path: &str| kubectl.run(&["get", "--raw", path]);
    for endpoint in ["healthz", "livez", "readyz"] {
        assert_eq!(raw(&format!("/{endpoint}")), "ok");
    }
    assert!(raw("/readyz?verbose").ends_with("readyz check passed\n"));
    assert!(raw("/version").contains("\"gitVersion\": \"v1.36.0\""));
    assert!(raw("/metrics").contains("apiserver_request_total{"));
}
