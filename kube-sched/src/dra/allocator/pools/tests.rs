//! Pools that follow an inventory are those that would be made anew.

use super::*;
use crate::cluster::Cluster;
use crate::dra::{DeviceResult, ExactRequest};
use proptest::prelude::*;

/// A claim with these devices of node `n`; the second of them to look at only, the third to share.
fn claim(name: usize, given: &[usize]) -> ResourceClaim {
    let share = |device: usize| Amounts::from([(format!("x/{}", device % 2), Amount::units(name as i64))]);
    let result = |(i, device): (usize, &usize)| DeviceResult {
        request: "r".into(),
        driver: "x".into(),
        pool: "n".into(),
        device: format!("d{device}").into(),
        admin_access: i == 1,
        consumed: (i == 2).then(|| share(*device)),
    };
    let allocation = crate::dra::Allocation { results: given.iter().enumerate().map(result).collect(), nodes: None };
    ResourceClaim {
        allocation: (!given.is_empty()).then_some(allocation),
        ..ResourceClaim::new("default", &format!("c{name}"), ExactRequest::one("gpu"))
    }
}

proptest! {
    #[test]
    fn pools_follow_claims_and_slices(
        steps in prop::collection::vec((0u8..6, 0usize..5, prop::collection::vec(0usize..3, 0..4)), 0..60)
    ) {
        let mut clusters = vec![Cluster::new()];
        for (step, at, given) in steps {
            let cluster = &mut clusters[0];
            match step {
                0 => drop(cluster.inventory_mut().resource_claims.remove("default", &format!("c{at}"))),
                1 => cluster.inventory_mut().resource_slices.set(ResourceSlice::on_node(
                    &format!("n{at}"), "x", given.iter().map(|d| Device::new(&format!("d{d}"))),
                )),
                2 => { let fork = cluster.fork(); clusters.push(fork); }
                3 => clusters.rotate_left(1),
                _ => cluster.inventory_mut().resource_claims.set(claim(at, &given)),
            }
            let cluster = &clusters[0];
            let (followed, anew) = (cluster.pools(), Pools::new(cluster.inventory()));
            prop_assert_eq!(&followed.in_use, &anew.in_use);
            prop_assert_eq!(&followed.published.slices, &anew.published.slices);
        }
    }
}
