//! A bearer token in a file that is rotated, as the projected token of a service account.

use crate::error::Error;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// How long a token is used before the file is read again. Source: client-go `transport/token_source.go`.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A token in a file.
pub(crate) struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(String, Instant)>>,
}

impl TokenFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None) }
    }

    /// The token. While the file cannot be read again, the one before.
    pub(crate) fn token(&self) -> Result<String, Error> {
        let mut read = self.read.lock();
        if let Some((token, at)) = &*read
            && at.elapsed() < READ_AGAIN_AFTER
        {
            return Ok(token.clone());
        }
        match (std::fs::read_to_string(&self.path), &*read) {
            (Ok(token), _) => {
                let token = token.trim().to_owned();
                *read = Some((token.clone(), Instant::now()));
                Ok(token)
            }
            (Err(_), Some((token, _))) => Ok(token.clone()),
            (Err(source), None) => Err(Error::Config {
                what: format!("cannot read the token file {}", self.path.display()),
                source: Some(source.into()),
            }),
        }
    }
}
