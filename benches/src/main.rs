//! Measures kubekit: `bench AREA [--json FILE]` prints a table, and writes the same as JSON for whoever follows figures
//! over time. Each area is one module with a function that returns its rows.

mod child;
mod process;
mod report;
mod scale;
mod sched;
mod sched_suite;
mod server;
mod start;
mod store;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use report::Report;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// As the reference binaries have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures one area and prints what it found, beside its rivals.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    area: Area,
    /// Only the part of it whose keys begin with the area and this: `bench sched engine`, `bench sched suite_tls`.
    part: Option<String>,
    /// Also write the figures to this file, as a JSON array.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only what has a key that begins with this.
    #[arg(long, value_name = "KEY", conflicts_with = "part")]
    only: Option<String>,
    /// Measure with a thousandth of the work, to see that everything runs.
    #[arg(long)]
    smoke: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Area {
    /// The store: puts, watches, lists.
    Store,
    /// An API server in a process of its own: creates and lists over sockets; and one request in process.
    Server,
    /// A cluster's start, and what it needs while it does nothing.
    Start,
    /// Many nodes and many pods in one cluster.
    Scale,
    /// The scheduling engine alone; and the workloads of kube-scheduler's own suite, through API server, driver and watcher.
    Sched,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // What is measured in a process of its own is this program again.
        ["serve"] => return runtime.block_on(server::serve()),
        ["serve-tls", directory] => return runtime.block_on(server::serve_tls(Path::new(directory))),
        ["store-growth", directory, objects] => {
            let objects = objects.parse().context("the number of objects")?;
            return runtime.block_on(store::measure_growth_here(Path::new(directory), objects));
        }
        ["serve-cluster", directory, nodes] => {
            let nodes = nodes.parse().context("the number of nodes")?;
            return runtime.block_on(child::serve(Path::new(directory), nodes));
        }
        _ => {}
    }
    let arguments = Arguments::parse();
    let area = arguments.area.to_possible_value().expect("no area is skipped");
    let part = arguments.part.map(|part| format!("{}.{part}", area.get_name()));
    let mut report = Report::new(&arguments.only.or(part).unwrap_or_default());
    let measured = measure(&runtime, arguments.area, &mut report, arguments.smoke);
    if let Some(path) = arguments.json {
        report.write_json(&path)?;
    }
    measured.and_then(|()| report.outcome())
}

fn measure(runtime: &Runtime, area: Area, report: &mut Report, smoke: bool) -> anyhow::Result<()> {
    match area {
        Area::Store => store::measure(report, smoke),
        Area::Server => runtime.block_on(server::measure(report, smoke)),
        Area::Start => runtime.block_on(start::measure(report, smoke)),
        Area::Sched => {
            sched::measure(report, smoke)?;
            runtime.block_on(sched_suite::measure(report, smoke))
        }
        Area::Scale => runtime.block_on(scale::measure(report, smoke)),
    }
}
