//! Which ranges a node gets.

use std::collections::HashMap;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use kubekit_core::alloc::cidr::{Allocator, Error};
use kubekit_runtime::Object as _;

/// The ranges of the cluster, and the size of a node's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// One, or one of each family: 10.244.0.0/16.
    pub cluster_cidrs: Vec<IpNet>,
    /// The prefix of a node's IPv4 range: 24.
    pub node_prefix_v4: u8,
    /// The prefix of a node's IPv6 range: 64.
    pub node_prefix_v6: u8,
}

impl Default for Config {
    fn default() -> Self {
        let cluster_cidrs = vec!["10.244.0.0/16".parse().expect("a valid network")];
        Self { cluster_cidrs, node_prefix_v4: 24, node_prefix_v6: 64 }
    }
}

/// What is given to whom.
#[derive(Debug)]
pub struct Ranges {
    allocators: Vec<Allocator>,
    /// The ranges of each node, by its name.
    nodes: HashMap<String, Vec<IpNet>>,
}

/// The ranges that the node's spec names.
pub fn written(node: &Node) -> Vec<IpNet> {
    let spec = node.spec.as_ref();
    let many = spec.and_then(|s| s.pod_cidrs.as_deref()).unwrap_or_default().iter();
    let one = spec.and_then(|s| s.pod_cidr.as_ref()).filter(|_| many.len() == 0);
    many.chain(one).filter_map(|cidr| cidr.parse().ok()).collect()
}

impl Ranges {
    /// Everything is free.
    ///
    /// # Errors
    ///
    /// If a node's range does not divide the cluster's.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let allocators = config.cluster_cidrs.iter().map(|&cluster| {
            let prefix = if cluster.addr().is_ipv4() { config.node_prefix_v4 } else { config.node_prefix_v6 };
            Allocator::new(cluster, prefix)
        });
        Ok(Self { allocators: allocators.collect::<Result<_, _>>()?, nodes: HashMap::new() })
    }

    /// Takes note of what a node has already. What is not of the cluster's ranges, or is another node's, is left to whoever
    /// wrote it. What it says is what counts, also where another range was noted under its name: for a node of that name
    /// that is gone, or for one whose range somebody else wrote first.
    pub fn occupy(&mut self, node: &Node) {
        let ranges = written(node);
        if ranges.is_empty() || self.nodes.get(node.name()).is_some_and(|known| *known == ranges) {
            return;
        }
        self.release(node.name());
        let mut occupied = Vec::new();
        for range in ranges {
            if self.allocators.iter_mut().any(|allocator| allocator.occupy(range).is_ok()) {
                occupied.push(range);
            }
        }
        self.nodes.insert(node.name().to_owned(), occupied);
    }

    /// The ranges for a node that has none, one of each of the cluster's. Asked again, the answer is the same, so that a
    /// write that failed can be repeated.
    ///
    /// # Errors
    ///
    /// If a range is exhausted; nothing is taken then.
    pub fn allocate(&mut self, node: &str) -> Result<Vec<IpNet>, Error> {
        if let Some(ranges) = self.nodes.get(node) {
            return Ok(ranges.clone());
        }
        let mut ranges = Vec::new();
        for index in 0..self.allocators.len() {
            match self.allocators[index].allocate_next() {
                Ok(range) => ranges.push(range),
                Err(error) => {
                    self.give_back(&ranges);
                    return Err(error);
                }
            }
        }
        self.nodes.insert(node.to_owned(), ranges.clone());
        Ok(ranges)
    }

    /// A node is gone: its ranges are free.
    pub fn release(&mut self, node: &str) {
        if let Some(ranges) = self.nodes.remove(node) {
            self.give_back(&ranges);
        }
    }

    fn give_back(&mut self, ranges: &[IpNet]) {
        for range in ranges {
            // Only the allocator that gave it out has it in its range.
            for allocator in &mut self.allocators {
                let _ = allocator.release(*range);
            }
        }
    }
}
