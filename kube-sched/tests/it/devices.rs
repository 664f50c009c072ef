//! Dynamic resources through the driver against a real API server.

use crate::driver::{Rig, condition, node_of, parse};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use kubekit_runtime::Api;
use serde_json::json;

impl Rig {
    async fn add_devices(&self, node: &str, devices: &[(&str, i64)]) {
        let devices: Vec<_> = devices
            .iter()
            .map(|(name, memory)| json!({"name": name, "attributes": {"memory": {"int": memory}}}))
            .collect();
        let slice = json!({"metadata": {"name": format!("{node}-gpus")}, "spec": {
            "driver": "gpu.example.com", "nodeName": node, "devices": devices,
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}}});
        Api::<ResourceSlice>::all(self.admin()).create(&parse(slice)).await.expect("a slice");
    }

    async fn add_device_class(&self, name: &str, expression: &str) {
        let class = json!({"metadata": {"name": name}, "spec": {
            "selectors": [{"cel": {"expression": expression}}],
            "config": [{"opaque": {"driver": "gpu.example.com", "parameters": {"sharing": "none"}}}]}});
        Api::<DeviceClass>::all(self.admin()).create(&parse(class)).await.expect("a class");
    }

    async fn add_device_claim(&self, name: &str, class: &str) {
        let claim = json!({"metadata": {"name": name}, "spec": {"devices": {"requests": [
            {"name": "gpu", "exactly": {"deviceClassName": class, "allocationMode": "ExactCount", "count": 1}}]}}});
        self.device_claims().create(&parse(claim)).await.expect("a claim");
    }

    fn device_claims(&self) -> Api<ResourceClaim> {
        Api::namespaced(self.admin(), "default")
    }

    async fn add_device_user(&self, name: &str, claim: &str) {
        let pod = json!({"metadata": {"name": name}, "spec": {
            "containers": [{"name": "c", "image": "i", "resources": {"claims": [{"name": "gpu"}]}}],
            "resourceClaims": [{"name": "gpu", "resourceClaimName": claim}]}});
        self.pods().create(&parse::<Pod>(pod)).await.expect("a pod");
    }
}

#[tokio::test]
async fn a_claim_is_given_a_device_before_its_pod_is_bound() {
    let rig = Rig::new(1).await;
    for node in ["a", "b"] {
        rig.add_node(node, "2").await;
    }
    rig.add_devices("a", &[("small", 20)]).await;
    rig.add_devices("b", &[("large", 80)]).await;
    rig.add_device_class("big", "device.attributes['gpu.example.com'].memory >= 40").await;
    rig.add_device_claim("one", "big").await;
    rig.add_device_user("p", "one").await;
    rig.until("the pod is where the device is", |pods| pods.iter().all(|pod| node_of(pod) == Some("b"))).await;
    let claim = rig.device_claims().get("one").await.expect("the claim");
    assert!(claim.metadata.finalizers.iter().flatten().any(|f| f == "resource.kubernetes.io/delete-protection"));
    let status = json!(claim.status);
    let result = &status["allocation"]["devices"]["results"][0];
    assert_eq!(*result, json!({"request": "gpu", "driver": "gpu.example.com", "pool": "b", "device": "large"}));
    assert_eq!(status["allocation"]["devices"]["config"][0]["source"], "FromClass");
    assert_eq!(status["reservedFor"][0]["name"], "p");
    rig.add_device_claim("two", "big").await;
    rig.add_device_user("q", "two").await;
    rig.until("the second pod says that there is no other", |pods| {
        pods.iter().any(|pod| {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            conditions
                .into_iter()
                .flatten()
                .any(|c| c.message.as_deref().is_some_and(|message| message.contains("2 cannot allocate all claims")))
        })
    })
    .await;
    rig.add_device_user("sharing", "one").await;
    rig.until("a pod that shares the claim is bound", |pods| {
        pods.iter().any(|pod| pod.metadata.name.as_deref() == Some("sharing") && node_of(pod) == Some("b"))
    })
    .await;
    let claim = rig.device_claims().get("one").await.expect("the claim");
    assert_eq!(claim.status.and_then(|status| status.reserved_for).map_or(0, |users| users.len()), 2);
    rig.finish().await;
}

#[tokio::test]
async fn claims_share_a_device_until_its_capacity_is_used_up() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "4").await;
    let taint = json!({"key": "example.com/old", "effect": "NoSchedule"});
    let bandwidth =
        json!({"value": "10Gi", "requestPolicy": {"default": "1Gi", "validRange": {"min": "1Gi", "step": "1Gi"}}});
    let device = json!({"name": "nic", "allowMultipleAllocations": true, "taints": [taint], "capacity": {"bandwidth": bandwidth}});
    let slice = json!({"metadata": {"name": "a-nics"}, "spec": {
        "driver": "nic.example.com", "nodeName": "a", "devices": [device],
        "pool": {"name": "a", "generation": 1, "resourceSliceCount": 1}}});
    Api::<ResourceSlice>::all(rig.admin()).create(&parse(slice)).await.expect("a slice");
    rig.add_device_class("nic", "device.allowMultipleAllocations").await;
    let toleration = json!({"key": "example.com/old", "operator": "Exists"});
    for (name, wanted) in [("one", "4500Mi"), ("two", "5Gi"), ("three", "1Gi")] {
        let exactly = json!({
            "deviceClassName": "nic", "allocationMode": "ExactCount", "count": 1, "tolerations": [toleration],
            "capacity": {"requests": {"bandwidth": wanted}}});
        let claim = json!({"metadata": {"name": name}, "spec": {"devices": {"requests": [{"name": "nic", "exactly": exactly}]}}});
        rig.device_claims().create(&parse(claim)).await.expect("a claim");
    }
    let given = async |name: &str| {
        let claim = rig.device_claims().get(name).await.expect("the claim");
        json!(claim.status)["allocation"]["devices"]["results"][0].clone()
    };
    let mut shares = Vec::new();
    for (pod, claim) in [("p", "one"), ("q", "two")] {
        rig.add_device_user(pod, claim).await;
        rig.until("it is bound", |pods| pods.iter().all(|pod| node_of(pod) == Some("a"))).await;
        let result = given(claim).await;
        assert_eq!((&result["device"], &result["consumedCapacity"]), (&json!("nic"), &json!({"bandwidth": "5Gi"})));
        assert_eq!(result["tolerations"], json!([toleration]));
        shares.push(result["shareID"].as_str().expect("a share has a name").to_owned());
    }
    assert!(shares[0] != shares[1] && shares.iter().all(|share| share.len() == 36), "{shares:?}");
    rig.add_device_user("r", "three").await;
    rig.until("the third pod says that nothing is left", |pods| {
        pods.iter().filter_map(condition).any(|(_, _, message)| message.contains("cannot allocate all claims"))
    })
    .await;
    assert_eq!(given("three").await, json!(null));
    rig.finish().await;
}
