//! What runs on the node and what it uses.

use serde_json::{Value, json};

use crate::agent::AgentHandle;
use crate::runtime::Filter;
use crate::runtime::sandbox::{POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL};

/// The pods, as a `PodList`.
pub(super) fn pods(agents: &[AgentHandle]) -> Value {
    let mut items = Vec::new();
    for agent in agents {
        for entry in agent.0.pods.lock().values() {
            let mut pod = (*entry.updates.borrow().pod).clone();
            pod.status = Some((**entry.status.lock()).clone());
            items.push(serde_json::to_value(&pod).unwrap_or_default());
        }
    }
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
}

/// The figures of the first agent's node and its pods, as the kubelet's summary has them.
pub(super) async fn summary(agents: &[AgentHandle]) -> Value {
    let Some(agent) = agents.first() else { return json!({"node": {}, "pods": []}) };
    let shared = &agent.0;
    let now = shared.now().to_string();
    let stats = shared.runtime.container_stats(&Filter::default()).await.unwrap_or_default();
    let mut pods = std::collections::BTreeMap::<String, (Value, Vec<Value>)>::new();
    let (mut cpu, mut memory) = (0, 0);
    for container in stats {
        let label = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
        cpu += container.cpu_nanocores;
        memory += container.memory_working_set_bytes;
        let figures = json!({
            "name": container.name,
            "cpu": {"time": now, "usageNanoCores": container.cpu_nanocores, "usageCoreNanoSeconds": container.cpu_nanoseconds},
            "memory": {"time": now, "workingSetBytes": container.memory_working_set_bytes,
                       "usageBytes": container.memory_usage_bytes, "rssBytes": container.memory_rss_bytes},
            "rootfs": {"time": now, "usedBytes": container.writable_layer_bytes},
        });
        let reference = json!({"name": label(POD_NAME_LABEL), "namespace": label(POD_NAMESPACE_LABEL), "uid": label(POD_UID_LABEL)});
        pods.entry(label(POD_UID_LABEL)).or_insert_with(|| (reference, Vec::new())).1.push(figures);
    }
    let pods: Vec<Value> = pods
        .into_values()
        .map(|(reference, containers)| json!({"podRef": reference, "containers": containers}))
        .collect();
    json!({
        "node": {"nodeName": shared.config.node_name, "cpu": {"time": now, "usageNanoCores": cpu},
                 "memory": {"time": now, "workingSetBytes": memory}},
        "pods": pods,
    })
}
