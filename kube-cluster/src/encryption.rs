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
/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

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

    /// Takes a changed file into use, until `shutdown`. One that cannot be used is said, and changes nothing.
    pub(crate) async fn follow(mut self, shutdown: CancellationToken) {
        let mut unreadable = false;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            let looked = self.look();
            match &looked {
                Ok(false) => {}
                Ok(true) => tracing::warn!(path = %self.path.display(), "the encryption configuration was read anew"),
                Err(Error::File { .. }) if unreadable => {}
                Err(error) => {
                    tracing::error!(%error, "the encryption configuration cannot be used; the one before stays in use");
                }
            }
            unreadable = matches!(looked, Err(Error::File { .. }));
        }
    }

    /// Reads the file; whether it has changed.
    fn look(&mut self) -> Result<bool> {
        let text = read(&self.path)?;
        if text == self.text {
            return Ok(false);
        }
        // What is wrong with it is said once.
        self.text.clone_from(&text);
        self.encryption.replace(rules(&self.path, &text)?);
        Ok(true)
    }
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

    #[test]
    fn a_changed_file_is_taken_into_use_and_a_wrong_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let (one, two) = (EncryptionConfiguration::generate().unwrap(), EncryptionConfiguration::generate().unwrap());
        std::fs::write(&path, &one).unwrap();
        let mut watched = EncryptionAtRest::File(path.clone()).open(None).unwrap().unwrap();
        assert!(!watched.look().unwrap());
        std::fs::write(&path, two.replace("key1", "key2")).unwrap();
        assert!(watched.look().unwrap() && !watched.look().unwrap());
        assert!(format!("{:?}", watched.encryption()).contains("key2"));
        std::fs::write(&path, one.replace("secretbox", "rot13")).unwrap();
        let error = watched.look().unwrap_err().to_string();
        assert!(error.contains("config") && !error.contains("secret:"), "{error}");
        assert!(!watched.look().unwrap(), "it is said once");
        assert!(format!("{:?}", watched.encryption()).contains("key2"), "the one before stays in use");
        std::fs::remove_file(&path).unwrap();
        assert!(watched.look().is_err());
    }
}
