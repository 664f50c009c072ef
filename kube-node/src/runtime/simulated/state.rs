//! What the simulated runtime remembers. Synchronous: time comes in as an argument, and a container's state is computed
//! from its script and the time, so that nothing has to run for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use tokio::time::Instant;

use super::behaviour::{Behaviour, Stopping};
use crate::runtime::Filter;
use crate::runtime::container::{Container, ContainerConfig, ContainerState, ContainerStatus};
use crate::runtime::error::{Error, Result};
use crate::runtime::image::Image;
use crate::runtime::sandbox::{NamespaceMode, SandboxConfig, SandboxState, SandboxStatus};

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) wall: Timestamp,
}

impl Now {
    /// The wall time of an instant.
    pub(super) fn wall_of(&self, at: Instant) -> Timestamp {
        if at >= self.instant { self.wall + (at - self.instant) } else { self.wall - (self.instant - at) }
    }
}

#[derive(Debug)]
pub(super) struct SandboxEntry {
    pub(super) config: Arc<SandboxConfig>,
    pub(super) created_at: Timestamp,
    pub(super) ready: bool,
    pub(super) ip: Option<IpAddr>,
    order: u64,
}

#[derive(Debug)]
pub(super) struct ContainerEntry {
    pub(super) sandbox_id: String,
    pub(super) config: Arc<ContainerConfig>,
    pub(super) sandbox: Arc<SandboxConfig>,
    pub(super) behaviour: Arc<Behaviour>,
    pub(super) created_at: Timestamp,
    /// When it was started.
    pub(super) started: Option<Instant>,
    pub(super) started_at: Option<Timestamp>,
    /// When it ends or ended, with the code and the reason.
    pub(super) exit: Option<(Instant, i32, &'static str)>,
    message: String,
    order: u64,
}

impl ContainerEntry {
    pub(super) fn state(&self, now: Instant) -> ContainerState {
        match (self.started, self.exit) {
            (_, Some((at, ..))) if at <= now => ContainerState::Exited,
            (None, _) => ContainerState::Created,
            (Some(_), _) => ContainerState::Running,
        }
    }

    /// How long it has run, or had when it ended.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        let until = self.exit.map_or(now, |(at, ..)| at.min(now));
        self.started.map_or(Duration::ZERO, |start| until.saturating_duration_since(start))
    }
}

/// Everything on one simulated node.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sandboxes: BTreeMap<String, SandboxEntry>,
    pub(super) containers: BTreeMap<String, ContainerEntry>,
    pub(super) images: BTreeMap<String, Image>,
    /// When containers end, with their pods.
    ends: BTreeSet<(Instant, String)>,
    pod_cidr: Option<IpNet>,
    addresses: BTreeSet<IpAddr>,
    next_address: u128,
    created: u64,
}

impl State {
    /// A fresh identifier: 64 hexadecimal digits, as real runtimes give, made from the node's name and a counter.
    fn identifier(&mut self, seed: u64) -> (String, u64) {
        self.created += 1;
        let mut words = [0u64; 4];
        let mut value = seed ^ self.created.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for word in &mut words {
            // splitmix64, by Steele, Lea and Flood.
            value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = value;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *word = mixed ^ (mixed >> 31);
        }
        (words.iter().map(|word| format!("{word:016x}")).collect(), self.created)
    }

    pub(super) fn has_network(&self) -> bool {
        self.pod_cidr.is_some()
    }

    /// Uses another range of addresses, for sandboxes made from now on.
    pub(super) fn set_pod_cidr(&mut self, cidr: IpNet) {
        if self.pod_cidr != Some(cidr) {
            self.pod_cidr = Some(cidr);
            self.next_address = 0;
        }
    }

    /// The next address, in turn: the network's first is the bridge's, freed ones come back last.
    fn take_address(&mut self) -> Result<IpAddr> {
        const OPERATION: &str = "run sandbox";
        let cidr = self.pod_cidr.ok_or_else(|| {
            Error::failed(OPERATION, "failed to setup network for sandbox: the node has no pod CIDR yet")
        })?;
        let host_bits = u32::from(cidr.max_prefix_len() - cidr.prefix_len());
        let size = 1u128.checked_shl(host_bits).unwrap_or(u128::MAX);
        // The network, the bridge and the broadcast address are nobody's.
        let usable = size.saturating_sub(3);
        for _ in 0..usable.min(65_536) {
            let offset = 2 + self.next_address % usable;
            self.next_address = (self.next_address + 1) % usable;
            let address = offset_address(cidr.network(), offset);
            if self.addresses.insert(address) {
                return Ok(address);
            }
        }
        Err(Error::failed(
            OPERATION,
            format!("failed to setup network for sandbox: no IP addresses available in range set: {cidr}"),
        ))
    }

    pub(super) fn run_sandbox(&mut self, config: &SandboxConfig, seed: u64, now: Now) -> Result<String> {
        let taken = self
            .sandboxes
            .values()
            .any(|entry| entry.config.uid == config.uid && entry.config.attempt == config.attempt);
        if taken {
            return Err(Error::failed(
                "run sandbox",
                format!(
                    "failed to reserve sandbox name \"{}_{}_{}\": it is in use",
                    config.name, config.uid, config.attempt
                ),
            ));
        }
        let ip = match config.namespaces.network {
            NamespaceMode::Node => None,
            _ => Some(self.take_address()?),
        };
        let (id, order) = self.identifier(seed);
        let entry = SandboxEntry { config: Arc::new(config.clone()), created_at: now.wall, ready: true, ip, order };
        self.sandboxes.insert(id.clone(), entry);
        Ok(id)
    }

    pub(super) fn stop_sandbox(&mut self, id: &str, now: Now) {
        let Some(entry) = self.sandboxes.get_mut(id) else { return };
        entry.ready = false;
        if let Some(ip) = entry.ip.take() {
            self.addresses.remove(&ip);
        }
        let inside: Vec<String> = self
            .containers
            .iter()
            .filter(|(_, container)| container.sandbox_id == id)
            .map(|(id, _)| id.clone())
            .collect();
        for container in inside {
            self.end(&container, now.instant, 137, "Error");
        }
    }

    pub(super) fn remove_sandbox(&mut self, id: &str, now: Now) {
        self.stop_sandbox(id, now);
        self.sandboxes.remove(id);
        let ends = &mut self.ends;
        self.containers.retain(|name, container| {
            if container.sandbox_id == id
                && let Some((at, ..)) = container.exit
            {
                ends.remove(&(at, name.clone()));
            }
            container.sandbox_id != id
        });
    }

    pub(super) fn sandbox_status(&self, id: &str) -> Option<SandboxStatus> {
        self.sandboxes.get(id).map(|entry| SandboxStatus {
            id: id.to_owned(),
            name: entry.config.name.clone(),
            namespace: entry.config.namespace.clone(),
            uid: entry.config.uid.clone(),
            attempt: entry.config.attempt,
            state: if entry.ready { SandboxState::Ready } else { SandboxState::NotReady },
            created_at: entry.created_at,
            ips: entry.ip.iter().map(ToString::to_string).collect(),
            labels: entry.config.labels.clone(),
            annotations: entry.config.annotations.clone(),
        })
    }

    pub(super) fn list_sandboxes(&self, filter: &Filter) -> Vec<SandboxStatus> {
        let mut found: Vec<(u64, SandboxStatus)> = self
            .sandboxes
            .iter()
            .filter(|(id, entry)| matches(filter, id, &entry.config.labels))
            .filter_map(|(id, entry)| Some((entry.order, self.sandbox_status(id)?)))
            .collect();
        found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        found.into_iter().map(|(_, status)| status).collect()
    }

    pub(super) fn create_container(
        &mut self,
        sandbox_id: &str,
        config: &ContainerConfig,
        behaviour: Behaviour,
        seed: u64,
        now: Now,
    ) -> Result<String> {
        const OPERATION: &str = "create container";
        let sandbox = self.sandboxes.get(sandbox_id).ok_or_else(|| Error::not_found(OPERATION, sandbox_id))?;
        if !sandbox.ready {
            return Err(Error::failed(OPERATION, format!("sandbox container {sandbox_id:?} is not running")));
        }
        if self.image(&config.image).is_none() {
            return Err(Error::not_found(OPERATION, &config.image));
        }
        let sandbox = Arc::clone(&sandbox.config);
        let (id, order) = self.identifier(seed);
        let entry = ContainerEntry {
            sandbox_id: sandbox_id.to_owned(),
            config: Arc::new(config.clone()),
            sandbox,
            behaviour: Arc::new(behaviour),
            created_at: now.wall,
            started: None,
            started_at: None,
            exit: None,
            message: String::new(),
            order,
        };
        self.containers.insert(id.clone(), entry);
        Ok(id)
    }

    pub(super) fn start_container(&mut self, id: &str, now: Now) -> Result<()> {
        const OPERATION: &str = "start container";
        let entry = self.containers.get_mut(id).ok_or_else(|| Error::not_found(OPERATION, id))?;
        if entry.started.is_some() || entry.exit.is_some() {
            return Err(Error::failed(OPERATION, "container is not in created state"));
        }
        if let Some(failure) = entry.behaviour.start_failure.clone() {
            entry.exit = Some((now.instant, 128, "StartError"));
            entry.message.clone_from(&failure);
            self.ends.insert((now.instant, id.to_owned()));
            return Err(Error::failed(OPERATION, failure));
        }
        entry.started = Some(now.instant);
        entry.started_at = Some(now.wall);
        if let Some((after, code)) = entry.behaviour.script.exit() {
            let at = now.instant + after;
            entry.exit = Some((at, code, if code == 0 { "Completed" } else { "Error" }));
            self.ends.insert((at, id.to_owned()));
        }
        Ok(())
    }

    /// Lets a container end at `at`, unless it ends before.
    pub(super) fn end(&mut self, id: &str, at: Instant, code: i32, reason: &'static str) {
        let Some(entry) = self.containers.get_mut(id) else { return };
        if entry.started.is_none() && entry.exit.is_none() {
            entry.exit = Some((at, code, reason));
        } else if let Some((earlier, ..)) = entry.exit {
            if earlier <= at {
                return;
            }
            self.ends.remove(&(earlier, id.to_owned()));
            entry.exit = Some((at, code, reason));
        } else {
            entry.exit = Some((at, code, reason));
        }
        self.ends.insert((at, id.to_owned()));
    }

    /// Asks a container to end; gives when it will have, or none when it has.
    pub(super) fn stop_container(&mut self, id: &str, grace: Duration, now: Now) -> Option<Instant> {
        let entry = self.containers.get(id)?;
        match entry.state(now.instant) {
            ContainerState::Exited | ContainerState::Unknown => return None,
            ContainerState::Created => self.end(id, now.instant, 137, "Error"),
            ContainerState::Running => {
                let (after, code) = match entry.behaviour.stopping {
                    Stopping::After(time) if time <= grace && !grace.is_zero() => {
                        (time, entry.behaviour.stop_exit_code)
                    }
                    _ => (grace, 137),
                };
                self.end(id, now.instant + after, code, if code == 0 { "Completed" } else { "Error" });
            }
        }
        self.containers.get(id)?.exit.map(|(at, ..)| at)
    }

    pub(super) fn remove_container(&mut self, id: &str) {
        if let Some(entry) = self.containers.remove(id)
            && let Some((at, ..)) = entry.exit
        {
            self.ends.remove(&(at, id.to_owned()));
        }
    }

    pub(super) fn container_status(&self, id: &str, now: Now) -> Option<ContainerStatus> {
        let entry = self.containers.get(id)?;
        let state = entry.state(now.instant);
        let ended = entry.exit.filter(|_| state == ContainerState::Exited);
        Some(ContainerStatus {
            id: id.to_owned(),
            name: entry.config.name.clone(),
            attempt: entry.config.attempt,
            state,
            created_at: entry.created_at,
            started_at: entry.started_at,
            finished_at: ended.map(|(at, ..)| now.wall_of(at)),
            exit_code: ended.map_or(0, |(_, code, _)| code),
            image: entry.config.image_name.clone(),
            image_ref: entry.config.image.clone(),
            reason: ended.map_or("", |(_, _, reason)| reason).to_owned(),
            message: entry.message.clone(),
            labels: entry.config.labels.clone(),
            annotations: entry.config.annotations.clone(),
            mounts: entry.config.mounts.clone(),
            log_path: String::new(),
        })
    }

    pub(super) fn list_containers(&self, filter: &Filter, now: Now) -> Vec<Container> {
        let mut found: Vec<(u64, Container)> = self
            .containers
            .iter()
            .filter(|(_, entry)| matches(filter, &entry.sandbox_id, &entry.config.labels))
            .map(|(id, entry)| {
                let container = Container {
                    id: id.clone(),
                    sandbox_id: entry.sandbox_id.clone(),
                    name: entry.config.name.clone(),
                    attempt: entry.config.attempt,
                    state: entry.state(now.instant),
                    created_at: entry.created_at,
                    labels: entry.config.labels.clone(),
                    annotations: entry.config.annotations.clone(),
                };
                (entry.order, container)
            })
            .collect();
        found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        found.into_iter().map(|(_, container)| container).collect()
    }

    /// The first end after `last`, with the pod's uid.
    pub(super) fn next_end(&self, last: Option<&(Instant, String)>) -> Option<((Instant, String), String)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = last.map_or(Unbounded, |key| Excluded(key.clone()));
        let key = self.ends.range((from, Unbounded)).next()?;
        let uid = self.containers.get(&key.1).map(|entry| entry.sandbox.uid.clone()).unwrap_or_default();
        Some((key.clone(), uid))
    }

    /// An image by its identifier or any of its names.
    pub(super) fn image(&self, name: &str) -> Option<&Image> {
        self.images.get(name).or_else(|| self.images.values().find(|image| image.id == name))
    }
}

fn matches(filter: &Filter, sandbox_id: &str, labels: &BTreeMap<String, String>) -> bool {
    filter.sandbox_id.as_ref().is_none_or(|id| id == sandbox_id)
        && filter.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn offset_address(network: IpAddr, offset: u128) -> IpAddr {
    match network {
        IpAddr::V4(base) => {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            IpAddr::V4((u32::from(base).wrapping_add(offset)).into())
        }
        IpAddr::V6(base) => IpAddr::V6(u128::from(base).wrapping_add(offset).into()),
    }
}
