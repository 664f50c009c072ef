//! The kubeconfig file of a cluster, which is never written over somebody else's.

use crate::error::{Error, Result};
use kubekit_server::pki::Kubeconfig;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

/// How a file begins that this crate has written.
const MARKER: &str = "# Written by kubekit, which replaces this file when the cluster starts.";

/// Whether a kubeconfig may be written to `path`: there is no file, or one that this crate wrote.
///
/// # Errors
///
/// [`Error::ForeignKubeconfig`] for somebody else's file; if the file cannot be read.
pub fn check(path: &Path) -> Result<()> {
    let mut begin = Vec::with_capacity(MARKER.len());
    match fs::File::open(path).and_then(|file| file.take(MARKER.len() as u64).read_to_end(&mut begin)) {
        Ok(0) => Ok(()),
        Ok(_) if begin == MARKER.as_bytes() => Ok(()),
        Ok(_) => Err(Error::ForeignKubeconfig { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::File { action: "read", path: path.to_owned(), source }),
    }
}

/// Writes a kubeconfig, readable by its owner only, whole or not at all. Missing folders are made.
///
/// # Errors
///
/// As [`check`]; if the file cannot be written.
pub fn write(path: &Path, kubeconfig: &Kubeconfig) -> Result<()> {
    check(path)?;
    write_secret(path, &format!("{MARKER}\n{}", kubeconfig.to_yaml()))
}

/// Writes a file, readable by its owner only, whole or not at all. Missing folders are made.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&temporary);
    let _ = fs::remove_file(temporary);
    let written = create_secret(temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written.map_err(failed)
}

fn create_secret(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests;
