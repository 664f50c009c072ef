//! Kubeconfig files.

/// A kubeconfig file.
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {}
