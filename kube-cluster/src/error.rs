//! Why a cluster could not be started, or had to stop.

use kubekit_core::status::ApiError;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The result of an operation on a cluster.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a cluster could not be started, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data directory cannot be used.
    #[error("cannot open the store in {path}", path = path.display())]
    Store {
        /// Where the store is.
        path: PathBuf,
        /// Why: in use by another process, damaged, of another version.
        #[source]
        source: kubekit_store::Error,
    },
    /// etcd cannot be used.
    #[cfg(feature = "etcd")]
    #[error("cannot use the objects in etcd at {endpoints}")]
    Etcd {
        /// The addresses of its members.
        endpoints: String,
        /// Why: no member answers, a certificate is refused, the values are somebody else's.
        #[source]
        source: kubekit_store::Error,
    },
    /// Ranges of addresses overlap.
    #[error("Services and Pods need ranges of addresses of their own")]
    Ranges(#[source] kubekit_core::alloc::cidr::Error),
    /// The configuration of encryption at rest cannot be used.
    #[error("cannot use {path}: {detail}", path = path.display())]
    Encryption {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A certificate cannot be made, read or kept.
    #[error("cannot set up the certificates")]
    Certificates(#[source] kubekit_server::pki::Error),
    /// The key that signs service account tokens cannot be used.
    #[error("cannot set up service account tokens")]
    Tokens(#[source] kubekit_server::tokens::KeyError),
    /// The certificates cannot be used for TLS.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The API server cannot be started.
    #[error("cannot start the API server")]
    Server(#[source] Box<ApiError>),
    /// The address is not to be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why: in use, not of this machine, not allowed.
        #[source]
        source: std::io::Error,
    },
    /// A node's agent cannot be started.
    #[error("cannot start the agent of node {node}: {detail}")]
    Node {
        /// The node.
        node: String,
        /// Why.
        detail: String,
    },
    /// The kubeconfig is somebody else's file.
    #[error("{path} exists and was not written by kubekit: it is left as it is; name another file, or remove it", path = path.display())]
    ForeignKubeconfig {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written or read.
    #[error("cannot {action} {path}", path = path.display())]
    File {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Only a cluster that listens has an address that a kubeconfig can name.
    #[error("the cluster does not listen, so no kubeconfig can reach it")]
    NotListening,
    /// A component ended although nobody had asked it to.
    #[error("{component} ended unexpectedly{detail}")]
    Ended {
        /// Which.
        component: String,
        /// `: ` and the panic's message, if it panicked.
        detail: String,
    },
    /// A component did not end in time and was cut off.
    #[error("cut off because they did not stop in time: {components}")]
    CutOff {
        /// Which.
        components: String,
    },
    /// A request of the cluster's own failed.
    #[error("a request of the cluster's own failed")]
    Request(#[source] kubekit_runtime::Error),
}
