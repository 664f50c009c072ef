//! Every plugin's rule stands as rows worked by hand, in the file `tests.rs` of its folder; here they are counted.

/// A row is a call of the file's `check…` that names its source.
fn rows(source: &str) -> usize {
    source.lines().filter(|line| line.trim_start().starts_with("check")).count()
}

#[test]
fn every_plugin_has_at_least_ten_rows_worked_by_hand() {
    let files = [
        ("DefaultPreemption", include_str!("default_preemption/tests.rs")),
        ("DynamicResources", include_str!("dynamic_resources/tests.rs")),
        ("GangScheduling", include_str!("gang_scheduling/tests.rs")),
        ("ImageLocality", include_str!("image_locality/tests.rs")),
        ("InterPodAffinity", include_str!("inter_pod_affinity/tests.rs")),
        ("NodeAffinity", include_str!("node_affinity/tests.rs")),
        ("NodeName", include_str!("node_name/tests.rs")),
        ("NodePorts", include_str!("node_ports/tests.rs")),
        ("NodeResourcesBalancedAllocation", include_str!("node_resources_balanced/tests.rs")),
        ("NodeResourcesFit", include_str!("node_resources_fit/tests.rs")),
        ("NodeUnschedulable", include_str!("node_unschedulable/tests.rs")),
        ("NodeVolumeLimits", include_str!("node_volume_limits/tests.rs")),
        ("PodTopologySpread", include_str!("pod_topology_spread/tests.rs")),
        ("PrioritySort", include_str!("priority_sort/tests.rs")),
        ("SchedulingGates", include_str!("scheduling_gates/tests.rs")),
        ("TaintToleration", include_str!("taint_toleration/tests.rs")),
        ("VolumeBinding", include_str!("volume_binding/tests.rs")),
        ("VolumeRestrictions", include_str!("volume_restrictions/tests.rs")),
        ("VolumeZone", include_str!("volume_zone/tests.rs")),
    ];
    for (plugin, source) in files {
        let rows = rows(source);
        println!("{plugin}: {rows} rows");
        assert!(rows >= 10, "{plugin} has {rows} rows");
    }
}
