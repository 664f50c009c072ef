//! Where tests find the published facts that they compare with.

use std::path::{Path, PathBuf};

/// A folder or file of the data, or `None`, told, where this machine has none.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("KUBEKIT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", path.display());
    println!("skipped: {} is missing; KUBEKIT_DATA may name its folder", path.display());
    None
}
