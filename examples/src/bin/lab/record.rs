//! `lab record`: writes down what becomes of a live cluster's nodes and pods, for `lab replay`.

use anyhow::Context;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use kubekit_examples::process;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::watcher::{self, Event, watcher};
use kubekit_runtime::{Api, Client, Kubeconfig, Object};
use kubekit_sched::lab::recording::{Change, Line, Recorded};
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the API server is reached.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Where the recording goes; an existing file is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long to record, in seconds; until Ctrl-C when absent.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

pub(crate) fn run(args: Args) -> ExitCode {
    process::run(|shutdown| record(args, shutdown))
}

async fn record(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let client = Client::from_kubeconfig(&Kubeconfig::from_file(&args.kubeconfig)?)?.with_user_agent("kubekit-lab")?;
    let file = std::fs::File::create_new(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let mut out = std::io::BufWriter::new(file);
    let random = Environment::system().random;
    let mut nodes =
        std::pin::pin!(watcher(Api::<Node>::all(client.clone()), watcher::Config::default(), random.clone()));
    let mut pods = std::pin::pin!(watcher(Api::<Pod>::all(client), watcher::Config::default(), random));
    let started = Instant::now();
    let end = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let mut end = std::pin::pin!(end);
    let (mut known_nodes, mut known_pods) = (Known::default(), Known::default());
    let mut lines = 0_usize;
    loop {
        let found = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = &mut end => break,
            Some(event) = nodes.next() => known_nodes.changes(event).map(|found| lines_of(found, Recorded::Node)),
            Some(event) = pods.next() => known_pods.changes(event).map(|found| lines_of(found, Recorded::Pod)),
        };
        match found {
            Ok(found) => {
                let seconds = started.elapsed().as_secs_f64();
                for (event, object) in found {
                    writeln!(out, "{}", Line { seconds, event, object }.to_json()?)?;
                    lines += 1;
                }
                out.flush().with_context(|| format!("cannot write {}", args.out.display()))?;
            }
            Err(error) => tracing::warn!(%error, "a request failed; it is tried again"),
        }
    }
    // Without an end a replay would stop at the last change.
    out.flush()?;
    Ok(writeln!(std::io::stderr().lock(), "{lines} lines in {}", args.out.display())?)
}

fn lines_of<K>(found: Vec<(Change, K)>, wrap: fn(Box<K>) -> Recorded) -> Vec<(Change, Recorded)> {
    found.into_iter().map(|(change, object)| (change, wrap(Box::new(object)))).collect()
}

/// The objects that were seen, by namespace and name.
struct Known<K>(HashMap<(String, String), K>);

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Object> Known<K> {
    /// What an event changes, after what is known already.
    fn changes(
        &mut self,
        event: Result<Event<K>, kubekit_runtime::Error>,
    ) -> Result<Vec<(Change, K)>, kubekit_runtime::Error> {
        Ok(match event? {
            Event::Watching => Vec::new(),
            Event::Applied(object) => vec![self.apply(object)],
            Event::Deleted(object) => {
                self.0.remove(&key(&object));
                vec![(Change::Deleted, object)]
            }
            Event::Restarted(all) => {
                let mut gone = std::mem::take(&mut self.0);
                for object in &all {
                    if let Some((key, known)) = gone.remove_entry(&key(object)) {
                        self.0.insert(key, known);
                    }
                }
                let mut found: Vec<_> = gone.into_values().map(|object| (Change::Deleted, object)).collect();
                found.extend(all.into_iter().map(|object| self.apply(object)));
                found
            }
        })
    }

    fn apply(&mut self, object: K) -> (Change, K) {
        let known = self.0.insert(key(&object), object.clone()).is_some();
        (if known { Change::Modified } else { Change::Added }, object)
    }
}

fn key<K: Object>(object: &K) -> (String, String) {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}
