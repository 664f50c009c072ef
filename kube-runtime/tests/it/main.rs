//! The crate through its public interface, against a small API server in memory whose failures the tests command.

mod api;
mod client;
mod controller;
mod events;
mod fake;
mod finalizer;
mod informers;
mod leader;
mod watcher;
