//! The life of a Deployment, with the oldest and the newest kubectl that are supported.

use crate::cluster::{Cluster, eventually};
use crate::kubectl::Kubectl;

#[test]
fn a_deployment_lives_under_kubectl_1_27() {
    a_deployment_lives("1.27");
}

#[test]
fn a_deployment_lives_under_kubectl_1_32() {
    a_deployment_lives("1.32");
}

#[test]
fn a_deployment_lives_under_kubectl_1_33() {
    a_deployment_lives("1.33");
}

fn a_deployment_lives(version: &str) {
    let cluster = Cluster::start(&[]);
    let Some(kubectl) = Kubectl::find(version, &cluster) else { return };
    kubectl.run(&["create", "deployment", "web", "--image=nginx:1.0", "--replicas=3"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    kubectl.run(&["wait", "--for=condition=Available", "deployment/web", "--timeout=60s"]);
    columns(&kubectl);
    kubectl.run(&["scale", "deployment/web", "--replicas=10"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    kubectl.run(&["set", "image", "deployment/web", "nginx=nginx:2.0"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let history = kubectl.run(&["rollout", "history", "deployment/web"]);
    assert!(history.contains("REVISION") && history.lines().any(|line| line.starts_with('2')), "{history}");
    kubectl.run(&["rollout", "undo", "deployment/web"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let image = kubectl.run(&["get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"]);
    assert_eq!(image, "nginx:1.0");
    paused(&kubectl);
    exposed(&kubectl);
    cascades(&kubectl);
}

fn columns(kubectl: &Kubectl) {
    let text = kubectl.run(&["get", "deploy,rs,pods,svc,endpointslices", "-o", "wide"]);
    for heading in [
        &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"][..],
        &["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"],
        &["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"],
        &["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"],
        &["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"],
    ] {
        let found = text.lines().any(|line| line.split_whitespace().eq(heading.iter().copied()));
        assert!(found, "no line {heading:?} in:\n{text}");
    }
    let pod = kubectl.run(&["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"]);
    let described = eventually("describe shows the events of a pod", || {
        let text = kubectl.run(&["describe", "pod", &pod]);
        ["Scheduled", "Pulled", "Created", "Started"].iter().all(|reason| text.contains(reason)).then_some(text)
    });
    assert!(described.contains("Successfully assigned default/"), "{described}");
}

fn paused(kubectl: &Kubectl) {
    kubectl.run(&["rollout", "pause", "deployment/web"]);
    kubectl.run(&["set", "image", "deployment/web", "nginx=nginx:3.0"]);
    let updated = || kubectl.run(&["get", "deploy", "web", "-o", "jsonpath={.status.updatedReplicas}"]);
    eventually("a paused deployment observes its change and does not roll it out", || {
        let object = kubectl.json(&["get", "deploy", "web"]);
        (object["status"]["observedGeneration"] == object["metadata"]["generation"]).then_some(())
    });
    assert!(["", "0"].contains(&updated().as_str()));
    kubectl.run(&["rollout", "resume", "deployment/web"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    kubectl.run(&["rollout", "restart", "deployment/web"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(updated(), "10");
}

fn exposed(kubectl: &Kubectl) {
    kubectl.run(&["expose", "deployment/web", "--port=80", "--target-port=8080"]);
    eventually("the endpoints of the service are the pods of the deployment", || {
        let slices = kubectl.json(&["get", "endpointslices", "-l", "kubernetes.io/service-name=web"]);
        let ready = slices["items"]
            .as_array()?
            .iter()
            .flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default());
        (ready.filter(|endpoint| endpoint["conditions"]["ready"] == true).count() == 10).then_some(())
    });
    kubectl.run(&["delete", "service", "web"]);
    eventually("the slices go with their service", || {
        kubectl
            .run(&["get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "name"])
            .is_empty()
            .then_some(())
    });
}

fn cascades(kubectl: &Kubectl) {
    let left = |kind: &str| kubectl.run(&["get", kind, "-l", "app=web", "-o", "name"]);
    kubectl.run(&["delete", "deployment", "web", "--cascade=orphan"]);
    let set = left("rs").lines().next().expect("orphaned replica sets stay").to_owned();
    assert_eq!(kubectl.json(&["get", &set])["metadata"]["ownerReferences"], serde_json::Value::Null);
    kubectl.run(&["delete", "rs", "-l", "app=web", "--cascade=foreground"]);
    eventually("foreground deletion leaves no pod", || left("pods").is_empty().then_some(()));
    kubectl.run(&["create", "deployment", "web", "--image=nginx", "--replicas=2"]);
    kubectl.run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    kubectl.run(&["delete", "deployment", "web", "--cascade=background"]);
    eventually("background deletion leaves no pod and no replica set", || {
        (left("pods").is_empty() && left("rs").is_empty()).then_some(())
    });
}
