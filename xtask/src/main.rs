//! Chores of the workspace. `cargo xtask tables DIR` writes the schema table of `kube-core` from Kubernetes' published
//! OpenAPI document and protobuf field numbers, both found below `DIR`.

mod tables;

use anyhow::{Context, bail};
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tables", data] => {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace's directory")?;
            tables::run(Path::new(data), &root.join("kube-core/src/schema/generated"))
        }
        _ => bail!("usage: cargo xtask tables DIR"),
    }
}
