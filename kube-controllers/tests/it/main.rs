//! Integration tests of this crate, one binary: the controllers against a real API server in the same process.
//!
//! Time is paused: `tokio` moves it on when nothing else can be done, so that grace periods of a minute pass at once. Each
//! controller acts under its own identity, with no more than the default roles allow it.

#![expect(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod cluster;
mod garbage;
mod namespaces;
mod nodes;
mod services;
mod workloads;
