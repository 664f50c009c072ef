//! Registers the Node, renews its lease and reports its state.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{Node, NodeStatus, NodeSystemInfo};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use kubekit_runtime::{Api, Client, Error, Patch, PatchParams};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::node::{self, Inputs};
use super::shared::Shared;
use super::{Config, machine};
use crate::runtime::{self, Version};

const LEASES: &str = "kube-node-lease";
/// While the Node has no range of addresses, and after errors.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The part of the agent that says "I am here".
#[derive(Debug)]
pub(crate) struct Heart {
    shared: Arc<Shared>,
    /// A request that hangs must leave time to renew the lease.
    client: Client,
    info: NodeSystemInfo,
    /// What was reported last, and when.
    reported: Option<(NodeStatus, Instant)>,
    lease: Option<Lease>,
    uid: String,
    has_cidr: bool,
    retry: Duration,
}

impl Heart {
    pub(crate) fn new(shared: Arc<Shared>, version: Version) -> Self {
        let info = machine::system_info(format!("{}://{}", version.name, version.version));
        let has_cidr = shared.config.pod_cidr.is_some();
        let client = shared.client.clone().with_timeout(patience(&shared.config));
        Self { shared, client, info, reported: None, lease: None, uid: String::new(), has_cidr, retry: RETRY_MIN }
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    /// Beats until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let work = async {
            // On the heap while they last, because there may be thousands of nodes that mostly wait.
            while let Err(error) = Box::pin(self.register()).await {
                tracing::warn!(node = self.shared.config.node_name, error = error.chain(), "cannot register the node");
                tokio::time::sleep(self.next_retry()).await;
            }
            self.retry = RETRY_MIN;
            let renewal = self.shared.config.lease_duration / 4;
            let (mut lease_at, mut status_at) = (Instant::now(), Instant::now());
            loop {
                let now = Instant::now();
                if now >= lease_at {
                    let renewed = Box::pin(self.renew()).await;
                    lease_at = now + if renewed { renewal } else { RETRY_MAX.min(renewal) };
                }
                if now >= status_at {
                    status_at = now + Box::pin(self.observe()).await;
                }
                tokio::time::sleep_until(lease_at.min(status_at)).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    fn next_retry(&mut self) -> Duration {
        let retry = self.retry;
        self.retry = (retry * 2).min(RETRY_MAX);
        retry
    }

    async fn current(&self) -> NodeStatus {
        let shared = &self.shared;
        let after = patience(&shared.config);
        // Side by side, and not for ever: who waits here renews no lease.
        let (runtime, images) = futures::join!(
            tokio::time::timeout(after, shared.runtime.status()),
            tokio::time::timeout(after, shared.runtime.list_images()),
        );
        let runtime = runtime.unwrap_or(Err(runtime::Error::Timeout { operation: "status", after }));
        let images = images.ok().and_then(Result::ok).unwrap_or_default();
        let old = self.reported.as_ref().and_then(|(status, _)| status.conditions.clone()).unwrap_or_default();
        node::status(&Inputs {
            config: &shared.config,
            info: &self.info,
            runtime: runtime.as_ref().map_err(ToString::to_string),
            images: &images,
            old: &old,
            now: shared.now(),
        })
    }

    /// Creates the Node, or takes up the one that is there.
    async fn register(&mut self) -> Result<(), Error> {
        let status = self.current().await;
        let wanted = node::node(&self.shared.config, status.clone());
        let node = match self.nodes().create(&wanted).await {
            Ok(node) => node,
            Err(error) if error.is_already_exists() => {
                let existing = self.nodes().get(&self.shared.config.node_name).await?;
                let old = existing.status.clone().unwrap_or_default();
                self.reported = Some((old, Instant::now()));
                let labels = node::labels(&self.shared.config);
                let known = existing.metadata.labels.as_ref();
                if labels.iter().any(|(key, value)| known.and_then(|known| known.get(key)) != Some(value)) {
                    let patch = Patch::Strategic(json!({"metadata": {"labels": labels}}));
                    self.nodes().patch(&self.shared.config.node_name, &params(), &patch).await?;
                }
                let status = self.current().await;
                self.send(&status).await?;
                existing
            }
            Err(error) => return Err(error),
        };
        if self.reported.is_none() {
            self.reported = Some((status, Instant::now()));
        }
        self.uid = node.metadata.uid.clone().unwrap_or_default();
        self.learn_cidr(&node).await;
        Ok(())
    }

    async fn learn_cidr(&mut self, node: &Node) {
        if self.has_cidr {
            return;
        }
        let Some(cidr) = node.spec.as_ref().and_then(|spec| spec.pod_cidr.as_deref()) else { return };
        let after = patience(&self.shared.config);
        // Not for ever: who waits here renews no lease.
        let set = tokio::time::timeout(after, self.shared.runtime.set_pod_cidr(cidr)).await;
        match set.unwrap_or(Err(runtime::Error::Timeout { operation: "set pod CIDR", after })) {
            Ok(()) => {
                self.has_cidr = true;
                for entry in self.shared.pods.lock().values() {
                    entry.changed.notify_one();
                }
            }
            Err(error) => {
                tracing::error!(node = self.shared.config.node_name, cidr, %error, "cannot use the node's pod CIDR")
            }
        }
    }

    /// Looks at the node and reports what has changed; gives the time until the next look.
    async fn observe(&mut self) -> Duration {
        let name = self.shared.config.node_name.clone();
        match self.nodes().get_opt(&name).await {
            Ok(Some(node)) => {
                self.learn_cidr(&node).await;
                // The node controller has its say about a node that was silent; what it wrote has to be put right.
                if let (Some((reported, _)), Some(found)) = (&mut self.reported, node.status)
                    && node::overwritten(reported, &found)
                {
                    reported.conditions = found.conditions;
                }
            }
            // Sending will find out, and register the node again.
            Ok(None) => self.reported = None,
            Err(error) => tracing::warn!(node = name, error = error.chain(), "cannot read the node"),
        }
        let status = self.current().await;
        let due = self
            .reported
            .as_ref()
            .is_none_or(|(old, at)| !node::same(old, &status) || at.elapsed() >= self.shared.config.report_interval);
        if due {
            match self.send(&status).await {
                Ok(()) => {}
                Err(error) if error.is_not_found() => {
                    // Somebody has deleted the Node: it is registered anew, as at the start.
                    self.reported = None;
                    self.lease = None;
                    self.has_cidr = self.shared.config.pod_cidr.is_some();
                    if let Err(error) = self.register().await {
                        tracing::warn!(node = name, error = error.chain(), "cannot register the node again");
                    }
                    return self.next_retry();
                }
                Err(error) => {
                    tracing::warn!(node = name, error = error.chain(), "cannot report the node's status");
                    return self.next_retry();
                }
            }
        }
        if !self.has_cidr {
            return self.next_retry();
        }
        self.retry = RETRY_MIN;
        self.shared.config.status_interval
    }

    async fn send(&mut self, status: &NodeStatus) -> Result<(), Error> {
        let mut value = serde_json::to_value(status).unwrap_or_default();
        // Addresses would merge by type and leave old ones behind.
        if let Some(addresses) = value.get_mut("addresses").and_then(|list| list.as_array_mut()) {
            addresses.insert(0, json!({"$patch": "replace"}));
        }
        let patch = Patch::Strategic(json!({"status": value}));
        let name = &self.shared.config.node_name;
        self.nodes().patch_subresource::<_, IgnoredAny>(name, "status", &params(), &patch).await?;
        self.reported = Some((status.clone(), Instant::now()));
        Ok(())
    }

    /// Renews the lease; whether that has worked.
    async fn renew(&mut self) -> bool {
        match self.try_renew().await {
            Ok(lease) => {
                self.lease = Some(lease);
                true
            }
            Err(error) => {
                tracing::warn!(
                    node = self.shared.config.node_name,
                    error = error.chain(),
                    "cannot renew the node's lease"
                );
                self.lease = None;
                false
            }
        }
    }

    async fn try_renew(&self) -> Result<Lease, Error> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), LEASES);
        let name = &self.shared.config.node_name;
        let known = match &self.lease {
            Some(lease) => Some(lease.clone()),
            None => leases.get_opt(name).await?,
        };
        let Some(mut lease) = known else {
            return leases.create(&self.renewed(Lease::default())).await;
        };
        lease = self.renewed(lease);
        leases.replace(&lease).await
    }

    fn renewed(&self, mut lease: Lease) -> Lease {
        let name = &self.shared.config.node_name;
        let seconds = i32::try_from(self.shared.config.lease_duration.as_secs()).unwrap_or(40);
        let spec = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(name.clone()),
            lease_duration_seconds: Some(seconds),
            renew_time: Some(MicroTime(self.shared.now())),
            ..spec
        });
        let owner = (!self.uid.is_empty()).then(|| OwnerReference {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: name.clone(),
            uid: self.uid.clone(),
            ..OwnerReference::default()
        });
        let metadata = std::mem::take(&mut lease.metadata);
        lease.metadata = ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(LEASES.into()),
            owner_references: owner.map(|owner| vec![owner]),
            ..metadata
        };
        lease
    }
}

/// How long one answer is waited for. Source: the client for heartbeats of `cmd/kubelet/app/server.go`.
fn patience(config: &Config) -> Duration {
    config.status_interval.min(config.lease_duration)
}

fn params() -> PatchParams {
    PatchParams { field_manager: "kubelet".into(), ..PatchParams::default() }
}
