//! Encryption at rest for a cluster: where its configuration is, and what happens when it changes.

use crate::error::{Error, Result};
use crate::kubeconfig;
use kubekit_server::keys;
use kubekit_store::Encryption;
use kubekit_store::encryption::Rule;
use kubekit_store::encryption::config::{EncryptionConfiguration, Resource};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The name of the configuration in a data directory.
const OWN_FILE: &str = "encryption-config.yaml";
/// How often the file is looked at, and how long until a key management service that does not answer at a start is asked
/// again.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is asked before the start fails: its plugin may be starting as well.
const ATTEMPTS: usize = 30;

/// How a cluster encrypts what it stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EncryptionAtRest {
    /// As `encryption-config.yaml` in the data directory says, where there is one; not at all otherwise.
    #[default]
    AsFound,
    /// The same; where there is none, one is made that encrypts Secrets under a new key.
    Secrets,
    /// As this file says: Kubernetes' `EncryptionConfiguration`.
    File(PathBuf),
}

/// A configuration in use, and the file that it was read from.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    text: String,
    encryption: Encryption,
}

impl EncryptionAtRest {
    /// Reads the configuration; `None` where nothing is encrypted.
    pub(crate) fn open(&self, directory: Option<&Path>) -> Result<Option<Watched>> {
        let path = match (self, directory) {
            (Self::File(path), _) => path.clone(),
            (_, None) => return Ok(None),
            (Self::AsFound | Self::Secrets, Some(directory)) => directory.join(OWN_FILE),
        };
        if *self == Self::Secrets && !path.exists() {
            let text = EncryptionConfiguration::generate()
                .map_err(|detail| Error::Encryption { path: path.clone(), detail })?;
            kubeconfig::write_secret(&path, &text)?;
        }
        if *self == Self::AsFound && !path.exists() {
            return Ok(None);
        }
        let text = read(&path)?;
        let encryption = Encryption::new(rules(&path, &text)?);
        Ok(Some(Watched { path, text, encryption }))
    }
}

impl Watched {
    /// What the store is to be opened with. It follows the file while [`Watched::follow`] runs.
    pub(crate) fn encryption(&self) -> Encryption {
        self.encryption.clone()
    }

    /// Gets the keys that others keep, without which nothing can be read or written.
    ///
    /// # Errors
    /// When a key management service does not give them for a while.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let mut attempt = 1;
        loop {
            match refresh(&self.path, &self.encryption).await {
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => tracing::warn!(%error, attempt, "a key management service gives no key yet"),
                Ok(()) => return Ok(()),
            }
            attempt += 1;
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Takes a changed file into use, and keeps the keys up to date that others keep, until `shutdown`. A file that cannot
    /// be used is said, and changes nothing.
    pub(crate) async fn follow(mut self, shutdown: CancellationToken) {
        let encryption = self.encryption.clone();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = self.watch() => {}
            () = encryption.keep_fresh() => {}
        }
    }

    async fn watch(&mut self) {
        let mut said = String::new();
        loop {
            tokio::time::sleep(PERIOD).await;
            match self.look().await {
                Ok(false) => {}
                Ok(true) => {
                    said.clear();
                    tracing::warn!(path = %self.path.display(), "the encryption configuration was read anew");
                }
                Err(error) if error.to_string() == said => {}
                Err(error) => {
                    tracing::error!(%error, "the encryption configuration cannot be used; the one before stays in use");
                    said = error.to_string();
                }
            }
        }
    }

    /// Reads the file; whether it has changed.
    async fn look(&mut self) -> Result<bool> {
        let text = read(&self.path)?;
        if text == self.text {
            return Ok(false);
        }
        let next = rules(&self.path, &text)?;
        // What cannot encrypt now is not taken into use, and tried again.
        refresh(&self.path, &Encryption::new(next.clone())).await?;
        self.encryption.replace(next);
        self.text = text;
        Ok(true)
    }
}

async fn refresh(path: &Path, encryption: &Encryption) -> Result<()> {
    let refreshed = encryption.refresh().await;
    refreshed.map_err(|error| Error::Encryption { path: path.to_owned(), detail: error.to_string() })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::File { action: "read", path: path.to_owned(), source })
}

fn rules(path: &Path, text: &str) -> Result<Vec<Rule>> {
    let configuration = EncryptionConfiguration::parse(text)
        .map_err(|error| Error::Encryption { path: path.to_owned(), detail: error.to_string() })?;
    Ok(configuration.rules(prefix))
}

/// The prefix of a resource's keys.
fn prefix(resource: Resource<'_>) -> String {
    match resource {
        Resource::Every => "/".to_owned(),
        Resource::Group("") => "/core/".to_owned(),
        Resource::Group(group) => format!("/{group}/"),
        Resource::One(group, plural) => keys::resource_prefix(group, plural),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resource: Resource<'_>, expected: &str) {
        assert_eq!(prefix(resource), expected);
    }

    #[test]
    fn resources_have_the_prefixes_of_the_server() {
        check(Resource::One("", "secrets"), "/core/secrets/");
        check(Resource::One("apps", "deployments"), "/apps/deployments/");
        check(Resource::Group(""), "/core/");
        check(Resource::Group("batch"), "/batch/");
        check(Resource::Every, "/");
    }

    #[test]
    fn a_key_of_its_own_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(OWN_FILE);
        assert!(EncryptionAtRest::AsFound.open(Some(directory.path())).unwrap().is_none());
        assert!(EncryptionAtRest::Secrets.open(None).unwrap().is_none(), "nothing is kept, nothing is encrypted");
        EncryptionAtRest::Secrets.open(Some(directory.path())).unwrap().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for again in [EncryptionAtRest::Secrets, EncryptionAtRest::AsFound, EncryptionAtRest::File(path)] {
            assert_eq!(again.open(Some(directory.path())).unwrap().unwrap().text, text);
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_taken_into_use_and_a_wrong_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let (one, two) = (EncryptionConfiguration::generate().unwrap(), EncryptionConfiguration::generate().unwrap());
        std::fs::write(&path, &one).unwrap();
        let mut watched = EncryptionAtRest::File(path.clone()).open(None).unwrap().unwrap();
        assert!(!watched.look().await.unwrap());
        std::fs::write(&path, two.replace("key1", "key2")).unwrap();
        assert!(watched.look().await.unwrap() && !watched.look().await.unwrap());
        assert!(format!("{:?}", watched.encryption()).contains("key2"));
        std::fs::write(&path, one.replace("secretbox", "rot13")).unwrap();
        let error = watched.look().await.unwrap_err().to_string();
        assert!(error.contains("config") && !error.contains("secret:"), "{error}");
        assert!(watched.look().await.is_err(), "it is looked at again");
        assert!(format!("{:?}", watched.encryption()).contains("key2"), "the one before stays in use");
        std::fs::remove_file(&path).unwrap();
        assert!(watched.look().await.is_err());
    }

    #[cfg(all(unix, feature = "kms"))]
    #[tokio::test(start_paused = true)]
    async fn a_key_service_that_does_not_answer_is_said_with_its_endpoint() {
        let directory = tempfile::tempdir().unwrap();
        let (path, socket) = (directory.path().join("config"), directory.path().join("kms.sock"));
        let text = |provider: &str| {
            format!(
                "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  \
                 providers: [{provider}]\n"
            )
        };
        let kms = format!("{{kms: {{apiVersion: v2, name: vault, endpoint: 'unix://{}'}}}}", socket.display());
        std::fs::write(&path, text(&kms)).unwrap();
        let watched = EncryptionAtRest::File(path.clone()).open(None).unwrap().unwrap();
        let error = watched.prepare().await.unwrap_err().to_string();
        assert!(error.contains("KMS plugin \"vault\"") && error.contains("kms.sock"), "{error}");
        std::fs::write(&path, text("{identity: {}}")).unwrap();
        let mut watched = EncryptionAtRest::File(path.clone()).open(None).unwrap().unwrap();
        watched.prepare().await.unwrap();
        std::fs::write(&path, text(&kms)).unwrap();
        for _ in 0..2 {
            let error = watched.look().await.unwrap_err().to_string();
            assert!(error.contains("kms.sock"), "{error}");
            assert!(format!("{:?}", watched.encryption()).contains("Identity"), "the one before stays in use");
        }
    }
}
