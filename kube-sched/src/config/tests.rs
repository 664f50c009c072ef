//! Files as the documentation shows them. Source: "Scheduler Configuration" and the API reference of
//! `kubescheduler.config.k8s.io/v1`.

use super::*;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn parse(body: &str) -> Result<SchedulerConfiguration, ConfigError> {
    SchedulerConfiguration::parse(&format!("{HEAD}{body}"))
}

/// `name: gates | filters | post filters | scores·weights | reserves`, shortened where it is Kubernetes' default.
fn told(profile: &Profile) -> String {
    let default = parts(&Profile::default());
    let own = parts(profile);
    let part = |i: usize| if own[i] == default[i] { "default".to_owned() } else { own[i].clone() };
    format!("{}: {}", profile.name(), (0..5).map(part).collect::<Vec<_>>().join(" | "))
}

fn parts(profile: &Profile) -> [String; 5] {
    let list = |names: Vec<String>| names.join(" ");
    [
        list(profile.pre_enqueue.iter().map(|p| p.name().to_owned()).collect()),
        list(profile.filters.iter().map(|p| p.name().to_owned()).collect()),
        list(profile.post_filters.iter().map(|p| p.name().to_owned()).collect()),
        list(profile.scores.iter().map(|(p, weight)| format!("{}·{weight}", p.name())).collect()),
        list(profile.reserves.iter().map(|p| p.name().to_owned()).collect()),
    ]
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let read = parse(body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.profiles.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn profiles() {
    const DEFAULT: &str = "default-scheduler: default | default | default | default | default";
    check("", &[DEFAULT]);
    check("profiles:\n- schedulerName: default-scheduler\n", &[DEFAULT]);
    check("leaderElection: {leaderElect: true}\nclientConnection: {kubeconfig: /etc/x, qps: 50}\n", &[DEFAULT]);
    check(
        "profiles:\n- plugins:\n    score:\n      disabled: [{name: PodTopologySpread}]\n      enabled: [{name: ImageLocality, weight: 7}]\n",
        &[
            "default-scheduler: default | default | default | ImageLocality·7 TaintToleration·3 NodeAffinity·2 NodeResourcesFit·1 InterPodAffinity·2 DynamicResources·2 NodeResourcesBalancedAllocation·1 | default",
        ],
    );
    check(
        "profiles:\n- schedulerName: default-scheduler\n- schedulerName: no-scoring-scheduler\n  plugins:\n    preScore: {disabled: [{name: '*'}]}\n    score: {disabled: [{name: '*'}]}\n",
        &[DEFAULT, "no-scoring-scheduler: default | default | default |  | default"],
    );
    check(
        "profiles:\n- schedulerName: none\n  plugins:\n    multiPoint:\n      disabled: [{name: '*'}]\n      enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeResourcesFit, weight: 5}]\n",
        &["none:  | NodeResourcesFit |  | NodeResourcesFit·5 | "],
    );
    check(
        "profiles:\n- plugins:\n    multiPoint:\n      enabled: [{name: TaintToleration, weight: 9}]\n    filter: {disabled: [{name: NodePorts}, {name: VolumeZone}]}\n    postFilter: {disabled: [{name: DefaultPreemption}]}\n",
        &[
            "default-scheduler: default | NodeUnschedulable NodeName TaintToleration NodeAffinity NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding PodTopologySpread InterPodAffinity DynamicResources |  | TaintToleration·9 NodeAffinity·2 NodeResourcesFit·1 PodTopologySpread·2 InterPodAffinity·2 DynamicResources·2 NodeResourcesBalancedAllocation·1 ImageLocality·1 | default",
        ],
    );
    let json = r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [{"schedulerName": "j"}]}"#;
    assert_eq!(SchedulerConfiguration::parse(json).unwrap().profiles[0].name(), "j");
}

#[test]
fn numbers() {
    let read =
        parse("podInitialBackoffSeconds: 2\npodMaxBackoffSeconds: 20\npercentageOfNodesToScore: 30\nparallelism: 4\n")
            .unwrap();
    assert_eq!((read.queue.backoff_initial, read.queue.backoff_max), (Duration::from_secs(2), Duration::from_secs(20)));
    assert_eq!(read.percentage_of_nodes_to_score, 30);
    let read =
        parse("clientConnection: {kubeconfig: /etc/k}\nleaderElection: {leaderElect: false, leaseDuration: 15s}\n")
            .unwrap();
    assert_eq!((read.kubeconfig.as_deref(), read.leader_elect), (Some("/etc/k"), false));
    let read = parse("").unwrap();
    assert_eq!((read.queue.backoff_initial, read.queue.backoff_max), (Duration::from_secs(1), Duration::from_secs(10)));
    assert_eq!((read.leader_elect, read.volume_bind_timeout), (true, Duration::from_secs(600)));
}

/// Whether the debug text of the only profile has these words.
#[track_caller]
fn check_args(plugin: &str, args: &str, expected: &[&str]) {
    let body = format!("profiles:\n- pluginConfig:\n  - name: {plugin}\n    args: {args}\n");
    let read = parse(&body).unwrap_or_else(|error| panic!("{error}"));
    let debug = format!("{:?}", read.profiles[0]);
    for words in expected {
        assert!(debug.contains(words), "{words} is not in {debug}");
    }
}

#[test]
fn arguments() {
    check_args(
        "DefaultPreemption",
        "{minCandidateNodesPercentage: 20}",
        &["min_candidate_nodes_percentage: 20, min_candidate_nodes_absolute: 100"],
    );
    check_args(
        "InterPodAffinity",
        "{hardPodAffinityWeight: 5, ignorePreferredTermsOfExistingPods: true}",
        &["hard_pod_affinity_weight: 5, ignore_preferred_terms_of_existing_pods: true"],
    );
    check_args(
        "NodeAffinity",
        "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [x]}]}]}}}",
        &[
            "added: Some(NodeSelector([NodeSelectorTerm { labels: [Requirement { key: \"zone\", operator: In, values: [\"x\"] }]",
        ],
    );
    check_args(
        "NodeResourcesBalancedAllocation",
        "{resources: [{name: cpu, weight: 1}, {name: nvidia.com/gpu}]}",
        &["resources: [Cpu, Scalar(\"nvidia.com/gpu\")]"],
    );
    check_args(
        "NodeResourcesFit",
        "{ignoredResources: [a/b], scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 3}]}}",
        &["strategy: MostAllocated, resources: [(Cpu, 3)], ignored_resources: [\"a/b\"]"],
    );
    check_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}}}",
        &[
            "RequestedToCapacityRatio([ShapePoint { utilization: 0, score: 0 }, ShapePoint { utilization: 100, score: 100 }])",
        ],
    );
    check_args(
        "PodTopologySpread",
        "{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}",
        &["defaults: List([SpreadConstraint { max_skew: 1, topology_key: \"zone\", when_unsatisfiable: ScheduleAnyway"],
    );
    check_args(
        "NodeResourcesFit",
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeResourcesFitArgs}",
        &["strategy: LeastAllocated"],
    );
    let read =
        parse("profiles:\n- pluginConfig:\n  - name: VolumeBinding\n    args: {bindTimeoutSeconds: 300}\n").unwrap();
    assert_eq!(read.volume_bind_timeout, Duration::from_secs(300));
}

/// The error has all of these words.
#[track_caller]
fn check_error(body: &str, expected: &[&str]) {
    let error = parse(body).map(|read| read.profiles.len()).unwrap_err().to_string();
    for words in expected {
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn mistakes_are_told_all_at_once_with_their_paths() {
    check_error(
        "podInitialBackoffSeconds: 0\npodMaxBackoffSeconds: -1\n",
        &[
            "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0",
            "podMaxBackoffSeconds: Invalid value: -1: must be greater than or equal to PodInitialBackoffSeconds",
        ],
    );
    check_error(
        "percentageOfNodesToScore: 101\nparallelism: 0\n",
        &[
            "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
            "parallelism: Invalid value: 0: should be an integer value greater than zero",
        ],
    );
    check_error(
        "profiles: [{}, {schedulerName: a}, {schedulerName: a}]\n",
        &["profiles[0].schedulerName: Required value", "profiles[2].schedulerName: Duplicate value: \"a\""],
    );
    check_error(
        "profiles: [{plugins: {score: {enabled: [{name: Nonsense}, {name: NodeName}, {name: ImageLocality}, {name: ImageLocality}]}}}]\n",
        &[
            "profiles[0].plugins.score.enabled[0]: Invalid value: \"Nonsense\": there is no plugin of this name",
            "profiles[0].plugins.score.enabled[1]: Invalid value: \"NodeName\": the plugin does not extend the score point",
            "profiles[0].plugins.score.enabled[3]: Duplicate value: \"ImageLocality\"",
        ],
    );
    check_error(
        "profiles: [{plugins: {queueSort: {disabled: [{name: '*'}]}, bind: {disabled: [{name: DefaultBinder}]}}}]\n",
        &[
            "profiles[0].plugins.queueSort: Required value: one queue sort plugin must be enabled",
            "profiles[0].plugins.bind: Required value: at least one bind plugin is needed",
        ],
    );
    check_error("profiels: []\n", &["unknown field"]);
    check_error("profiles: 5\n", &["cannot be read"]);
    for head in [
        "apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration\n",
        "apiVersion: v1\nkind: Pod\n",
        "{}",
    ] {
        assert!(matches!(SchedulerConfiguration::parse(head), Err(ConfigError::Kind { .. })), "{head}");
    }
}

#[track_caller]
fn check_bad_args(plugin: &str, args: &str, expected: &str) {
    check_error(&format!("profiles:\n- pluginConfig:\n  - name: {plugin}\n    args: {args}\n"), &[expected]);
}

#[test]
fn mistakes_in_arguments() {
    check_bad_args(
        "DefaultPreemption",
        "{minCandidateNodesPercentage: 101}",
        "profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: 101: not in valid range [0-100]",
    );
    check_bad_args(
        "DefaultPreemption",
        "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}",
        "cannot be zero at the same time",
    );
    check_bad_args("InterPodAffinity", "{hardPodAffinityWeight: -1}", "hardPodAffinityWeight: Invalid value: -1");
    check_bad_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: Best}}",
        "scoringStrategy.type: Unsupported value: \"Best\"",
    );
    check_bad_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: RequestedToCapacityRatio}}",
        "shape: Required value: at least one point must be specified",
    );
    check_bad_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50, score: 11}, {utilization: 40}]}}}",
        "shape[0].score: Invalid value: 11: not in valid range [0-10]",
    );
    check_bad_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50}, {utilization: 40}]}}}",
        "utilization values must be sorted in increasing order",
    );
    check_bad_args(
        "NodeResourcesFit",
        "{scoringStrategy: {resources: [{name: cpu, weight: 101}]}}",
        "resource weight of cpu not in valid range [1-100]",
    );
    check_bad_args("NodeResourcesFit", "{ignoredResourceGroups: [a/b]}", "resource group name can't contain '/'");
    check_bad_args(
        "NodeResourcesBalancedAllocation",
        "{resources: [{name: cpu, weight: 2}]}",
        "resources[0].weight: Invalid value: 2: must be 1",
    );
    check_bad_args(
        "PodTopologySpread",
        "{defaultConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]}",
        "when .defaultingType is System, .defaultConstraints must be empty",
    );
    check_bad_args(
        "PodTopologySpread",
        "{defaultingType: List, defaultConstraints: [{maxSkew: 0, topologyKey: '', whenUnsatisfiable: Never}]}",
        "defaultConstraints[0].maxSkew: Invalid value: 0",
    );
    check_bad_args("VolumeBinding", "{bindTimeoutSeconds: -1}", "should not be a negative value");
    check_bad_args("InterPodAffinity", "{hardWeight: 1}", "unknown field");
    check_bad_args("ImageLocality", "{}", "no plugin of this name takes arguments");
}
