//! Allocation of cluster IPs, node ports and node pod ranges: which value comes next, as pure state.
//!
//! The server asks an [`ip::Allocator`] or [`port::Allocator`] for candidates and claims them in its store, which every
//! server sees; the node IPAM, which runs once, keeps one [`cidr::Allocator`] per cluster range, filled from the nodes
//! that exist. An allocator never gives a value twice, and one that was released may be given again.

mod bitmap;
pub mod cidr;
pub mod ip;
pub mod port;

#[cfg(test)]
mod tests;

/// How many of the first values of a range are kept for explicit requests, so that these rarely collide with values
/// that were handed out dynamically: `min(max(16, size / step), most)`, and none of a range of 16 or fewer.
///
/// Source: KEP-3070 (cluster IPs), KEP-3668 (node ports).
fn static_band(size: u64, step: u64, most: u64) -> u64 {
    const LEAST: u64 = 16;
    if size <= LEAST { 0 } else { (size / step).clamp(LEAST, most) }
}
