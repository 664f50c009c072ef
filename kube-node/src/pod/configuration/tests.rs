//! Specs in, configurations out.

use k8s_openapi::api::core::v1::{Capabilities, Container, ContainerPort, PodDNSConfig, PodDNSConfigOption};

use super::*;
use crate::pod::fixture::{container as maker, container_with_resources, pod};

fn defaults() -> NodeDefaults {
    NodeDefaults {
        cluster_dns: vec!["10.96.0.10".into()],
        cluster_domain: "cluster.local".into(),
        host_dns: DnsConfig {
            servers: vec!["192.0.2.53".into()],
            searches: vec!["example.com".into()],
            options: vec![],
        },
        log_root: "/var/log/pods".into(),
        memory_capacity_bytes: 4 << 30,
    }
}

#[test]
fn a_sandbox_bears_the_pods_identity() {
    let mut pod = pod("Always", vec![], vec![maker("a")]);
    pod.metadata.labels = Some([("app".to_owned(), "web".to_owned())].into());
    let config = sandbox(&pod, 2, &defaults());
    assert_eq!((config.attempt, config.hostname.as_str()), (2, "p"));
    assert_eq!(config.log_directory, "/var/log/pods/ns_p_uid-1");
    assert_eq!(config.labels[POD_UID_LABEL], "uid-1");
    assert_eq!(config.labels["app"], "web");
    assert_eq!(config.namespaces.pid, NamespaceMode::Container);
}

#[track_caller]
fn check_dns(policy: &str, host_network: bool, servers: &[&str], searches: &[&str]) {
    let mut pod = pod("Always", vec![], vec![]);
    let spec = pod.spec.as_mut().expect("spec");
    spec.dns_policy = Some(policy.into());
    spec.host_network = Some(host_network);
    let config = dns(&pod, &defaults());
    assert_eq!(
        (config.servers, config.searches),
        (servers.iter().map(|&s| s.to_owned()).collect(), searches.iter().map(|&s| s.to_owned()).collect(),)
    );
}

#[test]
fn dns_policies() {
    let cluster = ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"];
    check_dns("ClusterFirst", false, &["10.96.0.10"], &cluster);
    check_dns("ClusterFirst", true, &["192.0.2.53"], &["example.com"]);
    check_dns("ClusterFirstWithHostNet", true, &["10.96.0.10"], &cluster);
    check_dns("Default", false, &["192.0.2.53"], &["example.com"]);
    check_dns("None", false, &[], &[]);
}

#[test]
fn own_dns_settings_come_on_top() {
    let mut pod = pod("Always", vec![], vec![]);
    let option = PodDNSConfigOption { name: Some("ndots".into()), value: Some("2".into()) };
    pod.spec.as_mut().expect("spec").dns_config = Some(PodDNSConfig {
        nameservers: Some(vec!["9.9.9.9".into(), "10.96.0.10".into()]),
        searches: None,
        options: Some(vec![option]),
    });
    let config = dns(&pod, &defaults());
    assert_eq!(config.servers, ["10.96.0.10", "9.9.9.9"]);
    assert_eq!(config.options, ["ndots:2"]);
}

#[test]
fn resolvers_look_at_three_servers_and_at_each_domain_once() {
    let mut pod = pod("Always", vec![], vec![]);
    let own = |text: &str| Some(serde_json::from_str(text).expect("settings"));
    pod.spec.as_mut().expect("spec").dns_config =
        own(r#"{"nameservers":["1.1.1.1","2.2.2.2","3.3.3.3"],"searches":["cluster.local","own.example"]}"#);
    let mut defaults = defaults();
    defaults.host_dns.searches.push("cluster.local".into());
    let config = dns(&pod, &defaults);
    assert_eq!(config.servers, ["10.96.0.10", "1.1.1.1", "2.2.2.2"]);
    let searches = ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com", "own.example"];
    assert_eq!(config.searches, searches);
    // Without a name server of the cluster the node's is taken.
    defaults.cluster_dns.clear();
    assert_eq!(dns(&pod, &defaults).servers[0], "192.0.2.53");
    let spec = pod.spec.as_mut().expect("spec");
    spec.dns_policy = Some("None".into());
    spec.dns_config = own(r#"{"nameservers":["9.9.9.9"],"options":[{"name":"edns0"},{"name":"ndots","value":"3"}]}"#);
    let config = dns(&pod, &defaults);
    assert_eq!((config.servers, config.options), (vec!["9.9.9.9".into()], vec!["edns0".into(), "ndots:3".into()]));
}

/// The namespaces of a pod with this spec: network, processes, IPC.
#[track_caller]
fn check_namespaces(spec: &str, expected: [NamespaceMode; 3]) {
    let mut pod = pod("Always", vec![], vec![]);
    pod.spec = Some(serde_json::from_str(spec).expect("a spec"));
    let Namespaces { network, pid, ipc } = sandbox(&pod, 0, &defaults()).namespaces;
    assert_eq!([network, pid, ipc], expected);
}

#[test]
fn namespaces_are_shared_as_asked() {
    use NamespaceMode::{Container, Node, Pod};
    check_namespaces(r#"{"containers":[]}"#, [Pod, Container, Pod]);
    check_namespaces(r#"{"containers":[],"shareProcessNamespace":true}"#, [Pod, Pod, Pod]);
    check_namespaces(r#"{"containers":[],"hostPID":true,"hostIPC":true}"#, [Pod, Node, Node]);
    check_namespaces(r#"{"containers":[],"hostNetwork":true}"#, [Node, Container, Pod]);
}

#[test]
fn a_sandbox_has_what_its_containers_need() {
    let mut pod = pod("Always", vec![], vec![maker("a")]);
    let spec = pod.spec.as_mut().expect("spec");
    spec.host_network = Some(true);
    let context =
        r#"{"fsGroup":2000,"supplementalGroups":[1,2],"sysctls":[{"name":"net.ipv4.ip_forward","value":"1"}]}"#;
    spec.security_context = Some(serde_json::from_str(context).expect("a context"));
    let config = sandbox(&pod, 0, &defaults());
    assert_eq!(config.hostname, "", "on the node's network the name is the node's");
    assert_eq!(config.supplemental_groups, [1, 2, 2000]);
    assert_eq!(config.sysctls["net.ipv4.ip_forward"], "1");
    assert!(!config.privileged);
    let privileged = SecurityContext { privileged: Some(true), ..SecurityContext::default() };
    let sidecar = Container { security_context: Some(privileged), ..maker("i") };
    pod.spec.as_mut().expect("spec").init_containers = Some(vec![sidecar]);
    assert!(sandbox(&pod, 0, &defaults()).privileged, "an init container is one of them");
}

/// What the settings of the pod and of the container come to.
#[track_caller]
fn check_security(pod_context: &str, own: &str, check: impl FnOnce(ContainerSecurity)) {
    let mut spec = maker("a");
    spec.security_context = Some(serde_json::from_str(own).expect("a context"));
    let mut pod = pod("Always", vec![], vec![spec.clone()]);
    pod.spec.as_mut().expect("spec").security_context = Some(serde_json::from_str(pod_context).expect("a context"));
    let made = container(&pod, &spec, ContainerInputs::default(), &defaults()).expect("allowed");
    check(made.security);
}

#[test]
fn a_containers_own_settings_come_before_the_pods() {
    let pod = r#"{"runAsUser":1,"runAsGroup":2,"fsGroup":3,"supplementalGroups":[4]}"#;
    check_security(pod, "{}", |made| {
        assert_eq!((made.run_as_user, made.run_as_group), (Some(1), Some(2)));
        assert_eq!(made.supplemental_groups, [4, 3]);
    });
    check_security(pod, r#"{"runAsUser":0,"runAsGroup":9}"#, |made| {
        assert_eq!((made.run_as_user, made.run_as_group), (Some(0), Some(9)));
    });
}

#[test]
fn profiles_of_seccomp_and_apparmor() {
    use SecurityProfile::{Localhost, RuntimeDefault, Unconfined};
    let typed = |field: &str, type_: &str| format!(r#"{{"{field}":{{"type":"{type_}","localhostProfile":"p.json"}}}}"#);
    let seccomp = |pod: &str, own: &str, expected: SecurityProfile| {
        check_security(pod, own, |made| assert_eq!(made.seccomp, Some(expected)));
    };
    seccomp("{}", "{}", Unconfined);
    seccomp(&typed("seccompProfile", "RuntimeDefault"), "{}", RuntimeDefault);
    seccomp(&typed("seccompProfile", "RuntimeDefault"), &typed("seccompProfile", "Unconfined"), Unconfined);
    let local = Localhost("/var/lib/kubelet/seccomp/p.json".into());
    seccomp("{}", &typed("seccompProfile", "Localhost"), local);
    seccomp(&typed("seccompProfile", "RuntimeDefault"), r#"{"privileged":true}"#, Unconfined);
    let apparmor = |pod: &str, own: &str, expected: Option<SecurityProfile>| {
        check_security(pod, own, |made| assert_eq!(made.apparmor, expected));
    };
    apparmor("{}", "{}", None);
    apparmor(&typed("appArmorProfile", "Unconfined"), "{}", Some(Unconfined));
    apparmor(
        &typed("appArmorProfile", "Unconfined"),
        &typed("appArmorProfile", "Localhost"),
        Some(Localhost("p.json".into())),
    );
}

#[test]
fn only_the_privileged_see_all_of_proc() {
    let seen = |own: &str, hidden: bool, frozen: bool| {
        check_security("{}", own, |made| {
            assert_eq!(!made.masked_paths.is_empty(), hidden, "{own}");
            assert_eq!(!made.read_only_paths.is_empty(), hidden, "{own}");
            assert_eq!(made.no_new_privileges, frozen, "{own}");
        });
    };
    seen("{}", true, false);
    seen(r#"{"procMount":"Default","allowPrivilegeEscalation":true}"#, true, false);
    seen(r#"{"procMount":"Unmasked","allowPrivilegeEscalation":false}"#, false, true);
    seen(r#"{"privileged":true}"#, false, false);
}

#[test]
fn last_words_have_a_place_and_a_policy() {
    let words = |more: &str| {
        let spec: Container = serde_json::from_str(&format!(r#"{{"name":"a"{more}}}"#)).expect("a container");
        let pod = pod("Always", vec![], vec![]);
        let made = container(&pod, &spec, ContainerInputs::default(), &defaults()).expect("allowed");
        (made.annotations[TERMINATION_PATH_ANNOTATION].clone(), made.annotations[TERMINATION_POLICY_ANNOTATION].clone())
    };
    assert_eq!(words(""), ("/dev/termination-log".into(), "File".into()));
    let own = r#","terminationMessagePath":"/tmp/end","terminationMessagePolicy":"FallbackToLogsOnError""#;
    assert_eq!(words(own), ("/tmp/end".into(), "FallbackToLogsOnError".into()));
}

#[test]
fn host_ports() {
    let mut published = maker("a");
    let port = |host_port| ContainerPort { container_port: 80, host_port, ..ContainerPort::default() };
    published.ports = Some(vec![port(None), port(Some(8080))]);
    let mut pod = pod("Always", vec![], vec![published]);
    let mappings = sandbox(&pod, 0, &defaults()).port_mappings;
    assert_eq!(mappings.iter().map(|m| (m.host_port, m.container_port)).collect::<Vec<_>>(), [(8080, 80)]);
    pod.spec.as_mut().expect("spec").host_network = Some(true);
    assert!(sandbox(&pod, 0, &defaults()).port_mappings.is_empty());
}

#[track_caller]
fn check_resources(requests: &[(&str, &str)], limits: &[(&str, &str)], expected: (i64, i64, i64, i64)) {
    let container = container_with_resources("a", requests, limits);
    let made = resources(&PodSpec { containers: vec![container.clone()], ..PodSpec::default() }, &container, 4 << 30);
    assert_eq!((made.cpu_shares, made.cpu_quota, made.cpu_period, made.memory_bytes_max), expected);
}

#[test]
fn kernel_limits() {
    check_resources(&[], &[], (2, 0, 0, 0));
    check_resources(&[("cpu", "250m")], &[], (256, 0, 0, 0));
    check_resources(&[], &[("cpu", "500m"), ("memory", "64Mi")], (512, 50_000, 100_000, 64 << 20));
    check_resources(&[("cpu", "100m")], &[("cpu", "1m")], (102, 1_000, 100_000, 0));
    check_resources(&[("cpu", "1E")], &[("cpu", "1E")], (262_144, i64::MAX / 1_000, 100_000, 0));
}

#[test]
fn a_container_in_full() {
    let mut spec = maker("a");
    spec.command = Some(vec!["run".into(), "$(A)".into(), "$(B)".into()]);
    spec.security_context = Some(SecurityContext {
        run_as_user: Some(1000),
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { add: Some(vec!["NET_ADMIN".into()]), drop: Some(vec!["ALL".into()]) }),
        ..SecurityContext::default()
    });
    let pod = pod("Always", vec![], vec![spec.clone()]);
    let inputs = ContainerInputs { attempt: 3, env: vec![("A".into(), "x".into())], ..ContainerInputs::default() };
    let config = container(&pod, &spec, inputs, &defaults()).expect("a configuration");
    assert_eq!(config.command, ["run", "x", "$(B)"]);
    assert_eq!(config.log_path, "a/3.log");
    assert_eq!(config.annotations[RESTART_COUNT_ANNOTATION], "3");
    assert_eq!(config.annotations[HASH_ANNOTATION], members::hash(&spec));
    let security = &config.security;
    assert_eq!((security.run_as_user, security.no_new_privileges, security.read_only_root), (Some(1000), true, true));
    assert_eq!(security.capabilities_drop, ["ALL"]);
    assert_eq!(security.seccomp, Some(SecurityProfile::Unconfined));
    assert!(security.masked_paths.iter().any(|path| path == "/proc/kcore"));
}

/// By the user of the spec, the user of the image (a number or a name), and what is said against it.
#[track_caller]
fn check_root(run_as_user: Option<i64>, image: (Option<i64>, &str), expected: Option<&str>) {
    let mut spec = maker("a");
    spec.security_context =
        Some(SecurityContext { run_as_user, run_as_non_root: Some(true), ..SecurityContext::default() });
    let image = Image { uid: image.0, username: image.1.into(), ..Image::default() };
    let inputs = ContainerInputs { image, ..ContainerInputs::default() };
    let strict = pod("Always", vec![], vec![spec.clone()]);
    let refused = container(&strict, &spec, inputs.clone(), &defaults()).err().map(|refused| refused.0);
    assert_eq!(refused, expected.map(|text| format!("{text} (pod: \"p_ns(uid-1)\", container: a)")));
    spec.security_context.as_mut().expect("it has one").run_as_non_root = None;
    container(&strict, &spec, inputs, &defaults()).expect("root may run where nobody minds");
}

#[test]
fn root_is_refused_where_it_must_not_be() {
    check_root(Some(0), (Some(1), ""), Some("container's runAsUser breaks non-root policy"));
    check_root(Some(1), (Some(0), ""), None);
    check_root(None, (Some(1), ""), None);
    check_root(None, (Some(0), ""), Some("container has runAsNonRoot and image will run as root"));
    check_root(None, (None, ""), Some("container has runAsNonRoot and image will run as root"));
    let named = "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root";
    check_root(None, (None, "web"), Some(named));
}

/// By the user of the spec and the user of the image.
#[track_caller]
fn check_user(run_as_user: Option<i64>, image: (Option<i64>, &str), expected: (Option<i64>, &str)) {
    let mut spec = maker("a");
    spec.security_context =
        Some(SecurityContext { run_as_user, run_as_group: Some(3000), ..SecurityContext::default() });
    let image = Image { uid: image.0, username: image.1.into(), ..Image::default() };
    let inputs = ContainerInputs { image, ..ContainerInputs::default() };
    let security = container(&pod("Always", vec![], vec![]), &spec, inputs, &defaults()).expect("allowed").security;
    assert_eq!((security.run_as_user, security.run_as_username.as_str()), expected);
    assert_eq!(security.run_as_group, Some(3000));
}

#[test]
fn a_group_goes_with_the_user_of_the_spec_or_of_the_image() {
    check_user(Some(5), (Some(1), ""), (Some(5), ""));
    check_user(Some(5), (None, "web"), (Some(5), ""));
    check_user(None, (Some(1), ""), (Some(1), ""));
    check_user(None, (None, ""), (Some(0), ""));
    check_user(None, (None, "web"), (None, "web"));
}

#[test]
fn host_names_fit() {
    let mut pod = pod("Always", vec![], vec![]);
    pod.metadata.name = Some(format!("{}-x", "a".repeat(62)));
    assert_eq!(hostname(&pod), "a".repeat(62));
    pod.spec.as_mut().expect("spec").hostname = Some("own".into());
    assert_eq!(hostname(&pod), "own");
}

/// The name inside a pod with this spec, in a sandbox too.
#[track_caller]
fn check_name(spec: &str, expected: Result<&str, &str>) {
    let mut pod = pod("Always", vec![], vec![]);
    pod.spec = Some(serde_json::from_str(spec).expect("a spec"));
    let name = kernel_hostname(&pod, &defaults());
    assert_eq!(name.as_deref().map_err(String::as_str), expected);
    assert_eq!(sandbox(&pod, 0, &defaults()).hostname, expected.unwrap_or_default());
}

#[test]
fn names_with_their_domain() {
    check_name(r#"{"containers":[],"setHostnameAsFQDN":true}"#, Ok("p"));
    check_name(r#"{"containers":[],"subdomain":"web"}"#, Ok("p"));
    let both = r#"{"containers":[],"hostname":"web-0","subdomain":"web","setHostnameAsFQDN":true}"#;
    check_name(both, Ok("web-0.web.ns.svc.cluster.local"));
    let long = format!(r#"{{"containers":[],"subdomain":"{}","setHostnameAsFQDN":true}}"#, "w".repeat(44));
    let name = format!("p.{}.ns.svc.cluster.local", "w".repeat(44));
    let too_long = format!(
        "failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long (64 characters is the max, \
         {} characters requested)",
        name.len()
    );
    check_name(&long, Err(&too_long));
    let on_the_node = long.replace("{\"containers\"", "{\"hostNetwork\":true,\"containers\"");
    let mut pod = pod("Always", vec![], vec![]);
    pod.spec = Some(serde_json::from_str(&on_the_node).expect("a spec"));
    assert_eq!(kernel_hostname(&pod, &defaults()).as_deref(), Ok("p"), "the kernel's name is the node's there");
}
