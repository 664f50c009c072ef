//! A sparse set of offsets: memory follows what is used, not the size of the range (an IPv6 /64 has 2⁶⁴ offsets).

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of offsets in `0..len`.
#[derive(Clone, Debug, Default)]
pub(super) struct Bitmap {
    words: BTreeMap<u64, u64>,
    used: u64,
}

impl Bitmap {
    /// How many offsets are set.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Whether an offset is set.
    pub(super) fn has(&self, offset: u64) -> bool {
        self.words.get(&(offset / 64)).is_some_and(|word| word & (1 << (offset % 64)) != 0)
    }

    /// Sets an offset; false where it was set already.
    pub(super) fn set(&mut self, offset: u64) -> bool {
        let word = self.words.entry(offset / 64).or_default();
        let bit = 1 << (offset % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        self.used += u64::from(fresh);
        fresh
    }

    /// Clears an offset; false where it was not set.
    pub(super) fn clear(&mut self, offset: u64) -> bool {
        let index = offset / 64;
        let Some(word) = self.words.get_mut(&index) else { return false };
        let bit = 1 << (offset % 64);
        let was = *word & bit != 0;
        *word &= !bit;
        if *word == 0 {
            self.words.remove(&index);
        }
        self.used -= u64::from(was);
        was
    }

    /// The first free offset of `range` at or after `start`, wrapping round. Costs one step per full word passed.
    pub(super) fn next_free(&self, range: Range<u64>, start: u64) -> Option<u64> {
        let start = start.clamp(range.start, range.end);
        self.first_free(start..range.end).or_else(|| self.first_free(range.start..start))
    }

    fn first_free(&self, range: Range<u64>) -> Option<u64> {
        let mut offset = range.start;
        while offset < range.end {
            let Some(word) = self.words.get(&(offset / 64)) else { return Some(offset) };
            // Bits below the offset count as taken.
            let taken = word | ((1u64 << (offset % 64)) - 1);
            if taken != u64::MAX {
                let free = offset / 64 * 64 + u64::from(taken.trailing_ones());
                return (free < range.end).then_some(free);
            }
            offset = (offset / 64 + 1).checked_mul(64)?;
        }
        None
    }
}
