//! Allocation of cluster IPs, node ports and node pod ranges: pure state, persisted by whoever holds it.
//!
//! The server keeps one [`ip::Allocator`] per service range and one [`port::Allocator`]; the node IPAM keeps one
//! [`cidr::Allocator`] per cluster range. After a restart each is filled again from the objects that exist. Nothing is
//! ever handed out twice, and a value that was released may be handed out again.

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
