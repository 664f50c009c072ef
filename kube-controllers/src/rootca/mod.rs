//! Publishes the certificate authority of the API server as the ConfigMap `kube-root-ca.crt` in every namespace, where
//! pods find it.
//!
//! Source: `pkg/controller/certificates/rootcacertpublisher`.

pub mod decide;
mod run;

pub use run::run;
