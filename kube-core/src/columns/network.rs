//! Services, endpoints, ingresses and network policies.

use super::format::{self, NONE, UNSET, first_of, name, object_age, or};
use super::{AGE, NAME, Table, column, wide};
use crate::rules::access::{get, int, list, text, texts};
use serde_json::Value;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "Service" => &SERVICE,
        "Endpoints" => &ENDPOINTS,
        "EndpointSlice" => &ENDPOINT_SLICE,
        "Ingress" => &INGRESS,
        "IngressClass" => &INGRESS_CLASS,
        "NetworkPolicy" => &NETWORK_POLICY,
        "ServiceCIDR" => &SERVICE_CIDR,
        "IPAddress" => &IP_ADDRESS,
        _ => return None,
    })
}

/// How many endpoints, ports and hosts a cell shows.
const SHOWN: usize = 3;

static SERVICE: Table = Table {
    columns: &[
        NAME,
        column("Type", "How the service is exposed."),
        column("Cluster-IP", "Address inside the cluster."),
        column("External-IP", "Addresses outside the cluster."),
        column("Port(s)", "Ports, with their node ports."),
        AGE,
        wide("Selector", "Labels of the pods behind the service."),
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let ports: Vec<String> = list(spec, "ports").iter().map(port).collect();
        vec![
            name(object),
            text(spec, "type").into(),
            texts(spec, "clusterIPs").next().unwrap_or(or(text(spec, "clusterIP"), NONE)).into(),
            external_ip(object).into(),
            or(&ports.join(","), NONE).into(),
            object_age(object, now),
            format::labels(spec, "selector").into(),
        ]
    },
};

fn port(port: &Value) -> String {
    let (number, protocol) = (int(port, "port").unwrap_or(0), text(port, "protocol"));
    match int(port, "nodePort").unwrap_or(0) {
        0 => format!("{number}/{protocol}"),
        node_port => format!("{number}:{node_port}/{protocol}"),
    }
}

fn external_ip(service: &Value) -> String {
    let spec = &service["spec"];
    let external: Vec<&str> = texts(spec, "externalIPs").collect();
    let external = external.join(",");
    match text(spec, "type") {
        "ClusterIP" | "NodePort" => or(&external, NONE).to_owned(),
        "LoadBalancer" => match (format::load_balancer(service), external) {
            (balancer, external) if balancer.is_empty() => or(&external, "<pending>").to_owned(),
            (balancer, external) if external.is_empty() => balancer,
            (balancer, external) => format!("{balancer},{external}"),
        },
        "ExternalName" => text(spec, "externalName").to_owned(),
        _ => format::UNKNOWN.to_owned(),
    }
}

static ENDPOINTS: Table =
    Table {
        columns: &[NAME, column("Endpoints", "Addresses and ports that are ready."), AGE],
        cells: |object, now| {
            let mut all = Vec::new();
            for subset in list(object, "subsets") {
                let addresses = list(subset, "addresses").iter().map(|address| text(address, "ip"));
                let ports = list(subset, "ports");
                if ports.is_empty() {
                    all.extend(addresses.map(str::to_owned));
                    continue;
                }
                for port in ports {
                    let number = int(port, "port").unwrap_or(0);
                    all.extend(addresses.clone().map(|ip| {
                        if ip.contains(':') { format!("[{ip}]:{number}") } else { format!("{ip}:{number}") }
                    }));
                }
            }
            let none = if list(object, "subsets").is_empty() { NONE } else { "" };
            vec![name(object), first_of(&all, SHOWN, none).into(), object_age(object, now)]
        },
    };

static ENDPOINT_SLICE: Table = Table {
    columns: &[
        NAME,
        column("AddressType", "Kind of the addresses."),
        column("Ports", "Ports of every endpoint."),
        column("Endpoints", "Addresses of the endpoints."),
        AGE,
    ],
    cells: |object, now| {
        let ports: Vec<String> = list(object, "ports")
            .iter()
            .map(|port| match (int(port, "port"), get(port, "name")) {
                (Some(number), _) => number.to_string(),
                (None, Some(_)) => text(port, "name").to_owned(),
                (None, None) => "*".to_owned(),
            })
            .collect();
        let addresses: Vec<String> = list(object, "endpoints")
            .iter()
            .flat_map(|endpoint| texts(endpoint, "addresses"))
            .map(str::to_owned)
            .collect();
        vec![
            name(object),
            text(object, "addressType").into(),
            first_of(&ports, SHOWN, UNSET).into(),
            first_of(&addresses, SHOWN, UNSET).into(),
            object_age(object, now),
        ]
    },
};

static INGRESS: Table = Table {
    columns: &[
        NAME,
        column("Class", "Ingress class that serves it."),
        column("Hosts", "Host names that requests are matched against."),
        column("Address", "Addresses of the load balancer."),
        column("Ports", "Ports that requests come in on."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let rules = list(spec, "rules");
        let hosts: Vec<String> =
            rules.iter().map(|rule| text(rule, "host").to_owned()).filter(|host| !host.is_empty()).collect();
        let class = get(spec, "ingressClassName").map_or(NONE, |_| text(spec, "ingressClassName"));
        vec![
            name(object),
            class.into(),
            first_of(&hosts, SHOWN, "*").into(),
            format::load_balancer(object).into(),
            if list(spec, "tls").is_empty() { "80" } else { "80, 443" }.into(),
            object_age(object, now),
        ]
    },
};

static INGRESS_CLASS: Table = Table {
    columns: &[
        NAME,
        column("Controller", "Controller that serves the class."),
        column("Parameters", "Object with further settings of the class."),
        AGE,
    ],
    cells: |object, now| {
        let parameters = get(&object["spec"], "parameters").map_or(NONE.to_owned(), |parameters| {
            let group = text(parameters, "apiGroup");
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", text(parameters, "kind"), text(parameters, "name"))
        });
        vec![name(object), text(&object["spec"], "controller").into(), parameters.into(), object_age(object, now)]
    },
};

static NETWORK_POLICY: Table = Table {
    columns: &[NAME, column("Pod-Selector", "Pods that the policy is for."), AGE],
    cells: |object, now| {
        let selector = format::selector(get(&object["spec"], "podSelector"));
        vec![name(object), selector.into(), object_age(object, now)]
    },
};

static SERVICE_CIDR: Table = Table {
    columns: &[NAME, column("CIDRs", "Ranges that cluster IPs come from."), AGE],
    cells: |object, now| {
        let ranges: Vec<&str> = texts(&object["spec"], "cidrs").collect();
        vec![name(object), ranges.join(",").into(), object_age(object, now)]
    },
};

static IP_ADDRESS: Table = Table {
    columns: &[NAME, column("ParentRef", "Object that holds the address."), AGE],
    cells: |object, now| {
        let parent = get(&object["spec"], "parentRef").map_or(NONE.to_owned(), |parent| {
            let mut shown = text(parent, "resource").to_lowercase();
            if !text(parent, "group").is_empty() {
                shown = format!("{shown}.{}", text(parent, "group").to_lowercase());
            }
            if !text(parent, "namespace").is_empty() {
                shown = format!("{shown}/{}", text(parent, "namespace"));
            }
            format!("{shown}/{}", text(parent, "name"))
        });
        vec![name(object), parent.into(), object_age(object, now)]
    },
};
