//! Deletes what lost its owners.
//!
//! Source: `pkg/controller/garbagecollector`. [`graph`] holds who owns whom, fed by one watch of metadata per kind; it says
//! what must be looked at. [`decide`] says what becomes of an object, once its owners were looked up. `run` watches, looks
//! up and writes; it deletes nothing on the word of the graph alone.

pub mod decide;
pub mod graph;
mod owners;
mod run;
mod watch;

pub use run::run;

#[cfg(test)]
mod tests;
