//! Node ports.

use super::bitmap::Bitmap;
use super::static_band;
use crate::environment::Random;
use std::ops::RangeInclusive;

/// The node ports that Kubernetes uses unless told otherwise.
pub const DEFAULT_RANGE: RangeInclusive<u16> = 30000..=32767;

/// Why a port could not be had. The texts are those of Kubernetes' allocator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No port is free.
    #[error("range is full")]
    Full,
    /// Somebody has the port.
    #[error("provided port is already allocated")]
    Allocated,
    /// The port is outside the range.
    #[error("provided port is not in the valid range. The range of valid ports is {first}-{last}")]
    NotInRange {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
}

/// The ports of one range. One port serves every protocol of the Service that holds it.
///
/// The first ports (the static band, KEP-3668) are handed out dynamically only when the rest is used up.
#[derive(Clone, Debug)]
pub struct Allocator {
    first: u16,
    last: u16,
    band: u64,
    used: Bitmap,
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new(DEFAULT_RANGE)
    }
}

impl Allocator {
    /// An allocator for a range, with nothing allocated.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        let (first, last) = range.into_inner();
        let size = u64::from(last.saturating_sub(first)) + 1;
        Self { first, last, band: static_band(size, 32, 128), used: Bitmap::default() }
    }

    /// The range.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// Whether the port is allocated.
    pub fn has(&self, port: u16) -> bool {
        self.offset(port).is_ok_and(|offset| self.used.has(offset))
    }

    /// How many ports are free.
    pub fn free(&self) -> u64 {
        self.size() - self.used.used()
    }

    /// Takes this port.
    ///
    /// # Errors
    /// [`Error::NotInRange`] and [`Error::Allocated`].
    pub fn allocate(&mut self, port: u16) -> Result<(), Error> {
        let offset = self.offset(port)?;
        if self.used.set(offset) { Ok(()) } else { Err(Error::Allocated) }
    }

    /// Takes a free port, above the static band while there is one.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub fn allocate_next(&mut self, random: &dyn Random) -> Result<u16, Error> {
        let upper = self.band..self.size();
        let start = upper.start + random.next_u64() % (upper.end - upper.start);
        let offset = self
            .used
            .next_free(upper, start)
            .or_else(|| self.used.next_free(0..self.band, random.next_u64() % self.band.max(1)))
            .ok_or(Error::Full)?;
        self.used.set(offset);
        Ok(self.port(offset))
    }

    /// Gives a port back; false where it was not allocated.
    pub fn release(&mut self, port: u16) -> bool {
        self.offset(port).is_ok_and(|offset| self.used.clear(offset))
    }

    fn port(&self, offset: u64) -> u16 {
        self.first + u16::try_from(offset).expect("an offset is below the size of a range of ports")
    }

    fn size(&self) -> u64 {
        u64::from(self.last - self.first) + 1
    }

    fn offset(&self, port: u16) -> Result<u64, Error> {
        if self.range().contains(&port) {
            Ok(u64::from(port - self.first))
        } else {
            Err(Error::NotInRange { first: self.first, last: self.last })
        }
    }
}
