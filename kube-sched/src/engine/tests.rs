//! What the fast path keeps, against its bounds.

use super::*;
use crate::model::{Node, Resources};

/// Decides on pods of 20 classes in turn, three times over, with no memory to spare; gives the number of the classes that keep
/// something of nodes.
fn kept(cpu: i64) -> usize {
    let (profile, mut cluster) = (Profile::default(), Cluster::new());
    cluster.add_node(Node::new("a", Resources::new(1000, 1 << 30, 110)));
    let mut cache = Cache { bytes_max: BytesMax(0), ..Cache::default() };
    for i in (0..3).flat_map(|_| 0..20) {
        cache.decide(&profile, &cluster, &Pod::new("p").request(Resources::new(cpu + i, 0, 0)), Tie::Nth(0));
    }
    assert_eq!(cache.classes.len(), 20);
    assert_eq!(cache.bytes, cache.classes.iter().map(Class::bytes).sum::<usize>());
    cache.classes.iter().filter(|class| class.bytes() > 0).count()
}

#[test]
fn classes_that_are_used_in_turn_keep_to_the_bound() {
    assert_eq!(kept(1), CLASSES_KEPT_MIN, "pods that fit");
    assert_eq!(kept(2000), CLASSES_KEPT_MIN, "and pods that fit nowhere");
}
