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
}
