//! Nodes and pods of the suite. Source: kubernetes `test/integration/scheduler_perf`, its templates' facts.

use serde_json::{Value, json};

/// Which zones nodes are in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Zones {
    /// All in one.
    One,
    /// In turn in three.
    Three,
}

/// A kind of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 100 m CPU and 500 MB of memory, as all kinds unless said otherwise.
    Default,
    /// For one node, by its name.
    Daemon,
    /// 900 m CPU, and gone at once when it is deleted.
    LowPriority,
    /// Priority 10, 3 cores.
    HighPriority,
    /// More CPU than any node has.
    Unschedulable,
    /// Mounts a Secret.
    Secret,
    /// Skew of at most 5 between zones.
    Spread,
    /// The same as a wish.
    PreferredSpread,
    /// For a zone, by affinity to nodes.
    NodeAffinity,
    /// In the zone of pods like it.
    Affinity,
    /// Not on the node of a pod like it.
    AntiAffinity,
    /// A wish for the node of pods like it.
    PreferredAffinity,
    /// A wish against the node of pods like it.
    PreferredAntiAffinity,
    /// [`Kind::Affinity`] over namespaces with a label.
    AffinityNamespaces,
    /// [`Kind::AntiAffinity`] over namespaces with a label.
    AntiAffinityNamespaces,
    /// [`Kind::PreferredAffinity`] over namespaces with a label.
    PreferredAffinityNamespaces,
    /// [`Kind::PreferredAntiAffinity`] over namespaces with a label.
    PreferredAntiAffinityNamespaces,
    /// A claim of its own, bound to a volume of an in-tree kind.
    InTreeVolume,
    /// A claim of its own, bound to a volume of a CSI driver.
    CsiVolume,
    /// A member of a service, which default constraints spread.
    Served,
    /// A claim on a device, made from a template.
    Devices,
}

/// The driver of [`Kind::CsiVolume`].
const CSI_DRIVER: &str = "ebs.csi.aws.com";
const CSI_VOLUMES_PER_NODE: usize = 39;
/// The driver of [`Kind::Devices`], of which each node has ten.
const DEVICE_DRIVER: &str = "test-driver.cdi.k8s.io";
const DEVICES_PER_NODE: usize = 10;
const CLAIM_TEMPLATE: &str = "test-claim-template";
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

impl Kind {
    /// Whether each pod has a claim.
    pub(super) fn has_claim(self) -> bool {
        matches!(self, Self::InTreeVolume | Self::CsiVolume)
    }

    /// What a namespace has besides, for pods of this kind: a service, or a template of claims.
    pub(super) fn service(self) -> Option<Value> {
        (self == Self::Served).then(|| {
            json!({"metadata": {"name": "service"}, "spec": {"selector": {"color": self.color()}, "ports": [{"port": 80}]}})
        })
    }

    /// The template of claims that pods of this kind refer to.
    pub(super) fn claim_template(self) -> Option<Value> {
        (self == Self::Devices)
            .then(|| json!({"metadata": {"name": CLAIM_TEMPLATE}, "spec": {"spec": device_request()}}))
    }

    /// What a node has, for pods of this kind: its devices.
    pub(super) fn devices(self, node: &str) -> Option<Value> {
        let devices: Vec<Value> = (0..DEVICES_PER_NODE).map(|i| json!({"name": format!("instance-{i}")})).collect();
        (self == Self::Devices).then(|| {
            json!({"metadata": {"name": format!("{node}-devices")}, "spec": {
                "driver": DEVICE_DRIVER, "nodeName": node, "devices": devices,
                "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}}})
        })
    }

    /// What drivers of volumes say of a node, for pods of this kind: how many they attach to it.
    pub(super) fn volume_drivers(self, node: &str) -> Option<Value> {
        let driver = json!({"name": CSI_DRIVER, "nodeID": node, "allocatable": {"count": CSI_VOLUMES_PER_NODE}});
        (self == Self::CsiVolume).then(|| json!({"metadata": {"name": node}, "spec": {"drivers": [driver]}}))
    }

    fn color(self) -> &'static str {
        match self {
            Self::Affinity | Self::AffinityNamespaces | Self::Spread | Self::PreferredSpread => "blue",
            Self::AntiAffinity | Self::AntiAffinityNamespaces => "green",
            Self::PreferredAffinity | Self::PreferredAffinityNamespaces => "red",
            Self::PreferredAntiAffinity | Self::PreferredAntiAffinityNamespaces => "yellow",
            Self::Served => "white",
            _ => "none",
        }
    }

    fn affinity(self) -> Option<Value> {
        let selector = json!({"matchLabels": {"color": self.color()}});
        let named =
            |key: &str| json!({"labelSelector": selector, "topologyKey": key, "namespaces": ["init-0", "measured"]});
        let labelled = |key: &str| json!({"labelSelector": selector, "topologyKey": key, "namespaceSelector": {"matchLabels": {"team": "devops"}}});
        let required = |term: Value| json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]});
        let preferred = |term: Value| json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]});
        Some(match self {
            Self::NodeAffinity => json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["zone1", "zone2"]}]}]}}}),
            Self::Daemon => json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-0"]}]}]}}}),
            Self::Affinity => json!({"podAffinity": required(named(ZONE))}),
            Self::AntiAffinity => json!({"podAntiAffinity": required(named(HOSTNAME))}),
            Self::PreferredAffinity => json!({"podAffinity": preferred(named(HOSTNAME))}),
            Self::PreferredAntiAffinity => json!({"podAntiAffinity": preferred(named(HOSTNAME))}),
            Self::AffinityNamespaces => json!({"podAffinity": required(labelled(ZONE))}),
            Self::AntiAffinityNamespaces => json!({"podAntiAffinity": required(labelled(HOSTNAME))}),
            Self::PreferredAffinityNamespaces => json!({"podAffinity": preferred(labelled(HOSTNAME))}),
            Self::PreferredAntiAffinityNamespaces => json!({"podAntiAffinity": preferred(labelled(HOSTNAME))}),
            _ => return None,
        })
    }

    fn requests(self) -> Value {
        let cpu = match self {
            Self::LowPriority => "900m",
            Self::HighPriority => "3",
            Self::Unschedulable => "9",
            // So many go to one node that they must ask for nothing.
            Self::Daemon | Self::Devices => return json!({}),
            _ => "100m",
        };
        json!({"cpu": cpu, "memory": "500M"})
    }

    /// A pod.
    pub(super) fn pod(self, name: &str) -> Value {
        let mut spec = json!({
            "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": self.requests()}}],
        });
        if let Some(affinity) = self.affinity() {
            spec["affinity"] = affinity;
        }
        match self {
            Self::LowPriority => spec["terminationGracePeriodSeconds"] = json!(0),
            Self::HighPriority => spec["priorityClassName"] = json!("high"),
            Self::Devices => {
                spec["containers"][0]["resources"] = json!({"claims": [{"name": "resource"}]});
                spec["resourceClaims"] = json!([{"name": "resource", "resourceClaimTemplateName": CLAIM_TEMPLATE}]);
            }
            Self::Secret => spec["volumes"] = json!([{"name": "secret", "secret": {"secretName": "secret"}}]),
            Self::InTreeVolume | Self::CsiVolume => {
                spec["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}]);
            }
            Self::Spread | Self::PreferredSpread => {
                let when = if self == Self::Spread { "DoNotSchedule" } else { "ScheduleAnyway" };
                spec["topologySpreadConstraints"] = json!([{
                    "maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": when,
                    "labelSelector": {"matchLabels": {"color": self.color()}},
                }]);
            }
            _ => {}
        }
        json!({"metadata": {"name": name, "labels": {"color": self.color()}}, "spec": spec})
    }

    /// The volume behind a pod's claim, bound as by a controller.
    pub(super) fn volume(self, namespace: &str, name: &str) -> Value {
        let mut spec = json!({
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name},
        });
        if self == Self::CsiVolume {
            spec["csi"] = json!({"driver": CSI_DRIVER, "volumeHandle": name});
        } else {
            spec["awsElasticBlockStore"] = json!({"volumeID": name});
        }
        json!({"metadata": {"name": format!("{namespace}-{name}"), "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}}, "spec": spec})
    }

    /// A pod's claim, bound as by a controller.
    pub(super) fn claim(namespace: &str, name: &str) -> Value {
        json!({
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": format!("{namespace}-{name}"), "storageClassName": "",
                "resources": {"requests": {"storage": "1Gi"}}},
        })
    }
}

/// The class of devices of [`Kind::Devices`].
pub(super) fn device_class() -> Value {
    let expression = format!("device.driver == '{DEVICE_DRIVER}'");
    json!({"metadata": {"name": "test-class"}, "spec": {"selectors": [{"cel": {"expression": expression}}]}})
}

fn device_request() -> Value {
    json!({"devices": {"requests": [{"name": "req-0", "exactly": {"deviceClassName": "test-class"}}]}})
}

/// The claim of a pod of [`Kind::Devices`], as the claim controller makes it from the template.
pub(super) fn device_claim(pod: &str, uid: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("{pod}-resource"),
            "annotations": {"resource.kubernetes.io/pod-claim-name": "resource"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid, "controller": true}],
        },
        "spec": device_request(),
    })
}

/// A node's name, labels and capacity: 4 cores, 32 GiB and 110 pods; the first takes as many pods as come.
pub(super) fn node(index: usize, zones: Zones) -> (Value, Value) {
    let zone = match zones {
        Zones::One => "zone1".to_owned(),
        Zones::Three => format!("moon-{}", index % 3 + 1),
    };
    let name = format!("node-{index}");
    let pods = if index == 0 { "90000" } else { "110" };
    let capacity = json!({"cpu": "4", "memory": "32Gi", "pods": pods});
    let object = json!({"metadata": {"name": name, "labels": {ZONE: zone, HOSTNAME: name}}});
    (object, json!({"allocatable": capacity, "capacity": capacity}))
}
