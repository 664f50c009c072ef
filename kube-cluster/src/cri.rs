//! Containers of this machine: a CRI runtime whose pods are on a bridge.

use kubekit_net::cni::{self, Bridge};
use kubekit_node::runtime::cri::Cri;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where container runtimes look for the network's configuration.
pub const CNI_DIRECTORY: &str = "/etc/cni/net.d";

/// Before the files of others, which a runtime takes in the order of their names.
const CONFLIST: &str = "05-kubekit.conflist";

/// The runtime at `endpoint` (`unix:///run/containerd/containerd.sock`). When its node learns the range of its pods'
/// addresses, the configuration of a bridge network is written into `cni_directory`. To be called within a tokio runtime.
pub fn with_bridge(endpoint: &str, cni_directory: impl Into<PathBuf>) -> Cri {
    let directory = cni_directory.into();
    Cri::new(endpoint).with_network(Arc::new(move |range| write(&directory, range)))
}

fn write(directory: &Path, range: &str) -> io::Result<()> {
    let range =
        range.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{range}: {error}")))?;
    cni::write(directory, CONFLIST, &Bridge::new(range).conflist())
}
