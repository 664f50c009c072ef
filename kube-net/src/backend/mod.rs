//! The seam between what traffic should do and how a kernel is told: [`ProxyBackend`].

mod conformance;

mod nftables;
mod rule_set;
mod simulated;

pub use conformance::check;

pub use nftables::Nftables;
pub use rule_set::RuleSet;
pub use simulated::Simulated;

use crate::port::ServicePort;
use std::fmt::Debug;

/// Renders rules. Pure: the same ports give the same rules, and nothing is applied here.
///
/// Contract, which [`check`] holds an implementation to: rendering is deterministic; the difference between equal rule sets
/// is empty; rules of one Service do not depend on others, so that the difference for one Service does not grow with their
/// number; every endpoint of a port appears, and none that is not its endpoint.
pub trait ProxyBackend: Send + Sync + Debug + 'static {
    /// The rules for these ports, all of one IP family.
    fn render(&self, ports: &[ServicePort]) -> RuleSet;

    /// What brings the kernel to `rules` whatever was there before, in one transaction.
    fn replace(&self, rules: &RuleSet) -> String;

    /// What brings the kernel from `old` to `new` in one transaction; empty where they are equal.
    fn difference(&self, old: &RuleSet, new: &RuleSet) -> String;

    /// What takes every rule away.
    fn remove(&self) -> String;
}
