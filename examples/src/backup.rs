//! `cluster backup` and `cluster restore`.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request};
use kubekit_runtime::{Client, Kubeconfig};
use kubekit_store::WallClock;
use kubekit_store::backup::{Contents, restore as restore_store, verify};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writes the state of a running cluster into a file, which gets its name when all of it is there, checked and durable.
/// It has every Secret as the API server reads it, so that only its owner may read the file.
///
/// # Errors
///
/// If the cluster does not answer, the kubeconfig is not that of an administrator, or the file cannot be written.
pub async fn take(kubeconfig: &Path, file: &Path) -> anyhow::Result<Contents> {
    let client = Client::from_kubeconfig(&Kubeconfig::from_file(kubeconfig)?)?;
    let request = Request::builder().method(Method::GET).uri("/backup").header("accept", "*/*").body(Bytes::new())?;
    let mut pieces = std::pin::pin!(client.request_stream(request).await.context("asking for a backup")?);
    let partial = with_suffix(file, ".partial");
    let mut into = private(&partial).with_context(|| format!("creating {}", partial.display()))?;
    while let Some(piece) = pieces.next().await {
        let piece = piece.context("reading the backup")?;
        into.write_all(&piece).with_context(|| format!("writing {}", partial.display()))?;
    }
    into.sync_all().with_context(|| format!("writing {}", partial.display()))?;
    let written = File::open(&partial).with_context(|| format!("reading {}", partial.display()))?;
    let contents = verify(written, &partial.display().to_string())?;
    std::fs::rename(&partial, file).with_context(|| format!("renaming {}", partial.display()))?;
    Ok(contents)
}

/// Makes a data directory of a backup, for a cluster that is started on it afterwards. Gives what the backup holds, and the
/// revision at which the cluster goes on.
///
/// # Errors
///
/// If the backup is damaged, or the directory has a store already.
pub fn restore(file: &Path, data_dir: &Path) -> anyhow::Result<(Contents, u64)> {
    if data_dir == Path::new("memory") {
        bail!("there is nothing to restore into with --data-dir memory; name a directory");
    }
    let backup = File::open(file).with_context(|| format!("opening {}", file.display()))?;
    Ok(restore_store(data_dir.join("store"), backup, &file.display().to_string(), &WallClock::system())?)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A new file that only its owner can read.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
