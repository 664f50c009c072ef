//! The scheduling laboratory as a command: traces and generated loads in virtual time, policies side by side.
//!
//! `lab openb` runs policies on the OpenB trace, or prints the published table beside our own. Start reading at
//! `kubekit_sched::lab`; here are only files, threads and what is printed.

mod openb;
mod progress;
mod record;
mod simulate;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Measures scheduling policies in virtual time.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a policy on a trace of OpenB's format, or makes the published table again.
    Openb(openb::Args),
    /// Simulates a load under several policies, and writes reports.
    Run(simulate::RunArgs),
    /// Records nodes and pods of a live cluster.
    Record(record::Args),
    /// Simulates what was recorded, under several policies.
    Replay(simulate::ReplayArgs),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Openb(args) => openb::run(args),
        Command::Run(args) => simulate::run(args),
        Command::Replay(args) => simulate::replay(args),
        Command::Record(args) => return record::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
