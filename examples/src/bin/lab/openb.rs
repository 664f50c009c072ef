//! `lab openb`: the OpenB trace.

use crate::progress::{Progress, on_all_processors};
use anyhow::{Context, bail};
use kubekit_sched::lab::openb::{OpenbRun, OpenbTrace, Policy, Published, allocated_at_100, parse_published};
use kubekit_sched::lab::stats::Summary;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file of pods.
    #[arg(long, required_unless_present = "table")]
    workload: Option<PathBuf>,
    /// The file of nodes.
    #[arg(long, required_unless_present = "table")]
    nodes: Option<PathBuf>,
    /// Random, DotProd, GpuClustering, GpuPacking, BestFit, FGD or GpuBalance; several after commas; all when absent.
    #[arg(long, value_delimiter = ',')]
    policy: Vec<Policy>,
    /// How many seeds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Writes the results to this file; `-` is standard output.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A directory with the trace's files and expected_means.csv: prints our means beside the published ones.
    #[arg(long, conflicts_with_all = ["workload", "nodes"])]
    table: Option<PathBuf>,
}

/// A policy on a workload, under all seeds.
struct Row {
    workload: String,
    policy: Policy,
    allocated: Summary,
    unplaced: Summary,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let policies = if args.policy.is_empty() { Policy::ALL.to_vec() } else { args.policy.clone() };
    let (workloads, published) = match &args.table {
        Some(directory) => table(directory)?,
        None => {
            let (Some(pods), Some(nodes)) = (&args.workload, &args.nodes) else {
                bail!("--workload and --nodes go together")
            };
            (vec![load(pods, nodes)?], Vec::new())
        }
    };
    let seeds: Vec<u64> = (0..args.seeds).map(|i| args.first_seed.wrapping_add(i)).collect();
    let rows = measure(&workloads, &policies, &seeds);
    if args.json.as_deref() != Some(Path::new("-")) {
        let mut out = std::io::stdout().lock();
        if published.is_empty() { print_rows(&mut out, &rows)? } else { print_table(&mut out, &rows, &published)? }
    }
    if let Some(path) = &args.json {
        write_json(path, &rows)?;
    }
    Ok(())
}

/// A trace by the name of its file of pods.
type Workload = (String, OpenbTrace);

fn load(pods: &Path, nodes: &Path) -> anyhow::Result<Workload> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let stem = pods.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let trace = OpenbTrace::parse(&read(nodes)?, &read(pods)?)
        .with_context(|| format!("cannot use {} with {}", pods.display(), nodes.display()))?;
    Ok((stem.trim_start_matches("openb_pod_list_").to_owned(), trace))
}

fn table(directory: &Path) -> anyhow::Result<(Vec<Workload>, Vec<Published>)> {
    let expected = directory.join("expected_means.csv");
    let text = std::fs::read_to_string(&expected).with_context(|| format!("cannot read {}", expected.display()))?;
    let published = parse_published(&text)?;
    let mut names: Vec<&str> = published.iter().map(|cell| cell.workload.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let nodes = directory.join("openb_node_list_gpu_node.csv");
    let load = |name: &&str| load(&directory.join(format!("openb_pod_list_{name}.csv")), &nodes);
    let workloads = names.iter().map(load).collect::<anyhow::Result<Vec<_>>>()?;
    Ok((workloads, published))
}

fn measure(workloads: &[Workload], policies: &[Policy], seeds: &[u64]) -> Vec<Row> {
    let mut tasks = Vec::new();
    for workload in workloads {
        for policy in policies {
            tasks.extend(seeds.iter().map(|seed| (workload, *policy, *seed)));
        }
    }
    let progress = Progress::new("runs", tasks.len() * 1000);
    let runs = on_all_processors(&tasks, |((_, trace), policy, seed)| {
        let mut told = 0;
        trace.run(*policy, *seed, |done, all| {
            let now = done * 1000 / all.max(1);
            progress.advance(now - told);
            told = now;
        })
    });
    progress.finish();
    tasks
        .chunks(seeds.len())
        .zip(runs.chunks(seeds.len()))
        .map(|(tasks, runs)| summarise(tasks[0].0, tasks[0].1, runs))
        .collect()
}

fn summarise((workload, _): &Workload, policy: Policy, runs: &[OpenbRun]) -> Row {
    let unplaced: Vec<f64> = runs.iter().filter_map(|run| u32::try_from(run.unplaced).ok()).map(f64::from).collect();
    Row { workload: workload.clone(), policy, allocated: allocated_at_100(runs), unplaced: Summary::of(&unplaced) }
}

fn print_rows(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    writeln!(out, "{:<14} {:<14} {:>20} {:>22}", "workload", "policy", "allocated at 100 %", "unplaced at the end")?;
    for row in rows {
        let (allocated, unplaced) = (row.allocated, row.unplaced);
        let mean = format!("{:.2} ± {:.2}", allocated.mean, allocated.confidence());
        let lost = format!("{:.0} ± {:.0}", unplaced.mean, unplaced.confidence());
        writeln!(out, "{:<14} {:<14} {mean:>20} {lost:>22}", row.workload, row.policy)?;
    }
    writeln!(out, "± is the 95 % confidence interval over {} seeds.", rows.first().map_or(0, |row| row.allocated.count))
}

/// Our mean and the published one, and by how many combined standard errors they differ.
fn print_table(out: &mut impl Write, rows: &[Row], published: &[Published]) -> std::io::Result<()> {
    let cell =
        |workload: &str, policy| published.iter().find(|cell| cell.workload == workload && cell.policy == policy);
    writeln!(
        out,
        "{:<14} {:<14} {:>8} {:>6} {:>10} {:>6} {:>11}",
        "workload", "policy", "ours", "sd", "published", "sd", "difference"
    )?;
    let mut largest = 0.0_f64;
    for row in rows {
        let ours = row.allocated;
        write!(out, "{:<14} {:<14} {:>8.3} {:>6.3}", row.workload, row.policy, ours.mean, ours.sd)?;
        if let Some(cell) = cell(&row.workload, row.policy) {
            let theirs = cell.allocated_at_100;
            let distance = ours.distance(&theirs);
            largest = largest.max(distance.abs());
            writeln!(out, " {:>10.3} {:>6.3} {distance:>+8.2} se", theirs.mean, theirs.sd)?;
        } else if let Some(fgd) =
            rows.iter().find(|other| other.workload == row.workload && other.policy == Policy::Fgd)
        {
            let above = ours.mean - fgd.allocated.mean;
            writeln!(out, "   {above:>+.3} over our FGD, {:+.1} se", ours.distance(&fgd.allocated))?;
        } else {
            writeln!(out)?;
        }
    }
    writeln!(out, "Allocated GPUs in percent when 100 % were asked for; differences in combined standard errors.")?;
    writeln!(out, "The largest difference from a published mean: {largest:.2}.")
}

fn write_json(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let row = |row: &Row| {
        json!({
            "workload": row.workload,
            "policy": row.policy.name(),
            "allocated_at_100": row.allocated.mean,
            "sd": row.allocated.sd,
        })
    };
    let text = serde_json::to_string_pretty(&rows.iter().map(row).collect::<Vec<_>>())? + "\n";
    if path == Path::new("-") {
        return Ok(std::io::stdout().lock().write_all(text.as_bytes())?);
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
