//! Where a cluster keeps its objects and certificates.

use crate::error::{Error, Result};
use kubekit_server::pki::{Pki, ServingNames};
use kubekit_store::{Encryption, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a cluster keeps its objects and certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory: nothing is left of it.
    #[default]
    Memory,
    /// In a directory, which a later cluster takes up again: `store` has the objects, `pki` the certificates.
    Directory(PathBuf),
    /// Objects in an etcd cluster, which several API servers may share, and the certificates in a directory. Those who
    /// share the objects must share the certificates.
    #[cfg(feature = "etcd")]
    Etcd {
        /// Where `pki` is.
        directory: PathBuf,
        /// Where the objects are.
        etcd: Box<kubekit_store::etcd::EtcdConfig>,
    },
}

impl Storage {
    /// The directory, where there is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::Directory(directory) => Some(directory),
            #[cfg(feature = "etcd")]
            Self::Etcd { directory, .. } => Some(directory),
        }
    }

    /// Makes the directory, where there is to be one: nobody but its owner can read it.
    pub(crate) fn prepare(&self) -> Result<()> {
        self.directory().map_or(Ok(()), create)
    }

    /// Whether the store forgets history by itself, in agreement with others who share it.
    pub(crate) fn compacts_itself(&self) -> bool {
        match self {
            Self::Memory | Self::Directory(_) => false,
            #[cfg(feature = "etcd")]
            Self::Etcd { etcd, .. } => etcd.compaction_interval.is_some(),
        }
    }

    /// The store. Reads what is there, which for a large cluster takes a while.
    pub(crate) async fn open(
        &self,
        clock: &Arc<dyn kubekit_core::environment::WallClock>,
        encryption: Encryption,
    ) -> Result<Arc<dyn Store>> {
        let clock = Arc::clone(clock);
        let config = kubekit_server::store_config()
            .encryption(encryption)
            .wall_clock(kubekit_store::WallClock::new(move || clock.now().into()));
        match self {
            Self::Memory => Ok(Arc::new(kubekit_store::Memory::new(kubekit_server::extractor(), config))),
            Self::Directory(directory) => {
                let path = directory.join("store");
                let opened = kubekit_store::Disk::open(&path, kubekit_server::extractor(), config);
                Ok(Arc::new(opened.map_err(|source| Error::Store { path, source })?))
            }
            #[cfg(feature = "etcd")]
            Self::Etcd { etcd, .. } => {
                let endpoints = etcd.endpoints.join(",");
                let connected =
                    kubekit_store::Etcd::connect((**etcd).clone(), kubekit_server::extractor(), config).await;
                Ok(Arc::new(connected.map_err(|source| Error::Etcd { endpoints, source })?))
            }
        }
    }

    /// The certificates: those kept, or new ones.
    pub(crate) fn certificates(&self, names: &ServingNames, now: jiff::Timestamp) -> Result<Pki> {
        match self.directory() {
            None => Pki::generate(names, now),
            Some(directory) => Pki::load_or_create(&directory.join("pki"), names, now),
        }
        .map_err(Error::Certificates)
    }
}

/// A directory that only its owner can read.
fn create(directory: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|source| Error::File { action: "create", path: directory.to_owned(), source })
}
