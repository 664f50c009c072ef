//! Hands rules to whoever carries them out.

use async_trait::async_trait;
use std::fmt::Debug;

/// Carries rules out.
#[async_trait]
pub trait Applier: Send + Sync + Debug + 'static {
    /// Carries out one transaction, as a [`crate::ProxyBackend`] renders it: all of it or nothing.
    ///
    /// # Errors
    /// What was refused and why; nothing was changed.
    async fn apply(&self, transaction: &str) -> Result<(), ApplyError>;
}

/// Why rules were not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The program could not be run.
    #[error("running {program} failed; is it installed, and is this process allowed to change the network?")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program refused the rules.
    #[error("{program} refused the rules: {message}")]
    Refused {
        /// The program.
        program: String,
        /// Its words.
        message: String,
    },
}

/// Keeps rules in memory: for tests, and for clusters that are simulated.
#[derive(Debug, Default)]
pub struct Recorded(std::sync::Mutex<Vec<String>>);

impl Recorded {
    /// The transactions so far, oldest first.
    ///
    /// # Panics
    /// When another thread panicked while it recorded.
    pub fn transactions(&self) -> Vec<String> {
        self.0.lock().expect("recording does not panic").clone()
    }
}

#[async_trait]
impl Applier for Recorded {
    async fn apply(&self, transaction: &str) -> Result<(), ApplyError> {
        self.0.lock().expect("recording does not panic").push(transaction.to_owned());
        Ok(())
    }
}

#[cfg(target_os = "linux")]
pub use nft::Nft;

#[cfg(target_os = "linux")]
mod nft {
    //! The `nft` program.

    use super::{Applier, ApplyError};
    use async_trait::async_trait;
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;
    use tokio::process::Command;

    /// Runs `nft -f -`, which applies its input in one transaction. Needs `CAP_NET_ADMIN`.
    #[derive(Clone, Debug)]
    pub struct Nft {
        program: String,
    }

    impl Default for Nft {
        fn default() -> Self {
            Self { program: "nft".to_owned() }
        }
    }

    impl Nft {
        fn failed(&self, source: std::io::Error) -> ApplyError {
            ApplyError::Run { program: self.program.clone(), source }
        }
    }

    #[async_trait]
    impl Applier for Nft {
        async fn apply(&self, transaction: &str) -> Result<(), ApplyError> {
            let mut child = Command::new(&self.program)
                .args(["-f", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .map_err(|source| self.failed(source))?;
            let mut input = child.stdin.take().expect("stdin was asked for");
            // nft reads all of its input before it writes, so this cannot block against its messages. Where it dies
            // early the write fails, and what it said is worth more than that.
            let _ = input.write_all(transaction.as_bytes()).await;
            drop(input);
            let output = child.wait_with_output().await.map_err(|source| self.failed(source))?;
            if output.status.success() {
                return Ok(());
            }
            let message: String = String::from_utf8_lossy(&output.stderr).chars().take(2000).collect();
            Err(ApplyError::Refused { program: self.program.clone(), message: message.trim().to_owned() })
        }
    }

    #[cfg(test)]
    mod tests {
        //! Shell scripts in the program's place.

        use super::*;
        use std::os::unix::fs::PermissionsExt as _;

        /// What a program that does this with its input leaves in the file `seen`, and what is said of it.
        async fn apply(script: &str, transaction: &str) -> (String, Result<(), String>) {
            let directory = tempfile::tempdir().unwrap();
            let (program, seen) = (directory.path().join("nft"), directory.path().join("seen"));
            std::fs::write(&program, format!("#!/bin/sh\n{}\n", script.replace("SEEN", &seen.to_string_lossy())))
                .unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            let nft = Nft { program: program.to_string_lossy().into_owned() };
            let outcome = nft.apply(transaction).await.map_err(|error| error.to_string().replace(&nft.program, "nft"));
            (std::fs::read_to_string(seen).unwrap_or_default(), outcome)
        }

        #[tokio::test]
        async fn a_transaction_is_handed_over_whole() {
            let long = "add rule x\n".repeat(100_000);
            assert_eq!(apply("cat > SEEN; echo \"$@\" >> SEEN", &long).await, (format!("{long}-f -\n"), Ok(())));
            assert_eq!(apply("cat > SEEN", "").await, (String::new(), Ok(())));
        }

        #[tokio::test]
        async fn a_refusal_is_quoted() {
            let refused = |message: &str| Err(format!("nft refused the rules: {message}"));
            let said = apply("cat >/dev/null; echo ' no such table ' >&2; exit 1", "x").await.1;
            assert_eq!(said, refused("no such table"));
            // One that ends before it has read its input is quoted all the same.
            let long = "add rule x\n".repeat(100_000);
            assert_eq!(apply("echo broken >&2; exit 2", &long).await.1, refused("broken"));
            let (_, endless) = apply("cat >/dev/null; head -c 100000 /dev/zero | tr '\\0' y >&2; exit 1", "x").await;
            assert_eq!(endless, refused(&"y".repeat(2_000)));
        }

        #[tokio::test]
        async fn a_program_that_is_not_there_is_named() {
            let nft = Nft { program: "/nonexistent/nft".to_owned() };
            let error = nft.apply("x").await.unwrap_err();
            assert!(matches!(&error, ApplyError::Run { program, .. } if program == "/nonexistent/nft"), "{error}");
            assert_eq!(Nft::default().program, "nft");
        }
    }
}
