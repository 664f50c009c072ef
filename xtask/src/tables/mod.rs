//! Generates the schema table: one static per type, one file per API group and version.

mod facts;
mod model;
mod render;

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Reads the facts below `data` and replaces the files of `into`.
pub(crate) fn run(data: &Path, into: &Path) -> Result<()> {
    let facts = facts::Facts::read(data)?;
    let model = model::build(&facts);
    let strangers = model.without(&facts.pointers);
    anyhow::ensure!(strangers.is_empty(), "facts/pointers.txt names what no type has: {}", strangers.join(", "));
    if into.exists() {
        fs::remove_dir_all(into).with_context(|| format!("empty {}", into.display()))?;
    }
    fs::create_dir_all(into).with_context(|| format!("create {}", into.display()))?;
    let mut paths = Vec::new();
    for (name, text) in render::files(&model) {
        let path = into.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        paths.push(path);
    }
    let formatted = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=120,use_small_heuristics=Max"])
        .args(&paths)
        .status()
        .context("run rustfmt")?;
    anyhow::ensure!(formatted.success(), "rustfmt refused the generated files");
    Ok(())
}
