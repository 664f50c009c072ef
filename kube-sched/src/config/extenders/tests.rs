//! Extenders in files. Source: "Scheduler Configuration" of the documentation, `validation_test.go` of kube-scheduler.

use super::*;
use crate::config::{ConfigError, SchedulerConfiguration};

fn parse(extenders: &str) -> Result<SchedulerConfiguration, ConfigError> {
    let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nextenders:\n";
    SchedulerConfiguration::parse(&format!("{head}{extenders}"))
}

#[test]
fn everything_that_an_extender_may_say() {
    let read = parse(
        "- urlPrefix: https://127.0.0.1:8888/scheduler\n  filterVerb: filter\n  prioritizeVerb: score\n  preemptVerb: preempt\n  \
         bindVerb: bind\n  weight: 5\n  enableHTTPS: true\n  httpTimeout: 1m30s\n  nodeCacheCapable: true\n  ignorable: true\n  \
         managedResources: [{name: example.com/gpu, ignoredByScheduler: true}, {name: example.com/fpga}]\n  \
         tlsConfig: {insecure: true, serverName: x, certFile: /c, keyFile: /k, caFile: /a, certData: Yw==, keyData: aw==, caData: YQ==}\n",
    )
    .unwrap();
    let mut expected = Extender::new("https://127.0.0.1:8888/scheduler");
    for (field, value) in [
        (&mut expected.filter_verb, "filter"),
        (&mut expected.prioritize_verb, "score"),
        (&mut expected.preempt_verb, "preempt"),
        (&mut expected.bind_verb, "bind"),
        (&mut expected.tls.server_name, "x"),
        (&mut expected.tls.cert_file, "/c"),
        (&mut expected.tls.key_file, "/k"),
        (&mut expected.tls.ca_file, "/a"),
        (&mut expected.tls.cert_data, "Yw=="),
        (&mut expected.tls.key_data, "aw=="),
        (&mut expected.tls.ca_data, "YQ=="),
    ] {
        value.clone_into(field);
    }
    expected.weight = 5;
    expected.http_timeout = Duration::from_secs(90);
    (expected.enable_https, expected.node_cache_capable, expected.ignorable, expected.tls.insecure) =
        (true, true, true, true);
    expected.managed_resources = vec!["example.com/gpu".to_owned(), "example.com/fpga".to_owned()];
    assert_eq!(read.extenders, [expected]);
    let debug = format!("{:?}", read.profiles[0]);
    assert!(debug.contains("ignored_resources: [\"example.com/gpu\"]"), "{debug}");
    assert!(!format!("{:?}", read.extenders).contains("aw=="), "keys are not told");
}

#[test]
fn what_is_left_out() {
    let read = parse("- urlPrefix: http://x:1\n  filterVerb: filter\n").unwrap();
    let extender = &read.extenders[0];
    assert_eq!(
        (extender.http_timeout, extender.ignorable, extender.enable_https),
        (Duration::from_secs(5), false, false)
    );
    assert!(parse("  []\n").unwrap().extenders.is_empty());
}

#[track_caller]
fn check_error(extenders: &str, expected: &str) {
    let error = parse(extenders).map(|read| read.extenders).unwrap_err().to_string();
    assert!(error.contains(expected), "{expected:?} is not in {error:?}");
}

#[test]
fn mistakes() {
    let weight = "extenders[0].weight: Invalid value: 0: must have a positive weight applied to it";
    check_error("- {urlPrefix: 'http://x', prioritizeVerb: score}\n", weight);
    check_error(
        "- {urlPrefix: 'http://x', bindVerb: b}\n- {urlPrefix: 'http://y', bindVerb: b}\n",
        "extenders: Invalid value: found 2 extenders implementing bind: only one extender can implement bind",
    );
    check_error("- {urlPrefix: x}\n", "extenders[0].urlPrefix: Invalid value: \"x\"");
    let name = "extenders[0].managedResources[0].name: Invalid value: \"cpu\": is an invalid extended resource name";
    check_error("- {urlPrefix: 'http://x', managedResources: [{name: cpu}]}\n", name);
    check_error(
        "- {urlPrefix: 'http://x', managedResources: [{name: a.b/c}]}\n- {urlPrefix: 'http://y', managedResources: [{name: a.b/c}]}\n",
        "extenders[1].managedResources[0].name: Invalid value: \"a.b/c\": duplicate extender managed resource name",
    );
    check_error("- {urlPrefix: 'http://x', httpTimeout: soon}\n", "extenders[0].httpTimeout: Invalid value: \"soon\"");
    check_error("- {urlPrefix: 'http://x', tlsConfig: {certFile: /c}}\n", "a certificate and its key go together");
    check_error("- {urlPrefix: 'http://x', filter: f}\n", "unknown field");
}

#[track_caller]
fn check_duration(text: &str, millis: Option<u64>) {
    assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
}

#[test]
fn durations_of_go() {
    for (text, millis) in
        [("5s", 5_000), ("1m30s", 90_000), ("1.5s", 1_500), ("100ms", 100), ("1h", 3_600_000), ("0", 0), ("0s", 0)]
    {
        check_duration(text, Some(millis));
    }
    for text in ["", "5", "s", "5 s", "-5s", "5x", "1..2s", "99999999999999999999h"] {
        check_duration(text, None);
    }
}
