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
    known: Mutex<Known>,
}

/// The last token that was of use, and when it was read; none where the file is to be read again.
#[derive(Default)]
struct Known {
    token: Option<String>,
    read: Option<Instant>,
}

impl TokenFile {
    /// `initial` is used while the file cannot be read for the first time; empty is none.
    pub(crate) fn new(path: PathBuf, initial: &str) -> Self {
        let token = Some(initial.trim().to_owned()).filter(|token| !token.is_empty());
        Self { path, known: Mutex::new(Known { token, read: None }) }
    }

    /// The token. While the file cannot be read again, or is empty because somebody is just writing it, the one before.
    pub(crate) fn token(&self) -> Result<String, Error> {
        let mut known = self.known.lock();
        if let (Some(token), Some(read)) = (&known.token, known.read)
            && read.elapsed() < READ_AGAIN_AFTER
        {
            return Ok(token.clone());
        }
        match (self.read(), &known.token) {
            (Ok(token), _) => {
                *known = Known { token: Some(token.clone()), read: Some(Instant::now()) };
                Ok(token)
            }
            (Err(_), Some(token)) => Ok(token.clone()),
            (Err(error), None) => Err(error),
        }
    }

    /// The server does not take the token any more: perhaps there is a newer one.
    pub(crate) fn refused(&self) {
        self.known.lock().read = None;
    }

    fn read(&self) -> Result<String, Error> {
        let failed = |problem: &str, source: Option<std::io::Error>| Error::Config {
            what: format!("{problem} the token file {}", self.path.display()),
            source: source.map(Into::into),
        };
        let text = std::fs::read_to_string(&self.path).map_err(|source| failed("cannot read", Some(source)))?;
        match text.trim() {
            "" => Err(failed("there is no token in", None)),
            token => Ok(token.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Tokens that are rotated under the client.

    use super::*;

    #[track_caller]
    fn check(file: &TokenFile, expected: &str) {
        assert_eq!(file.token().unwrap_or_else(|error| error.to_string()), expected);
    }

    async fn a_minute() {
        tokio::time::advance(READ_AGAIN_AFTER).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_read_again_after_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = TokenFile::new(path.clone(), "");
        check(&file, &format!("cannot read the token file {}", path.display()));
        std::fs::write(&path, " \n").unwrap();
        check(&file, &format!("there is no token in the token file {}", path.display()));
        std::fs::write(&path, "one\n").unwrap();
        check(&file, "one");
        std::fs::write(&path, "two\n").unwrap();
        check(&file, "one");
        a_minute().await;
        check(&file, "two");
    }

    #[tokio::test(start_paused = true)]
    async fn while_there_is_none_the_one_before_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = TokenFile::new(path.clone(), "of the kubeconfig\n");
        check(&file, "of the kubeconfig");
        std::fs::write(&path, "one").unwrap();
        check(&file, "one");
        std::fs::write(&path, "").unwrap();
        a_minute().await;
        check(&file, "one");
        std::fs::write(&path, "two").unwrap();
        check(&file, "two");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_refused_is_read_again_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let file = TokenFile::new(path.clone(), "");
        check(&file, "one");
        std::fs::write(&path, "two").unwrap();
        file.refused();
        check(&file, "two");
    }
}
