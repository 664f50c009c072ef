//! Collects pods that nobody else will: of nodes that are gone, ended ones beyond a limit, and those that were deleted
//! where no agent can confirm it.
//!
//! Source: `pkg/controller/podgc`.

pub mod decide;
mod run;

pub use decide::Config;
pub use run::run;

#[cfg(test)]
mod tests;
