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
    names: HashMap<Id, Component>,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Component {
    name: String,
    /// When this is cancelled, the component is to end.
    stop: CancellationToken,
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

    /// Starts a task that may fail, and else ends when the token that it gets is cancelled. Gives that token, by which this
    /// task alone can be stopped.
    pub(crate) fn start_fallible<F, E>(
        &mut self,
        name: impl Into<String>,
        run: impl FnOnce(CancellationToken) -> F,
    ) -> CancellationToken
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let stop = self.shutdown.child_token();
        let run = run(stop.clone());
        let handle = self.tasks.spawn(async move { run.await.map_err(Into::into) });
        self.names.insert(handle.id(), Component { name: name.into(), stop: stop.clone() });
        stop
    }

    /// Returns when a task has ended that was not to, which is an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn ended(&mut self) -> Error {
        loop {
            let (id, detail) = match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((id, Ok(())))) => (id, String::new()),
                Some(Ok((id, Err(error)))) => (id, format!(": {}", chain(&*error))),
                Some(Err(error)) => (error.id(), panic_text(error)),
            };
            if let Some(component) = self.names.remove(&id)
                && (!component.stop.is_cancelled() || !detail.is_empty())
            {
                return Error::Ended { component: component.name, detail };
            }
        }
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
                let component = self.names.remove(&id);
                if let (Some(component), Some(error)) = (component, error) {
                    tracing::error!(component = component.name, error, "ended badly");
                }
            }
        };
        if tokio::time::timeout(within, all).await.is_ok() {
            return Ok(());
        }
        let mut late: Vec<String> = self.names.drain().map(|(_, component)| component.name).collect();
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

    #[tokio::test]
    async fn a_task_that_is_stopped_alone_is_no_failure() {
        let mut tasks = supervisor();
        let stop = tasks.start_fallible("stops", |shutdown| async move {
            shutdown.cancelled().await;
            Ok::<(), BoxError>(())
        });
        stop.cancel();
        tasks.start("ends", |_| async { tokio::task::yield_now().await });
        assert_eq!(tasks.ended().await.to_string(), "ends ended unexpectedly");
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
