//! The laboratory: clusters and loads in virtual time, policies side by side under the same seeds.
//!
//! Nothing here reads a clock, a file or a random number of the system, nor starts a thread: the same input and seed give
//! the same output, byte for byte. A [`Scenario`] comes from a [`Generator`] or a trace; [`simulate`] runs it under a
//! [`Contestant`]'s scheduler; a [`Comparison`] of the runs becomes a page, rows or JSON. [`openb`] replays the OpenB trace
//! by the protocol of the FGD study.
//!
//! ```
//! use kubekit_sched::lab::{Comparison, Contestant, Generator, simulate};
//! use std::time::Duration;
//!
//! let generator = Generator { horizon: Duration::from_secs(600), ..Generator::default() };
//! let seeds = [1, 2];
//! let runs = [Contestant::Default, Contestant::MostAllocated].map(|policy| {
//!     let run = |seed: &u64| {
//!         let scenario = generator.scenario(*seed);
//!         simulate(&scenario, &policy.scheduler(&scenario, *seed), |_| {})
//!     };
//!     (policy.name().to_owned(), seeds.iter().map(run).collect())
//! });
//! let comparison = Comparison::new("ten minutes", Vec::new(), seeds.to_vec(), runs);
//! assert!(comparison.to_html().contains("Pending time"));
//! ```

mod comparison;
mod contestant;
mod measure;
pub mod openb;
#[cfg(feature = "k8s")]
pub mod recording;
mod report;
pub mod rng;
mod scenario;
mod simulation;
pub mod stats;

pub use comparison::{Comparison, Contender};
pub use contestant::Contestant;
pub use measure::{CURVES, METRICS, Measurements, Metric};
pub use scenario::{Generator, Job, Outage, Scenario, Shape};
pub use simulation::simulate;
