//! System tests: the real `cluster` binary, real processes, sockets and kernels, and unmodified `kubectl`s.
//!
//! A test that cannot find what it needs says so and passes; under `CI=true` it fails instead.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says when it is skipped")]

mod backup;
mod bad_input;
mod cluster;
mod connections;
#[cfg(target_os = "linux")]
mod containerd;
mod crash;
mod data_directory;
#[cfg(target_os = "linux")]
mod disk_full;
mod encryption;
mod etcd;
mod kubectl;
mod manifests;
mod node_failure;
mod printed;
mod rollout;
mod streams;
mod structure;
mod verbs;
