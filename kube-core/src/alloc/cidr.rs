//! Pod ranges of nodes: equal blocks of the cluster's range.

use super::bitmap::Bitmap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a block could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No block is free.
    #[error("CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range {0}")]
    Full(IpNet),
    /// The block, or a part of it, is in use.
    #[error("CIDR {0} overlaps one that is already allocated")]
    Allocated(IpNet),
    /// The block is outside the cluster's range.
    #[error("CIDR {block} is out the range of cluster CIDR {cluster}")]
    NotInRange {
        /// What was asked for.
        block: IpNet,
        /// The cluster's range.
        cluster: IpNet,
    },
    /// The blocks' prefix is shorter than the cluster's, longer than an address, or more than 16 bits longer than the
    /// cluster's (as Kubernetes limits it).
    #[error("node prefix /{prefix} does not divide cluster CIDR {cluster} into 1 to 65536 blocks")]
    Prefix {
        /// Prefix of a node's block.
        prefix: u8,
        /// The cluster's range.
        cluster: IpNet,
    },
    /// Two ranges of a cluster share addresses.
    #[error("CIDR {0} overlaps CIDR {1}")]
    Overlap(IpNet, IpNet),
}

/// The blocks of one cluster range: /24 blocks of 10.244.0.0/16 unless configured otherwise.
#[derive(Clone, Debug)]
pub struct Allocator {
    cluster: IpNet,
    prefix: u8,
    /// Where the next search starts: blocks come in order, and a released block is reused last.
    next: u64,
    used: Bitmap,
}

impl Allocator {
    /// An allocator for the blocks of `prefix` bits in the cluster's range, with nothing allocated.
    ///
    /// # Errors
    /// [`Error::Prefix`].
    pub fn new(cluster: IpNet, prefix: u8) -> Result<Self, Error> {
        let cluster = cluster.trunc();
        let bits = prefix.checked_sub(cluster.prefix_len());
        if prefix > cluster.max_prefix_len() || bits.is_none_or(|bits| bits > 16) {
            return Err(Error::Prefix { prefix, cluster });
        }
        Ok(Self { cluster, prefix, next: 0, used: Bitmap::default() })
    }

    /// The cluster's range.
    pub fn cluster(&self) -> IpNet {
        self.cluster
    }

    /// How many blocks are free.
    pub fn free(&self) -> u64 {
        self.blocks() - self.used.used()
    }

    /// Takes the next free block.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub fn allocate_next(&mut self) -> Result<IpNet, Error> {
        let index = self.used.next_free(0..self.blocks(), self.next).ok_or(Error::Full(self.cluster))?;
        self.used.set(index);
        self.next = (index + 1) % self.blocks();
        Ok(self.block(index))
    }

    /// Takes every block that this range touches: what a node already has, after a restart.
    ///
    /// # Errors
    /// [`Error::NotInRange`], and [`Error::Allocated`] where any block is in use; then nothing is taken.
    pub fn occupy(&mut self, range: IpNet) -> Result<(), Error> {
        let blocks = self.touched(range)?;
        if blocks.clone().any(|index| self.used.has(index)) {
            return Err(Error::Allocated(range));
        }
        for index in blocks {
            self.used.set(index);
        }
        Ok(())
    }

    /// Gives back every block that this range touches; false where none was allocated.
    ///
    /// # Errors
    /// [`Error::NotInRange`].
    pub fn release(&mut self, range: IpNet) -> Result<bool, Error> {
        let mut any = false;
        for index in self.touched(range)? {
            any |= self.used.clear(index);
        }
        Ok(any)
    }

    fn blocks(&self) -> u64 {
        1 << (self.prefix - self.cluster.prefix_len())
    }

    fn touched(&self, range: IpNet) -> Result<std::ops::Range<u64>, Error> {
        let outside = Error::NotInRange { block: range, cluster: self.cluster };
        if !self.cluster.contains(&range) {
            return Err(outside);
        }
        let shift = u32::from(self.cluster.max_prefix_len() - self.prefix);
        let base = number(self.cluster.network());
        // The cluster has at most 2^16 blocks, so an index fits.
        let index = |ip| u64::try_from((number(ip) - base).checked_shr(shift).unwrap_or(0)).unwrap_or(u64::MAX);
        Ok(index(range.network())..index(range.broadcast()) + 1)
    }

    fn block(&self, index: u64) -> IpNet {
        let shift = u32::from(self.cluster.max_prefix_len() - self.prefix);
        let offset = u128::from(index).checked_shl(shift).unwrap_or(0);
        let start = number(self.cluster.network()) + offset;
        let ip = match self.cluster {
            IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(start).expect("inside an IPv4 range"))),
            IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from(start)),
        };
        IpNet::new(ip, self.prefix).expect("the prefix was checked when the allocator was made")
    }
}

/// Checks that a cluster's ranges (service ranges, pod ranges) share no address.
///
/// # Errors
/// [`Error::Overlap`] with the first two that do.
pub fn disjoint(ranges: &[IpNet]) -> Result<(), Error> {
    for (i, a) in ranges.iter().enumerate() {
        for b in &ranges[i + 1..] {
            if a.contains(b) || b.contains(a) {
                return Err(Error::Overlap(*a, *b));
            }
        }
    }
    Ok(())
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}
