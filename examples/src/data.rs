//! Where data goes that the user names no place for.

use anyhow::Context as _;
use std::path::PathBuf;

/// `kubekit` in the user's data directory: `$XDG_DATA_HOME`, or `~/.local/share`.
///
/// # Errors
///
/// If neither `XDG_DATA_HOME` nor `HOME` is set.
pub fn directory() -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The specification of these variables says that a relative path is to be ignored.
    let base = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    let base = base.context("neither XDG_DATA_HOME nor HOME is set; name a directory with --data-dir DIR")?;
    Ok(base.join("kubekit"))
}
