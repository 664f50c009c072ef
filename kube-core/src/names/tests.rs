use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Constant(u64);

impl Random for Constant {
    fn next_u64(&self) -> u64 {
        self.0
    }
}

#[track_caller]
fn check(base: &str, kept: &str) {
    let name = generate(base, &Counting::default());
    let suffix = name.strip_prefix(kept).expect("the base stays");
    assert_eq!(suffix.len(), 5, "{name}");
    assert!(suffix.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
    assert!(name.len() <= 63);
}

#[test]
fn bases_are_cut_to_leave_room_for_the_suffix() {
    check("web-", "web-");
    check("", "");
    check(&"a".repeat(80), &"a".repeat(58));
    check(&"ä".repeat(40), &"ä".repeat(29));
    check(&format!("x{}", "ä".repeat(40)), &format!("x{}", "ä".repeat(28)));
}

#[test]
fn uids_are_version_4() {
    let uid = uid(&Counting::default());
    assert_eq!(uid.len(), 36);
    assert_eq!(&uid[14..15], "4");
    assert!(matches!(&uid[19..20], "8" | "9" | "a" | "b"));
    for (bits, expected) in [
        (0, "00000000-0000-4000-8000-000000000000"),
        (u64::MAX, "ffffffff-ffff-4fff-bfff-ffffffffffff"),
        (0x0123_4567_89ab_cdef, "01234567-89ab-4def-8123-456789abcdef"),
    ] {
        assert_eq!(super::uid(&Constant(bits)), expected);
    }
}
