//! One pod on the node. What is to be done and what is to be reported is decided without I/O: [`decide`] gives the steps,
//! [`status`] the status, both from the pod, what the runtime shows ([`observed`]), what is remembered ([`memory`]) and
//! the time. `worker` is the shell around them, one for each pod.

mod actions;
pub mod admission;
pub mod backoff;
mod calls;
pub mod conditions;
pub mod configuration;
pub mod decide;
pub mod downward;
pub mod environment;
pub mod images;
pub mod members;
pub mod memory;
pub mod observed;
pub mod phase;
pub mod probes;
pub mod qos;
pub mod report;
pub mod sources;
pub mod status;
pub(crate) mod worker;

#[cfg(test)]
pub(crate) mod fixture;
