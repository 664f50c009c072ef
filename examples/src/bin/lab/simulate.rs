//! `lab run` and `lab replay`: policies side by side in virtual time, and the reports on them.

use crate::progress::{Progress, on_all_processors};
use anyhow::{Context, bail};
use kubekit_sched::lab::openb::OpenbTrace;
use kubekit_sched::lab::recording::Recording;
use kubekit_sched::lab::{Comparison, Contestant, Generator, METRICS, Scenario, simulate};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Policies, seeds and reports: what `run` and `replay` share.
#[derive(clap::Args)]
pub(crate) struct Common {
    /// Default, MostAllocated, Random, DotProd, GpuClustering, GpuPacking, BestFit, FGD, GpuBalance; several after commas.
    #[arg(long, value_delimiter = ',')]
    policy: Vec<Contestant>,
    /// How many seeds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Writes a self-contained page to this file.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Writes rows to this file.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Writes figures and curves to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// `lab run`: a generated load, or the OpenB trace in its own times.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    common: Common,
    /// Virtual time, in hours.
    #[arg(long, default_value_t = 12.0)]
    hours: f64,
    /// The mean number of pods that come in a minute.
    #[arg(long)]
    arrivals_per_minute: Option<f64>,
    /// Multiplies the number of nodes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    scale: u32,
    /// The mean time between failures of one node, in hours; 0 for none.
    #[arg(long)]
    failure_hours: Option<f64>,
    /// A file of pods of the OpenB trace instead of a generated load; needs --nodes.
    #[arg(long, requires = "nodes")]
    workload: Option<PathBuf>,
    /// A file of nodes of the OpenB trace.
    #[arg(long, requires = "workload")]
    nodes: Option<PathBuf>,
    /// Which share of the trace's pods takes part, 0 to 1; a seed draws which.
    #[arg(long, default_value_t = 1.0)]
    share: f64,
}

/// `lab replay`: a recording of a live cluster.
#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// What `lab record` wrote.
    recording: PathBuf,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: RunArgs) -> anyhow::Result<()> {
    if !args.hours.is_finite() || !(0.01..=100_000.0).contains(&args.hours) {
        bail!("--hours must be from 0.01 to 100000, and is {}", args.hours);
    }
    if !(0.0..=1.0).contains(&args.share) {
        bail!("--share must be from 0 to 1, and is {}", args.share);
    }
    let horizon = Duration::from_secs_f64(args.hours * 3600.0);
    if let (Some(pods), Some(nodes)) = (&args.workload, &args.nodes) {
        let trace = OpenbTrace::parse(&read(nodes)?, &read(pods)?)?;
        let name = pods.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        return compare(&args.common, |seed| trace.scenario(&name, horizon, args.share, seed));
    }
    let generator = generator(&args, horizon)?;
    compare(&args.common, |seed| generator.scenario(seed))
}

pub(crate) fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    let name = args.recording.display().to_string();
    let recording = Recording::parse(&read(&args.recording)?).with_context(|| format!("cannot replay {name}"))?;
    let scenario = recording.scenario(&name);
    compare(&args.common, |_| scenario.clone())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn generator(args: &RunArgs, horizon: Duration) -> anyhow::Result<Generator> {
    let mut generator = Generator { horizon, ..Generator::default() };
    let scale = f64::from(args.scale);
    for (count, ..) in &mut generator.nodes {
        *count *= usize::try_from(args.scale).unwrap_or(1);
    }
    generator.arrivals_per_minute *= scale;
    if let Some(rate) = args.arrivals_per_minute {
        if !(0.0..=1e6).contains(&rate) {
            bail!("--arrivals-per-minute must be from 0 to 1000000, and is {rate}");
        }
        generator.arrivals_per_minute = rate;
    }
    if let Some(hours) = args.failure_hours {
        if !(0.0..=1e6).contains(&hours) {
            bail!("--failure-hours must be from 0 to 1000000, and is {hours}");
        }
        generator.failure_mean = (hours > 0.0).then(|| Duration::from_secs_f64(hours * 3600.0));
    }
    Ok(generator)
}

fn compare(common: &Common, scenario: impl Fn(u64) -> Scenario) -> anyhow::Result<()> {
    let policies = if common.policy.is_empty() { Contestant::USUAL.to_vec() } else { common.policy.clone() };
    let seeds: Vec<u64> = (0..common.seeds).map(|i| common.first_seed.wrapping_add(i)).collect();
    let scenarios: Vec<(u64, Scenario)> = seeds.iter().map(|seed| (*seed, scenario(*seed))).collect();
    let tasks: Vec<_> =
        policies.iter().flat_map(|policy| scenarios.iter().map(move |of_seed| (*policy, of_seed))).collect();
    let progress = Progress::new("runs", tasks.len() * 1000);
    let runs = on_all_processors(&tasks, |(policy, (seed, scenario))| {
        let mut told = 0;
        simulate(scenario, &policy.scheduler(scenario, *seed), |share| {
            let now = per_mille(share);
            progress.advance(now.saturating_sub(told));
            told = now.max(told);
        })
    });
    progress.finish();
    let by_policy =
        policies.iter().zip(runs.chunks(seeds.len())).map(|(policy, runs)| (policy.to_string(), runs.to_vec()));
    let first = scenarios.first().map(|(_, scenario)| scenario);
    let name = first.map(|scenario| scenario.name.clone()).unwrap_or_default();
    let comparison = Comparison::new(name, first.map(facts).unwrap_or_default(), seeds.clone(), by_policy);
    print(&comparison)?;
    let reports = [
        (&common.html, Comparison::to_html as fn(&Comparison) -> String),
        (&common.csv, Comparison::to_csv),
        (&common.json, Comparison::to_json),
    ];
    for (path, report) in reports {
        if let Some(path) = path {
            std::fs::write(path, report(&comparison)).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 0 to 1")]
fn per_mille(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * 1000.0) as usize
}

/// What a page says of a scenario beside its name.
fn facts(scenario: &Scenario) -> Vec<(String, String)> {
    let gpus: usize = scenario.nodes.iter().map(|node| node.gpus.count).sum();
    let cores: i64 = scenario.nodes.iter().map(|node| node.allocatable.cpu_milli / 1000).sum();
    let fact = |name: &str, value: String| (name.to_owned(), value);
    vec![
        fact("Nodes", scenario.nodes.len().to_string()),
        fact("Cores", cores.to_string()),
        fact("GPUs", gpus.to_string()),
        fact("Pods (first seed)", scenario.jobs.len().to_string()),
        fact("Node failures (first seed)", scenario.outages.len().to_string()),
        fact("Virtual time", format!("{:.1} h", scenario.horizon.as_secs_f64() / 3600.0)),
    ]
}

fn print(comparison: &Comparison) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", comparison.scenario)?;
    write!(out, "{:<18}", "")?;
    for contender in &comparison.contenders {
        write!(out, "{:>22}", contender.name)?;
    }
    writeln!(out)?;
    for (i, metric) in METRICS.iter().enumerate() {
        write!(out, "{:<18}", metric.key)?;
        for contender in &comparison.contenders {
            let figure = contender.figures[i];
            write!(out, "{:>22}", format!("{:.2} ± {:.2}", figure.mean, figure.confidence()))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "± is the 95 % confidence interval over {} seeds.", comparison.seeds.len())
}
