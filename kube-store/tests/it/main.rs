//! Integration tests of this crate, one binary.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests stop at what they do not expect, and print seeds")]

mod backup;
mod conformance;
mod crash;
mod damage;
mod encryption;
mod etcd;
mod faults;
mod killed;
#[cfg(unix)]
mod kms;
mod linearizability;
mod observed;
mod trace;

/// Seeds for a test: from `KUBEKIT_STORE_SEED` on, `KUBEKIT_STORE_SEEDS` of them (or `count`). They are printed, so that
/// a failure can be repeated.
fn seeds(test: &str, count: u64) -> impl Iterator<Item = u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first = number("KUBEKIT_STORE_SEED").unwrap_or(1);
    let count = number("KUBEKIT_STORE_SEEDS").unwrap_or(count);
    println!("{test}: seeds {first} to {}", first + count - 1);
    first..first + count
}

/// Whether the long versions of the tests are asked for, by `KUBEKIT_STORE_LONG=1`.
fn long() -> bool {
    std::env::var_os("KUBEKIT_STORE_LONG").is_some()
}
