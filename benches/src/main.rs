//! Measures kubekit: `bench AREA [--json FILE]` prints a table, and writes the same as JSON for whoever follows figures
//! over time. Each area is one module with a function that returns its rows.

mod report;
mod store;

use clap::{Parser, ValueEnum};
use report::Report;
use std::path::PathBuf;

/// Measures one area and prints what it found, beside its rivals.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    area: Area,
    /// Also write the figures to this file, as a JSON array.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only what has a key that begins with this.
    #[arg(long, value_name = "KEY", default_value = "")]
    only: String,
    /// Measure with a thousandth of the work, to see that everything runs.
    #[arg(long)]
    smoke: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Area {
    /// The store: puts, watches, lists.
    Store,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut report = Report::new(&arguments.only);
    match arguments.area {
        Area::Store => store::measure(&mut report, arguments.smoke)?,
    }
    report.print();
    match arguments.json {
        Some(path) => report.write_json(&path),
        None => Ok(()),
    }
}
