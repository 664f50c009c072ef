//! The allocators against a set, under random operations, and the rules as rows.

use super::{bitmap::Bitmap, cidr, ip, port, static_band};
use crate::environment::Random;
use ipnet::IpNet;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A random source that counts, so that a test knows what comes next.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Random for Counter {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn check_ip(range: &str, ip: &str, expected: &str) {
    let mut allocator = ip::Allocator::new(net(range)).unwrap();
    let result = allocator.allocate(addr(ip)).map_or_else(|e| e.to_string(), |()| "ok".into());
    assert_eq!(result, expected);
}

#[test]
fn addresses_outside_the_usable_range_are_refused() {
    check_ip("10.96.0.0/12", "10.96.0.1", "ok");
    check_ip("10.96.0.0/24", "10.96.0.254", "ok");
    for ip in ["10.96.0.0", "10.96.0.255", "10.97.0.1", "fd00::1"] {
        let text = format!("the provided IP ({ip}) is not in the valid range. The range of valid IPs is 10.96.0.0/24");
        check_ip("10.96.0.0/24", ip, &text);
    }
    check_ip("fd00::/108", "fd00::f:ffff", "ok");
    check_ip("fd00::/64", "fd00::ffff:ffff:ffff:fffe", "ok");
}

#[test]
fn the_first_address_stands_behind_that_of_the_network() {
    for (range, first) in [("10.96.0.0/12", "10.96.0.1"), ("10.0.0.16/30", "10.0.0.17"), ("fd00::/108", "fd00::1")] {
        let mut allocator = ip::Allocator::new(net(range)).unwrap();
        assert_eq!(allocator.first(), addr(first));
        allocator.allocate(addr(first)).unwrap();
    }
}

#[test]
fn an_address_is_given_once_and_again_after_its_release() {
    let mut allocator = ip::Allocator::new(net("10.0.0.0/24")).unwrap();
    allocator.allocate(addr("10.0.0.10")).unwrap();
    assert_eq!(allocator.allocate(addr("10.0.0.10")), Err(ip::Error::Allocated));
    assert_eq!(ip::Error::Allocated.to_string(), "provided IP is already allocated");
    assert!(allocator.release(addr("10.0.0.10")));
    assert!(!allocator.release(addr("10.0.0.10")));
    allocator.allocate(addr("10.0.0.10")).unwrap();
}

#[test]
fn dynamic_addresses_leave_the_static_band_until_the_rest_is_used() {
    let random = Counter::default();
    let mut allocator = ip::Allocator::new(net("10.0.0.0/24")).unwrap();
    let given: Vec<IpAddr> = (0..238).map(|_| allocator.allocate_next(&random).unwrap()).collect();
    assert!(given.iter().all(|ip| *ip > addr("10.0.0.16")), "{given:?}");
    let rest: BTreeSet<IpAddr> = (0..16).map(|_| allocator.allocate_next(&random).unwrap()).collect();
    assert_eq!(rest.first(), Some(&addr("10.0.0.1")));
    assert_eq!(rest.last(), Some(&addr("10.0.0.16")));
    assert_eq!(allocator.allocate_next(&random), Err(ip::Error::Full));
    assert_eq!(allocator.free(), 0);
}

#[test]
fn ranges_without_room_or_too_large_are_refused() {
    assert!(matches!(ip::Allocator::new(net("10.0.0.0/32")), Err(ip::Error::TooSmall(_))));
    assert!(matches!(ip::Allocator::new(net("10.0.0.0/31")), Err(ip::Error::TooSmall(_))));
    assert!(matches!(ip::Allocator::new(net("10.0.0.0/8")), Err(ip::Error::TooLarge { least: 12, .. })));
    assert!(matches!(ip::Allocator::new(net("fd00::/48")), Err(ip::Error::TooLarge { least: 64, .. })));
}

#[test]
fn static_bands_are_those_of_the_keps() {
    for (size, ip, port) in
        [(16, 0, 0), (32, 16, 16), (256, 16, 16), (1024, 64, 32), (2768, 173, 86), (1 << 20, 256, 128)]
    {
        assert_eq!((static_band(size, 16, 256), static_band(size, 32, 128)), (ip, port), "{size}");
    }
}

#[test]
fn ports_are_given_once_from_above_the_band() {
    let random = Counter::default();
    let mut allocator = port::Allocator::default();
    assert_eq!(allocator.allocate_next(&random), Ok(30086));
    assert_eq!(allocator.allocate(30086), Err(port::Error::Allocated));
    assert_eq!(allocator.allocate(30000), Ok(()));
    let refused = allocator.allocate(80).unwrap_err().to_string();
    assert_eq!(refused, "provided port is not in the valid range. The range of valid ports is 30000-32767");
    for _ in 0..2766 {
        allocator.allocate_next(&random).unwrap();
    }
    assert_eq!(allocator.allocate_next(&random), Err(port::Error::Full));
    assert!(allocator.release(31000));
    assert_eq!(allocator.allocate_next(&random), Ok(31000));
}

#[test]
fn blocks_come_in_order_and_a_released_one_last() {
    let mut allocator = cidr::Allocator::new(net("10.244.0.0/22"), 24).unwrap();
    let texts: Vec<String> = (0..3).map(|_| allocator.allocate_next().unwrap().to_string()).collect();
    assert_eq!(texts, ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]);
    assert_eq!(allocator.release(net("10.244.0.0/24")), Ok(true));
    assert_eq!(allocator.allocate_next(), Ok(net("10.244.3.0/24")));
    assert_eq!(allocator.allocate_next(), Ok(net("10.244.0.0/24")));
    assert_eq!(allocator.allocate_next(), Err(cidr::Error::Full(net("10.244.0.0/22"))));
}

#[test]
fn occupied_blocks_are_not_given_and_overlaps_are_refused() {
    let mut allocator = cidr::Allocator::new(net("10.244.0.0/16"), 24).unwrap();
    allocator.occupy(net("10.244.0.0/23")).unwrap();
    assert_eq!(allocator.free(), 254);
    assert_eq!(allocator.occupy(net("10.244.1.128/25")), Err(cidr::Error::Allocated(net("10.244.1.128/25"))));
    assert!(matches!(allocator.occupy(net("10.245.0.0/24")), Err(cidr::Error::NotInRange { .. })));
    assert_eq!(allocator.allocate_next(), Ok(net("10.244.2.0/24")));
    let mut six = cidr::Allocator::new(net("fd00:10:244::/56"), 64).unwrap();
    assert_eq!(six.allocate_next(), Ok(net("fd00:10:244::/64")));
    assert_eq!(six.allocate_next(), Ok(net("fd00:10:244:1::/64")));
    let mut one = cidr::Allocator::new(net("10.1.0.0/24"), 24).unwrap();
    assert_eq!(one.allocate_next(), Ok(net("10.1.0.0/24")));
}

#[test]
fn block_prefixes_and_overlapping_ranges_are_checked() {
    for prefix in [8, 33] {
        assert!(matches!(cidr::Allocator::new(net("10.244.0.0/16"), prefix), Err(cidr::Error::Prefix { .. })));
    }
    assert!(cidr::Allocator::new(net("10.0.0.0/8"), 25).is_err());
    assert_eq!(cidr::disjoint(&[net("10.96.0.0/12"), net("10.244.0.0/16"), net("fd00::/64")]), Ok(()));
    assert!(matches!(cidr::disjoint(&[net("10.0.0.0/8"), net("10.244.0.0/16")]), Err(cidr::Error::Overlap(..))));
}

proptest! {
    #[test]
    fn the_bitmap_is_a_set(operations in prop::collection::vec((0u64..200, 0u8..3), 0..300)) {
        let mut bitmap = Bitmap::default();
        let mut model = BTreeSet::new();
        for (offset, what) in operations {
            match what {
                0 => prop_assert_eq!(bitmap.set(offset), model.insert(offset)),
                1 => prop_assert_eq!(bitmap.clear(offset), model.remove(&offset)),
                _ => {
                    let expected = (offset..200).chain(0..offset).find(|o| !model.contains(o));
                    prop_assert_eq!(bitmap.next_free(0..200, offset), expected);
                }
            }
            prop_assert_eq!(bitmap.used(), model.len() as u64);
        }
    }

    #[test]
    fn no_address_is_given_twice(operations in prop::collection::vec((any::<u8>(), any::<bool>()), 0..400)) {
        let random = Counter::default();
        let mut allocator = ip::Allocator::new(net("10.0.0.0/25")).unwrap();
        let mut held = BTreeSet::new();
        for (pick, release) in operations {
            if release {
                let Some(ip) = held.iter().nth(usize::from(pick) % held.len().max(1)).copied() else { continue };
                prop_assert!(allocator.release(ip));
                held.remove(&ip);
            } else {
                match allocator.allocate_next(&random) {
                    Ok(ip) => prop_assert!(held.insert(ip)),
                    Err(error) => {
                        prop_assert_eq!(error, ip::Error::Full);
                        prop_assert_eq!(held.len(), 126);
                    }
                }
            }
            prop_assert_eq!(allocator.used(), held.len() as u64);
        }
    }
}
