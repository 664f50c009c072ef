//! Containers and sources in, variables out.

use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapEnvSource, ConfigMapKeySelector, EnvFromSource, EnvVar, ObjectFieldSelector, Secret,
    SecretKeySelector, ServicePort, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::*;
use crate::pod::fixture::{container, pod};

fn sources() -> Sources {
    let mut sources = Sources::default();
    let data = [("COLOR".to_owned(), "blue".to_owned()), ("SIZE".to_owned(), "big".to_owned())].into();
    sources.add_config_map("cm", &ConfigMap { data: Some(data), ..ConfigMap::default() });
    let data = [("pw".to_owned(), k8s_openapi::ByteString(b"hidden".to_vec()))].into();
    sources.add_secret("sec", &Secret { data: Some(data), ..Secret::default() });
    sources
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
}

fn from(name: &str, source: EnvVarSource) -> EnvVar {
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}

fn config_map_key(key: &str, optional: bool) -> EnvVarSource {
    let key = ConfigMapKeySelector { name: "cm".into(), key: key.into(), optional: Some(optional) };
    EnvVarSource { config_map_key_ref: Some(key), ..EnvVarSource::default() }
}

#[track_caller]
fn check(env_from: Vec<EnvFromSource>, env: Vec<EnvVar>, expected: Result<&[(&str, &str)], &str>) {
    let mut container = container("a");
    container.env_from = Some(env_from);
    container.env = Some(env);
    let place = Place { node_name: "n1".into(), ..Place::default() };
    let services = [("SVC_SERVICE_HOST".to_owned(), "10.96.0.9".to_owned())];
    let variables = environment(&pod("Always", vec![], vec![]), &container, &place, &sources(), &services);
    let expected: Result<Vec<(String, String)>, ConfigError> = expected
        .map(|pairs| {
            let first = ("SVC_SERVICE_HOST", "10.96.0.9");
            std::iter::once(&first).chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        })
        .map_err(|text| ConfigError(text.to_owned()));
    assert_eq!(variables, expected);
}

#[test]
fn values_and_references() {
    check(
        vec![],
        vec![variable("A", "1"), variable("B", "$(A)-$(SVC_SERVICE_HOST)-$(C)-$$(A)")],
        Ok(&[("A", "1"), ("B", "1-10.96.0.9-$(C)-$(A)")]),
    );
    check(vec![], vec![variable("A", "1"), variable("A", "2")], Ok(&[("A", "2")]));
    check(vec![], vec![from("C", config_map_key("COLOR", false))], Ok(&[("C", "blue")]));
    check(vec![], vec![from("C", config_map_key("absent", true))], Ok(&[]));
    check(vec![], vec![from("C", config_map_key("absent", false))], Err("couldn't find key absent in ConfigMap ns/cm"));
    let key = SecretKeySelector { name: "sec".into(), key: "pw".into(), optional: None };
    check(
        vec![],
        vec![from("P", EnvVarSource { secret_key_ref: Some(key), ..Default::default() })],
        Ok(&[("P", "hidden")]),
    );
    let key = SecretKeySelector { name: "gone".into(), key: "pw".into(), optional: None };
    check(
        vec![],
        vec![from("P", EnvVarSource { secret_key_ref: Some(key), ..Default::default() })],
        Err("secret \"gone\" not found"),
    );
    let field = ObjectFieldSelector { api_version: None, field_path: "spec.nodeName".into() };
    check(vec![], vec![from("N", EnvVarSource { field_ref: Some(field), ..Default::default() })], Ok(&[("N", "n1")]));
}

#[test]
fn whole_config_maps() {
    let reference = |name: &str, optional| EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource { name: name.into(), optional }),
        prefix: Some("P_".into()),
        secret_ref: None,
    };
    check(vec![reference("cm", None)], vec![variable("P_SIZE", "own")], Ok(&[("P_COLOR", "blue"), ("P_SIZE", "own")]));
    check(vec![reference("gone", Some(true))], vec![], Ok(&[]));
    check(vec![reference("gone", None)], vec![], Err("configmap \"gone\" not found"));
}

#[test]
fn expansion() {
    let lookup = |name: &str| (name == "A").then_some("x");
    for (text, expected) in [
        ("$(A)", "x"),
        ("$A", "$A"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$(A", "$(A"),
        ("a$", "a$"),
        ("$(A)$(A)", "xx"),
    ] {
        assert_eq!(expand(text, lookup), expected, "{text}");
    }
}

fn service(namespace: &str, name: &str, ip: &str) -> Service {
    let port =
        ServicePort { name: Some("http-x".into()), port: 80, protocol: Some("TCP".into()), ..Default::default() };
    Service {
        metadata: ObjectMeta { namespace: Some(namespace.into()), name: Some(name.into()), ..Default::default() },
        spec: Some(ServiceSpec { cluster_ip: Some(ip.into()), ports: Some(vec![port]), ..Default::default() }),
        status: None,
    }
}

#[test]
fn services_are_found_by_variables() {
    let all = [
        service("ns", "my-db", "10.96.0.9"),
        service("ns", "headless", "None"),
        service("other", "far", "10.96.0.7"),
        service("default", "kubernetes", "10.96.0.1"),
    ];
    let names = |links| -> Vec<String> {
        service_variables("ns", links, all.iter()).into_iter().map(|(k, v)| format!("{k}={v}")).collect()
    };
    let with = names(true);
    for wanted in [
        "MY_DB_SERVICE_HOST=10.96.0.9",
        "MY_DB_SERVICE_PORT=80",
        "MY_DB_SERVICE_PORT_HTTP_X=80",
        "MY_DB_PORT=tcp://10.96.0.9:80",
        "MY_DB_PORT_80_TCP=tcp://10.96.0.9:80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_ADDR=10.96.0.9",
        "KUBERNETES_SERVICE_HOST=10.96.0.1",
    ] {
        assert!(with.iter().any(|line| line == wanted), "{wanted}");
    }
    assert!(!with.iter().any(|line| line.starts_with("FAR") || line.starts_with("HEADLESS")));
    assert!(names(false).iter().all(|line| line.starts_with("KUBERNETES_")));
}
