//! ImageLocality. Source: "Scheduler Configuration" of the documentation, and kube-scheduler's thresholds of 23 MiB and
//! 1000 MiB per image.

use super::*;
use crate::plugins::testing::{MIB, cluster, node, scores};

/// Three nodes: `a` holds both images, `b` the large one, `c` neither.
#[track_caller]
fn check(_source: &str, large_bytes: i64, small_bytes: i64, images: &[&str], containers: u32, expected: &str) {
    let state = cluster(
        [
            node("a").image("large", large_bytes).image("small", small_bytes),
            node("b").image("large", large_bytes),
            node("c"),
        ],
        [],
    );
    let mut pod = Pod::new("p");
    pod.images = images.iter().map(|image| (*image).to_owned()).collect();
    pod.containers = containers;
    assert_eq!(scores(&ImageLocality, &state, &pod), expected);
}

#[test]
fn score() {
    check("no image is held anywhere", 0, 0, &["unknown"], 1, "skip");
    check("no images", MIB, MIB, &[], 1, "skip");
    check("23 MiB·1/3 is below the threshold", 0, 23 * MIB, &["small"], 1, "0 0 0");
    check("300 MiB·2/3 = 200; (200 − 23)·100/977 = 18", 300 * MIB, 0, &["large"], 1, "18 18 0");
    check("900 MiB·1/3 = 300; 277·100/977 = 28", 0, 900 * MIB, &["small"], 1, "28 0 0");
    check("1500 MiB·2/3 = 1000, the most of one image", 1500 * MIB, 0, &["large"], 1, "100 100 0");
    check("9000 MiB·2/3 is capped", 9000 * MIB, 0, &["large"], 1, "100 100 0");
    check("two images raise the cap: 977·100/1977 = 49", 1500 * MIB, 0, &["large", "unknown"], 2, "49 49 0");
    check("both held: (1000 + 300 − 23)·100/1977 = 64", 1500 * MIB, 900 * MIB, &["large", "small"], 2, "64 49 0");
    check("init containers count (#110485): an image twice", 300 * MIB, 0, &["large", "large"], 2, "19 19 0");
    check("bad input: an image of negative size", -5, 0, &["large"], 1, "0 0 0");
    check("bad input: the largest number does not overflow", i64::MAX, i64::MAX, &["large", "small"], 2, "100 100 0");
}
