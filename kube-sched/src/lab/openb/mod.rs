//! The OpenB trace of a production GPU cluster, and the table of the FGD study (Beware of Fragmentation, ATC'23) made again
//! through the scheduling framework. Start at [`OpenbTrace::parse`] and [`OpenbTrace::run`].

mod csv;
mod policy;
mod published;
mod run;
mod trace;

pub use csv::CsvError;
pub use policy::{NoPolicy, Policy};
pub use published::{Published, parse_published};
pub use run::{OpenbRun, allocated_at_100};
pub use trace::{OpenbError, OpenbPod, OpenbTrace};

#[cfg(test)]
mod tests;
