//! Where objects are kept, as the flags of `kube-apiserver` say it.

use clap::Args;
use kubekit_cluster::{EncryptionAtRest, Storage};
use kubekit_store::etcd::{EtcdConfig, TlsFiles};
use std::path::PathBuf;

/// Flags under the names that `kube-apiserver` has for them.
#[derive(Args, Clone, Debug)]
pub struct StorageArguments {
    /// Keeps objects in this etcd cluster instead of the data directory: `http://HOST:PORT` or `https://HOST:PORT`, with
    /// commas between members.
    #[arg(long, value_name = "URL,URL", value_delimiter = ',')]
    etcd_servers: Vec<String>,
    /// The certificate of the authority that has signed those of etcd's members.
    #[arg(long, value_name = "FILE", requires = "etcd_servers")]
    etcd_cafile: Option<PathBuf>,
    /// The certificate by which etcd knows this server.
    #[arg(long, value_name = "FILE", requires = "etcd_keyfile")]
    etcd_certfile: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE", requires = "etcd_certfile")]
    etcd_keyfile: Option<PathBuf>,
    /// What the keys of all objects in etcd begin with.
    #[arg(long, value_name = "PREFIX", default_value = "/registry")]
    etcd_prefix: String,
    /// What is encrypted before it is stored: an EncryptionConfiguration. It is read again when it changes.
    /// [default: encryption-config.yaml in the data directory]
    #[arg(long, value_name = "FILE")]
    encryption_provider_config: Option<PathBuf>,
}

impl StorageArguments {
    /// Whether objects are in etcd.
    pub fn is_etcd(&self) -> bool {
        !self.etcd_servers.is_empty()
    }

    /// What is encrypted; `otherwise` where no file is named.
    pub fn encryption(&self, otherwise: EncryptionAtRest) -> EncryptionAtRest {
        self.encryption_provider_config.clone().map_or(otherwise, EncryptionAtRest::File)
    }

    /// Where objects and certificates are, with this data directory.
    pub fn storage(&self, directory: PathBuf) -> Storage {
        if !self.is_etcd() {
            return Storage::Directory(directory);
        }
        let tls = TlsFiles {
            ca: self.etcd_cafile.clone(),
            certificate: self.etcd_certfile.clone(),
            key: self.etcd_keyfile.clone(),
        };
        let prefix = format!("/{}", self.etcd_prefix.trim_matches('/'));
        let etcd = EtcdConfig::new(self.etcd_servers.clone()).prefix(prefix.trim_end_matches('/'), "/").tls(tls);
        Storage::Etcd { directory, etcd: Box::new(etcd) }
    }
}
