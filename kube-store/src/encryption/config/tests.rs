//! Configurations that are taken, and what is said of others.

use super::{EncryptionConfiguration, Resource};

const KEY: &str = "c2VjcmV0IGlzIHNlY3VyZQ==";
const LONG_KEY: &str = "dGhpcy1pcy1hLTMyLWJ5dGUta2V5LWZvci10ZXN0cyE=";

/// A configuration with these resources and providers, in flow style.
fn text(resources: &str, providers: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: {resources}\n  \
         providers: {providers}\n"
    )
}

#[track_caller]
fn check(text: &str, expected: Result<&str, &[&str]>) {
    match (EncryptionConfiguration::parse(text), expected) {
        (Ok(read), Ok(expected)) => assert_eq!(format!("{read:?}"), expected),
        (Err(error), Err(expected)) => {
            let error = error.to_string();
            assert!(!error.contains(KEY) && !error.contains(LONG_KEY), "a message shows a secret: {error}");
            for expected in expected {
                assert!(error.contains(expected), "{error} lacks {expected:?}");
            }
        }
        (found, _) => panic!("{found:?}"),
    }
}

#[test]
fn every_provider_is_read() {
    let providers = format!(
        "[{{aesgcm: {{keys: [{{name: a, secret: {KEY}}}, {{name: b, secret: {LONG_KEY}}}]}}}}, {{aescbc: {{keys: [{{name: \
         c, secret: {KEY}}}]}}}}, {{secretbox: {{keys: [{{name: d, secret: {LONG_KEY}}}]}}}}, {{identity: {{}}}}]"
    );
    let expected = "[([\"secrets\", \"configmaps\"], [k8s:enc:aesgcm:v1:a:, k8s:enc:aesgcm:v1:b:, k8s:enc:aescbc:v1:c:, \
                    k8s:enc:secretbox:v1:d:, Identity])]";
    check(&text("[secrets, configmaps]", &providers), Ok(expected));
}

#[test]
fn what_is_wrong_is_said_as_kubernetes_says_it() {
    let identity = "[{identity: {}}]";
    check("", Err(&[]));
    check("kind: Pod\napiVersion: v1\n", Err(&["no kind \"Pod\" is registered for version \"v1\""]));
    check(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n",
        Err(&["resources: Required value: at least one resources is required"]),
    );
    check(
        &text("[]", "[]"),
        Err(&[
            "resources[0].resources: Required value: at least one resources[0].resources is required",
            "resources[0].providers: Required value: at least one resources[0].providers is required",
        ]),
    );
    check(&text("[Secrets]", identity), Err(&["resource name should not contain capital letters"]));
    check(&text("['*']", identity), Err(&["use '*.' to encrypt all the resources from core API group"]));
    check(&text("['secrets.*']", identity), Err(&["encrypting the same resource across groups is not supported"]));
    check(&text("[ingresses.extensions]", identity), Err(&["'extensions' group has been removed"]));
    check(&text("[secrets, secrets]", identity), Err(&["the same resource cannot be specified multiple times"]));
    check(&text("[secrets, '*.']", identity), Err(&["using overlapping resources such as 'secrets' and '*.'"]));
    check(&text("['*.*', pods]", identity), Err(&["using overlapping resources"]));
    check(&text("[secrets]", "[{}]"), Err(&["provider does not contain any of the expected providers"]));
    let two = format!("[{{identity: {{}}, aesgcm: {{keys: [{{name: a, secret: {KEY}}}]}}}}]");
    check(&text("[secrets]", &two), Err(&["more than one provider specified in a single element"]));
}

#[test]
fn keys_are_checked_and_never_shown() {
    let key = |key: &str| text("[secrets]", &format!("[{{secretbox: {{keys: [{key}]}}}}]"));
    let path = "resources[0].providers[0].secretbox.keys";
    check(&key(""), Err(&[&format!("{path}: Required value: at least one keys is required")]));
    check(
        &key("{}"),
        Err(&[
            &format!("{path}[0].name: Required value: name is a mandatory field for a key"),
            &format!("{path}[0].secret: Required value: secret is a mandatory field for a key"),
        ]),
    );
    check(
        &key(&format!("{{name: a, secret: {KEY}}}")),
        Err(&[&format!(
            "{path}[0].secret: Invalid value: \"REDACTED\": secret is not of the expected length, got 16, expected one of \
             [32]"
        )]),
    );
    check(
        &key("{name: a, secret: '%%%'}"),
        Err(&[&format!("{path}[0].secret: Invalid value: \"REDACTED\": secrets must be base64 encoded")]),
    );
    check(&key(&format!("{{name: a, secret: {KEY}, more: 1}}")), Err(&["more"]));
    check(&key(&format!("{{name: a, secret: [{KEY}]}}")), Err(&[]));
    check(&key(&format!("{{name: a, secret: {LONG_KEY}")), Err(&[]));
}

#[test]
fn kms_is_checked() {
    let kms = |kms: &str| text("[secrets]", &format!("[{{kms: {kms}}}]"));
    check(
        &kms("{apiVersion: v2}"),
        Err(&["kms.name: Required value: name is a mandatory field", "endpoint is a mandatory field for a kms"]),
    );
    check(
        &kms("{apiVersion: v2, name: 'a:b', endpoint: 'tcp://localhost:1'}"),
        Err(&["must not contain ':'", "unsupported scheme \"tcp\" for KMS provider, only unix is supported"]),
    );
    for version in ["apiVersion: v1, ", ""] {
        let old = kms(&format!("{{{version}name: a, endpoint: 'unix:///kms'}}"));
        check(&old, Err(&["unsupported apiVersion for KMS provider, only v2 is supported here"]));
    }
    for timeout in ["0s", "-1s", "3", "soon", "''"] {
        let wrong = kms(&format!("{{apiVersion: v2, name: a, endpoint: 'unix:///kms', timeout: {timeout}}}"));
        check(&wrong, Err(&["kms.timeout: Invalid value", "timeout should be a positive value"]));
    }
    check(&kms("{apiVersion: v2, name: a, endpoint: 'unix:///kms', cachesize: 10}"), Err(&["cachesize"]));
    check(&kms("{apiVersion: v2, name: a, endpoint: 'unix:kms'}"), Err(&["no endpoint of the form unix:///path"]));
    let both = "[{kms: {apiVersion: v2, name: a, endpoint: 'unix:///a'}}, {kms: {apiVersion: v2, name: a, endpoint: \
                'unix:///b'}}]";
    check(
        &text("[secrets]", both),
        Err(&["providers[1].kms.name", "duplicate KMS provider name a, names must be unique"]),
    );
    let good = kms("{apiVersion: v2, name: a, endpoint: 'unix:///run/kms.sock', timeout: 1m1.5s}");
    check(&good, Ok("[([\"secrets\"], [k8s:enc:kms:v2:a:])]"));
}

#[test]
fn durations_are_those_of_go() {
    for (text, millis) in [("3s", 3000), ("300ms", 300), ("1m1.5s", 61_500), ("1h", 3_600_000), ("2000us", 2)] {
        assert_eq!(super::validation::duration(text), Some(std::time::Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn rules_have_the_prefixes_of_their_resources() {
    let text = text("[secrets, deployments.apps]", "[{identity: {}}]")
        + "- resources: ['*.batch']\n  providers: [{identity: {}}]\n- resources: ['*.']\n  providers: [{identity: {}}]\n- \
           resources: ['*.*']\n  providers: [{identity: {}}]\n";
    let read = EncryptionConfiguration::parse(&text).unwrap();
    let rules = read.rules(|resource| match resource {
        Resource::Every => "/".to_owned(),
        Resource::Group(group) => format!("/{group}/"),
        Resource::One(group, name) => format!("/{group}/{name}/"),
    });
    let prefixes: Vec<_> = rules.into_iter().map(|rule| rule.prefixes).collect();
    assert_eq!(prefixes, [vec!["//secrets/", "/apps/deployments/"], vec!["/batch/"], vec!["//"], vec!["/"]]);
}

#[test]
fn a_generated_configuration_encrypts_secrets_under_a_key_of_its_own() {
    let (one, other) = (EncryptionConfiguration::generate().unwrap(), EncryptionConfiguration::generate().unwrap());
    assert_ne!(one, other);
    check(&one, Ok("[([\"secrets\"], [k8s:enc:secretbox:v1:key1:, Identity])]"));
}
