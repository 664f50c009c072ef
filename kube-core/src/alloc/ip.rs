//! Cluster IPs of one service range, IPv4 or IPv6. A dual-stack cluster has one allocator per family.

use super::bitmap::Bitmap;
use super::static_band;
use crate::environment::Random;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address could not be had. The texts are those of Kubernetes' allocator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No address is free.
    #[error("range is full")]
    Full,
    /// Somebody has the address.
    #[error("provided IP is already allocated")]
    Allocated,
    /// The address is outside the range, or is its network or broadcast address.
    #[error("the provided IP ({ip}) is not in the valid range. The range of valid IPs is {range}")]
    NotInRange {
        /// What was asked for.
        ip: IpAddr,
        /// The service range.
        range: IpNet,
    },
    /// The range is too large: IPv4 ranges have at least 12 bits of prefix, IPv6 ranges 64.
    #[error("specified service range {range} is too large; the prefix must be at least {least} bits")]
    TooLarge {
        /// The service range.
        range: IpNet,
        /// The shortest prefix allowed.
        least: u8,
    },
    /// The range has no address that could be given to a Service.
    #[error("specified service range {0} has no usable address")]
    TooSmall(IpNet),
}

/// The cluster IPs of one range.
///
/// The first addresses of a range (the static band, KEP-3070) are handed out dynamically only when the rest is used up.
#[derive(Clone, Debug)]
pub struct Allocator {
    range: IpNet,
    /// Number of usable addresses: without the network address and, for IPv4, the broadcast address.
    size: u64,
    band: u64,
    used: Bitmap,
}

impl Allocator {
    /// An allocator for a service range, with nothing allocated.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::TooSmall`].
    pub fn new(range: IpNet) -> Result<Self, Error> {
        let range = range.trunc();
        let least = if range.addr().is_ipv4() { 12 } else { 64 };
        if range.prefix_len() < least {
            return Err(Error::TooLarge { range, least });
        }
        let bits = u32::from(range.max_prefix_len() - range.prefix_len());
        let total = 1u64.checked_shl(bits).unwrap_or(u64::MAX);
        let excluded = if range.addr().is_ipv4() { 2 } else { 1 };
        let size = total.saturating_sub(excluded);
        if size == 0 {
            return Err(Error::TooSmall(range));
        }
        Ok(Self { range, size, band: static_band(total, 16, 256), used: Bitmap::default() })
    }

    /// The service range.
    pub fn range(&self) -> IpNet {
        self.range
    }

    /// The first address that can be given to a Service.
    pub fn first(&self) -> IpAddr {
        self.address(0)
    }

    /// Whether the range can give this address to a Service.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.offset(ip).is_ok()
    }

    /// Whether the address is allocated.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.offset(ip).is_ok_and(|offset| self.used.has(offset))
    }

    /// How many addresses are free.
    pub fn free(&self) -> u64 {
        self.size - self.used.used()
    }

    /// How many addresses are allocated.
    pub fn used(&self) -> u64 {
        self.used.used()
    }

    /// Takes this address.
    ///
    /// # Errors
    /// [`Error::NotInRange`] and [`Error::Allocated`].
    pub fn allocate(&mut self, ip: IpAddr) -> Result<(), Error> {
        let offset = self.offset(ip)?;
        if self.used.set(offset) { Ok(()) } else { Err(Error::Allocated) }
    }

    /// Takes a free address, above the static band while there is one. Where it looks first is random, so that an
    /// address is not reused soon after its release.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub fn allocate_next(&mut self, random: &dyn Random) -> Result<IpAddr, Error> {
        let upper = self.band.min(self.size)..self.size;
        let pick = |range: &std::ops::Range<u64>| match range.end - range.start {
            0 => range.start,
            length => range.start + random.next_u64() % length,
        };
        let start = pick(&upper);
        let lower = 0..upper.start;
        let offset = self
            .used
            .next_free(upper, start)
            .or_else(|| self.used.next_free(lower.clone(), pick(&lower)))
            .ok_or(Error::Full)?;
        self.used.set(offset);
        Ok(self.address(offset))
    }

    /// Gives an address back; false where it was not allocated here.
    pub fn release(&mut self, ip: IpAddr) -> bool {
        self.offset(ip).is_ok_and(|offset| self.used.clear(offset))
    }

    /// Offset 0 is the first usable address, one above the network address.
    fn offset(&self, ip: IpAddr) -> Result<u64, Error> {
        let outside = Error::NotInRange { ip, range: self.range };
        let distance = match (ip, self.range.network()) {
            (IpAddr::V4(ip), IpAddr::V4(base)) => u128::from(u32::from(ip)).checked_sub(u128::from(u32::from(base))),
            (IpAddr::V6(ip), IpAddr::V6(base)) => u128::from(ip).checked_sub(u128::from(base)),
            _ => None,
        };
        match distance.and_then(|d| d.checked_sub(1)).and_then(|d| u64::try_from(d).ok()) {
            Some(offset) if offset < self.size => Ok(offset),
            _ => Err(outside),
        }
    }

    fn address(&self, offset: u64) -> IpAddr {
        match self.range.network() {
            IpAddr::V4(base) => {
                let low = u32::try_from(offset + 1).expect("an IPv4 range has at most 2^20 addresses");
                IpAddr::V4(Ipv4Addr::from(u32::from(base) + low))
            }
            IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base) + u128::from(offset) + 1)),
        }
    }
}
