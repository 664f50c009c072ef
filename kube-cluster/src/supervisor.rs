//! Keeps tasks, notices when one ends that should not, and stops them together.

use crate::error::Error;
use kubekit_runtime::BoxError;
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Essential tasks: none of them may end before it is told to. Dropping this aborts them.
#[derive(Debug)]
pub(crate) struct Supervisor {
    tasks: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, String>,
    shutdown: CancellationToken,
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        Self { tasks: JoinSet::new(), names: HashMap::new(), shutdown: CancellationToken::new() }
    }

    /// Starts a task that ends when the token that it gets is cancelled.
    pub(crate) fn start<F>(&mut self, name: impl Into<String>, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start_fallible(name, |shutdown| {
            let run = run(shutdown);
            async move {
                run.await;
                Ok::<(), BoxError>(())
            }
        });
    }

    /// Starts a task that may fail, and else ends when the token that it gets is cancelled.
    pub(crate) fn start_fallible<F, E>(&mut self, name: impl Into<String>, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let run = run(self.shutdown.clone());
        let handle = self.tasks.spawn(async move { run.await.map_err(Into::into) });
        self.names.insert(handle.id(), name.into());
    }

    /// Returns when a task has ended, which is an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn ended(&mut self) -> Error {
        match self.tasks.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, Ok(())))) => self.error(id, String::new()),
            Some(Ok((id, Err(error)))) => self.error(id, format!(": {}", chain(&*error))),
            Some(Err(error)) => {
                let (id, detail) = (error.id(), panic_text(error));
                self.error(id, detail)
            }
        }
    }

    fn error(&mut self, id: Id, detail: String) -> Error {
        Error::Ended { component: self.names.remove(&id).unwrap_or_default(), detail }
    }

    /// Tells all tasks to end and waits for them; those that take longer are cut off.
    ///
    /// # Errors
    ///
    /// Which had to be cut off.
    pub(crate) async fn stop(&mut self, within: Duration) -> Result<(), Error> {
        self.shutdown.cancel();
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                let (id, error) = match ended {
                    Ok((id, outcome)) => (id, outcome.err().map(|error| chain(&*error))),
                    Err(error) => (error.id(), Some(error.to_string())),
                };
                let name = self.names.remove(&id).unwrap_or_default();
                if let Some(error) = error {
                    tracing::error!(component = name, error, "ended badly");
                }
            }
        };
        if tokio::time::timeout(within, all).await.is_ok() {
            return Ok(());
        }
        let mut late: Vec<String> = self.names.drain().map(|(_, name)| name).collect();
        late.sort();
        self.tasks.shutdown().await;
        Err(Error::CutOff { components: late.join(", ") })
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// `: ` and the text of a panic.
fn panic_text(error: JoinError) -> String {
    match error.try_into_panic() {
        Err(_) => String::new(),
        Ok(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            format!(": it panicked: {}", text.unwrap_or_else(|| "with a value that is no text".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    //! Ends that were asked for, and ends that were not.

    use super::*;

    fn supervisor() -> Supervisor {
        let mut supervisor = Supervisor::new();
        supervisor.start("waits", |shutdown| async move { shutdown.cancelled().await });
        supervisor
    }

    #[tokio::test]
    async fn an_unexpected_end_is_told_with_its_reason() {
        let mut tasks = supervisor();
        tasks.start("ends", |_| async {});
        assert_eq!(tasks.ended().await.to_string(), "ends ended unexpectedly");
        tasks.start("panics", |_| async { panic!("oh {}", 1) });
        assert_eq!(tasks.ended().await.to_string(), "panics ended unexpectedly: it panicked: oh 1");
        tasks.start_fallible("fails", |_| async { Err(std::io::Error::other("no runtime")) });
        assert_eq!(tasks.ended().await.to_string(), "fails ended unexpectedly: no runtime");
    }

    #[tokio::test(start_paused = true)]
    async fn stop_waits_for_those_who_listen_and_cuts_off_the_others() {
        let mut tasks = supervisor();
        tasks.start("cleans up", |shutdown| async move {
            shutdown.cancelled().await;
            tokio::time::sleep(Duration::from_millis(900)).await;
        });
        tasks.stop(Duration::from_secs(1)).await.unwrap();

        let mut tasks = supervisor();
        tasks.start("is deaf", |_| std::future::pending());
        let error = tasks.stop(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "cut off because they did not stop in time: is deaf");
    }
}
