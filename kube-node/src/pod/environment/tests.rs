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
    let binary = [("LOGO".to_owned(), k8s_openapi::ByteString(vec![0, 0xff]))].into();
    let object = ConfigMap { data: Some(data), binary_data: Some(binary), ..ConfigMap::default() };
    sources.add_config_map("cm", &object);
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
    let logo = config_map_key("LOGO", false);
    check(vec![], vec![from("C", logo)], Err("couldn't find key LOGO in ConfigMap ns/cm"));
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
    let twice = vec![reference("cm", None), EnvFromSource { prefix: None, ..reference("cm", None) }];
    let all = &[("P_COLOR", "blue"), ("P_SIZE", "big"), ("COLOR", "blue"), ("SIZE", "big")];
    check(twice, vec![], Ok(all));
}

#[test]
fn whole_secrets() {
    let reference = |name: &str, optional| EnvFromSource {
        secret_ref: Some(k8s_openapi::api::core::v1::SecretEnvSource { name: name.into(), optional }),
        ..EnvFromSource::default()
    };
    check(vec![reference("sec", None)], vec![], Ok(&[("pw", "hidden")]));
    check(vec![reference("gone", None)], vec![], Err("secret \"gone\" not found"));
    check(vec![reference("gone", Some(true))], vec![], Ok(&[]));
}

#[test]
fn variables_stand_for_what_is_before_them() {
    // One that is defined later, or not at all, stays as it is written; a service's comes first of all.
    check(vec![], vec![variable("B", "$(A)"), variable("A", "1")], Ok(&[("B", "$(A)"), ("A", "1")]));
    check(vec![], vec![variable("A", "1"), variable("A", "$(A)2")], Ok(&[("A", "12")]));
    check(vec![], vec![variable("E", ""), variable("F", "<$(E)>")], Ok(&[("E", ""), ("F", "<>")]));
    let cm = EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource { name: "cm".into(), optional: None }),
        ..EnvFromSource::default()
    };
    let expected = &[("COLOR", "blue"), ("SIZE", "big"), ("X", "blue")];
    check(vec![cm], vec![variable("X", "$(COLOR)")], Ok(expected));
    let field = ObjectFieldSelector { api_version: None, field_path: "metadata.name".into() };
    let field = EnvVarSource { field_ref: Some(field), ..Default::default() };
    check(vec![], vec![from("N", field), variable("X", "$(N)!")], Ok(&[("N", "p"), ("X", "p!")]));
}

#[test]
fn sources_that_make_no_sense_are_errors() {
    let field = |path: &str| {
        let field = ObjectFieldSelector { api_version: None, field_path: path.into() };
        from("F", EnvVarSource { field_ref: Some(field), ..Default::default() })
    };
    check(vec![], vec![field("spec.nothing")], Err("unsupported fieldPath: spec.nothing"));
    let nothing = "this source of a variable's value is not supported";
    check(vec![], vec![from("F", EnvVarSource::default())], Err(nothing));
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
        ("$$$(A)", "$x"),
        ("$$$$(A)", "$$(A)"),
        ("$(A$(A))", "$(A$(A))"),
        ("$()", "$()"),
        ("$", "$"),
        ("$$", "$"),
        ("$( A)", "$( A)"),
        ("ü$(A)ü", "üxü"),
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

#[test]
fn variables_of_services_in_full() {
    let mut two = service("ns", "web", "fd00::9");
    let spec = two.spec.as_mut().expect("a spec");
    let more = ServicePort { name: Some("dns".into()), port: 53, protocol: Some("UDP".into()), ..Default::default() };
    spec.ports.as_mut().expect("ports").push(more);
    let shown: Vec<String> =
        service_variables("ns", true, [two].iter()).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        shown,
        [
            "WEB_SERVICE_HOST=fd00::9",
            "WEB_SERVICE_PORT=80",
            "WEB_SERVICE_PORT_HTTP_X=80",
            "WEB_SERVICE_PORT_DNS=53",
            "WEB_PORT=tcp://[fd00::9]:80",
            "WEB_PORT_80_TCP=tcp://[fd00::9]:80",
            "WEB_PORT_80_TCP_PROTO=tcp",
            "WEB_PORT_80_TCP_PORT=80",
            "WEB_PORT_80_TCP_ADDR=fd00::9",
            "WEB_PORT_53_UDP=udp://[fd00::9]:53",
            "WEB_PORT_53_UDP_PROTO=udp",
            "WEB_PORT_53_UDP_PORT=53",
            "WEB_PORT_53_UDP_ADDR=fd00::9",
        ]
    );
}

#[test]
fn a_namespace_may_have_a_service_of_the_api_servers_name() {
    let all = [service("default", "kubernetes", "10.96.0.1"), service("ns", "kubernetes", "10.96.0.2")];
    for (order, services) in [(0, all.clone()), (1, [all[1].clone(), all[0].clone()])] {
        let found = service_variables("ns", true, services.iter());
        assert_eq!(found[0], ("KUBERNETES_SERVICE_HOST".into(), "10.96.0.2".into()), "order {order}");
        let without = service_variables("ns", false, services.iter());
        assert_eq!(without[0], ("KUBERNETES_SERVICE_HOST".into(), "10.96.0.1".into()), "order {order}");
    }
}
