//! Rotating log files: a file that has grown too long is set aside under a name with the time, the runtime opens a new one,
//! and of those set aside only the newest stay. Readers go on across it.
//!
//! Source: `pkg/kubelet/logs/container_log_manager.go`; what is set aside is not compressed here.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::runtime::{ContainerRuntime, ContainerState, Filter};

/// How long a log may grow, and how many files it may have with the one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `containerLogMaxSize`: a longer file is set aside at the next look.
    pub bytes_max: u64,
    /// `containerLogMaxFiles`, at least two.
    pub files_max: usize,
    /// `containerLogMonitorInterval`: how often is looked.
    pub interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 10 << 20, files_max: 5, interval: Duration::from_secs(10) }
    }
}

/// Looks at the logs of all running containers again and again, until `shutdown`.
pub async fn run(
    runtime: &dyn ContainerRuntime,
    limits: Limits,
    now: impl Fn() -> Timestamp,
    shutdown: CancellationToken,
) {
    while shutdown.run_until_cancelled(tokio::time::sleep(limits.interval)).await.is_some() {
        let containers = match runtime.list_containers(&Filter::default()).await {
            Ok(containers) => containers,
            Err(error) => {
                tracing::warn!(%error, "cannot look at the logs of containers");
                continue;
            }
        };
        for container in containers.iter().filter(|container| container.state == ContainerState::Running) {
            let Ok(status) = runtime.container_status(&container.id).await else { continue };
            if status.log_path.is_empty() {
                continue;
            }
            let path = PathBuf::from(status.log_path);
            if let Err(error) = look(runtime, &container.id, &path, limits, now()).await {
                tracing::warn!(%error, path = %path.display(), "cannot rotate a log");
            }
        }
    }
}

/// Rotates a container's log where it is too long.
async fn look(runtime: &dyn ContainerRuntime, id: &str, path: &Path, limits: Limits, now: Timestamp) -> io::Result<()> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.len() >= limits.bytes_max => {}
        Ok(_) => return Ok(()),
        // The runtime was asked to open it anew and has not: it is asked again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return reopen(runtime, id).await,
        Err(error) => return Err(error),
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    for old in superfluous(set_aside(directory, name).await?, limits.files_max) {
        tokio::fs::remove_file(directory.join(old)).await?;
    }
    let aside = directory.join(format!("{name}.{}", now.strftime("%Y%m%d-%H%M%S")));
    tokio::fs::rename(path, &aside).await?;
    if let Err(error) = reopen(runtime, id).await {
        // Nothing is lost, the runtime goes on writing into the file that it has open.
        tokio::fs::rename(&aside, path).await?;
        return Err(error);
    }
    Ok(())
}

async fn reopen(runtime: &dyn ContainerRuntime, id: &str) -> io::Result<()> {
    runtime.reopen_log(id).await.map_err(io::Error::other)
}

/// The files of a log that were set aside.
async fn set_aside(directory: &Path, name: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')) {
            found.push(file);
        }
    }
    Ok(found)
}

/// Which of them must go before one more is set aside: the oldest, which their names tell.
fn superfluous(mut files: Vec<String>, files_max: usize) -> Vec<String> {
    // One is written, and one will be set aside now.
    let kept = files_max.saturating_sub(2);
    files.sort_unstable();
    files.truncate(files.len().saturating_sub(kept));
    files
}

#[cfg(test)]
mod tests {
    //! On temporary files, with the simulated runtime, which opens what it is asked to.

    use super::*;
    use crate::runtime::simulated;
    use kubekit_runtime::environment::SystemClock;
    use std::sync::Arc;

    #[track_caller]
    fn check(files: &[&str], files_max: usize, expected: &[&str]) {
        assert_eq!(superfluous(files.iter().map(|&file| file.to_owned()).collect(), files_max), expected);
    }

    #[test]
    fn the_oldest_go() {
        let all = ["0.log.20240103-000000", "0.log.20240101-000000", "0.log.20240102-000000"];
        check(&all, 5, &[]);
        check(&all, 4, &["0.log.20240101-000000"]);
        check(&all, 2, &["0.log.20240101-000000", "0.log.20240102-000000", "0.log.20240103-000000"]);
        check(&[], 5, &[]);
    }

    #[tokio::test]
    async fn long_logs_are_set_aside_and_few_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let runtime = simulated::Simulated::new(simulated::Config::default(), Arc::new(SystemClock));
        let limits = Limits { bytes_max: 10, files_max: 3, ..Limits::default() };
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        std::fs::write(&path, "short").unwrap();
        look(&runtime, "c", &path, limits, at(0)).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short", "it is left alone");
        for second in 1..=5 {
            std::fs::write(&path, format!("long enough {second}")).unwrap();
            look(&runtime, "c", &path, limits, at(second)).await.unwrap();
        }
        let mut names: Vec<String> = set_aside(directory.path(), "0.log").await.unwrap();
        names.sort();
        assert_eq!(names, ["0.log.20231114-221324", "0.log.20231114-221325"], "and a new one makes three");
        assert_eq!(std::fs::read(directory.path().join(&names[1])).unwrap(), b"long enough 5");
        look(&runtime, "c", &path, limits, at(9)).await.expect("no file yet is no error");
    }
}
