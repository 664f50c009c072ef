//! The objects that every cluster starts with: written at start where they are absent.

use crate::bootstrap_roles::{self, Bootstrap};
use crate::registry::kind::Kind;
use crate::registry::services::family_of;
use crate::registry::write::Commit;
use crate::registry::{Registry, attributes, encode, failure};
use crate::server::Server;
use kubekit_core::decode::format_time;
use kubekit_core::names;
use kubekit_core::status::ApiError;
use kubekit_store::{Entry, Op, Precondition, Txn};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The namespaces of every cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Priority classes for the parts of the cluster itself. Source: `pkg/apis/scheduling`.
const PRIORITY_CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

/// The Service through which Pods reach the API server.
const SERVICE: &str = "kubernetes";

/// Writes what is absent.
///
/// # Errors
/// When the store fails.
pub(crate) async fn run(server: &Server) -> Result<(), ApiError> {
    let registry = &server.registry;
    registry.restore_claims().await?;
    for name in NAMESPACES {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        put_absent(registry, "", "namespaces", "", namespace).await?;
        // The account that Pods run as by default: here at once, so that the first Pod need not wait for a controller.
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name},
        });
        put_absent(registry, "", "serviceaccounts", name, account).await?;
    }
    for (name, value, description) in PRIORITY_CLASSES {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name, "generation": 1},
            "value": value, "description": description, "preemptionPolicy": "PreemptLowerPriority",
        });
        put_absent(registry, "scheduling.k8s.io", "priorityclasses", "", class).await?;
    }
    roles(registry).await?;
    service_cidr(server).await?;
    service(server).await
}

/// The default roles and bindings.
async fn roles(registry: &Registry) -> Result<(), ApiError> {
    let created = format_time(registry.clock.now());
    for role in bootstrap_roles::objects() {
        if let Some(existing) = registry.entry(&role.key).await? {
            reconcile(registry, role, &existing).await?;
            continue;
        }
        let bytes = role.stamped(&names::uid(&*registry.random), &created).into();
        let value = kubekit_store::Value { bytes, splice: role.splice() };
        let op = Op::Put { value, attributes: Some(role.attributes.clone()), ttl_seconds: None };
        let txn = Txn { key: role.key.clone(), precondition: Precondition::Absent, op };
        registry.store.txn(txn).await.map_err(failure::of_store)?;
    }
    Ok(())
}

/// Adds what an existing role or binding lacks. Somebody else's write in between wins: the next start looks again.
async fn reconcile(registry: &Registry, role: &Bootstrap, existing: &Entry) -> Result<(), ApiError> {
    let wanted: Value = serde_json::from_str(&role.stamped("", "")).map_err(ApiError::internal)?;
    let Some(mut object) = bootstrap_roles::reconcile(&wanted, &encode::decode(existing)) else { return Ok(()) };
    let plural = role.key.split('/').nth(2).unwrap_or_default();
    let kind = kind("rbac.authorization.k8s.io", plural)?;
    registry.commit(kind, &role.key, &mut object, Precondition::Revision(existing.revision), false).await?;
    Ok(())
}

async fn put_absent(
    registry: &Registry,
    group: &str,
    plural: &str,
    namespace: &str,
    mut object: Value,
) -> Result<(), ApiError> {
    let kind = kind(group, plural)?;
    let name = crate::registry::create::text(&object["metadata"], "name");
    let key = kind.key(namespace, &name);
    if registry.entry(&key).await?.is_some() {
        return Ok(());
    }
    registry.stamp(&mut object);
    let value = encode::encode(&mut object, None);
    let attributes = Some(attributes::of(kind.storage, &object));
    let op = Op::Put { value, attributes, ttl_seconds: None };
    registry.store.txn(Txn { key, precondition: Precondition::Absent, op }).await.map_err(failure::of_store)?;
    Ok(())
}

fn kind(group: &str, plural: &str) -> Result<Kind, ApiError> {
    Kind::find(group, "v1", plural).ok_or_else(|| ApiError::internal(format!("the catalog lacks {plural}")))
}

/// The ServiceCIDR that says what the ranges of cluster IPs are. As in Kubernetes, one that says otherwise is left as it is.
async fn service_cidr(server: &Server) -> Result<(), ApiError> {
    let registry = &server.registry;
    let cidrs: Vec<String> = server.config.service_cidrs.iter().map(|range| range.trunc().to_string()).collect();
    let kind = kind("networking.k8s.io", "servicecidrs")?;
    let key = kind.key("", SERVICE);
    if let Some(existing) = registry.entry(&key).await? {
        let mut object = encode::decode(&existing);
        let stored: Vec<&str> =
            object["spec"]["cidrs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if cidrs.len() > stored.len() && cidrs.iter().zip(&stored).all(|(cidr, stored)| cidr == stored) {
            object["spec"]["cidrs"] = json!(cidrs);
            let precondition = Precondition::Revision(existing.revision);
            return registry.commit(kind, &key, &mut object, precondition, false).await.map(drop);
        }
        if stored != cidrs {
            tracing::warn!(
                ?cidrs,
                ?stored,
                "the ServiceCIDR \"kubernetes\" says other ranges than this server was told"
            );
        }
        return Ok(());
    }
    let object = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": SERVICE},
        "spec": {"cidrs": cidrs},
        "status": {"conditions": [{
            "type": "Ready", "status": "True", "reason": "", "message": "Kubernetes default Service CIDR is ready",
            "lastTransitionTime": format_time(registry.clock.now()),
        }]},
    });
    put_absent(registry, "networking.k8s.io", "servicecidrs", "", object).await
}

/// The Service `kubernetes`, on the first address of the range.
async fn service(server: &Server) -> Result<(), ApiError> {
    let registry = &server.registry;
    let kind = kind("", "services")?;
    let key = kind.key("default", SERVICE);
    if registry.entry(&key).await?.is_some() {
        return Ok(());
    }
    let Some(first) = server.config.own_service_ip() else { return Ok(()) };
    let ip = first.to_string();
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip],
            "ipFamilies": [family_of(first)], "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}],
            "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    });
    registry.stamp(&mut service);
    registry.claim_own_address(first, &service).await?;
    // Where it is there by now, another server has made the same.
    registry.commit(kind, &key, &mut service, Precondition::Absent, false).await.map(drop)
}

/// Publishes where the server listens: target port, Endpoints and EndpointSlice of the Service `kubernetes`.
///
/// # Errors
/// When the store fails.
pub(crate) async fn publish_address(server: &Server, address: SocketAddr) -> Result<(), ApiError> {
    let registry = &server.registry;
    let ip = address.ip().to_string();
    let port = json!([{"name": "https", "port": address.port(), "protocol": "TCP"}]);
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": SERVICE, "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": ip}], "ports": port}],
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": SERVICE, "namespace": "default", "generation": 1,
            "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": family_of(address.ip()),
        "endpoints": [{"addresses": [ip], "conditions": {"ready": true}}],
        "ports": port,
    });
    replace(registry, "", "endpoints", endpoints).await?;
    replace(registry, "discovery.k8s.io", "endpointslices", slice).await?;
    let kind = kind("", "services")?;
    change(registry, kind, |service| {
        service["spec"]["ports"][0]["targetPort"] = json!(address.port());
    })
    .await
}

/// Writes an object of the server's own, keeping what identifies the one that is there.
async fn replace(registry: &Registry, group: &str, plural: &str, object: Value) -> Result<(), ApiError> {
    put_absent(registry, group, plural, "default", object.clone()).await?;
    change(registry, kind(group, plural)?, |stored| {
        if let (Some(stored), Value::Object(object)) = (stored.as_object_mut(), object.clone()) {
            stored.extend(object.into_iter().filter(|(field, _)| field != "metadata"));
        }
    })
    .await
}

/// Changes the object `kubernetes` of a kind.
async fn change(registry: &Registry, kind: Kind, change: impl Fn(&mut Value)) -> Result<(), ApiError> {
    let key = kind.key("default", SERVICE);
    loop {
        let Some(entry) = registry.entry(&key).await? else { return Ok(()) };
        let old = encode::decode(&entry);
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            return Ok(());
        }
        let precondition = Precondition::Revision(entry.revision);
        if let Commit::Done(_) = registry.commit(kind, &key, &mut new, precondition, false).await? {
            return Ok(());
        }
    }
}
