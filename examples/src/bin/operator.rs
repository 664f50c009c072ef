//! An operator in a hundred lines: every namespace with the label `team` gets a ConfigMap `team` that names the team's
//! members' address, and gets it back when somebody changes or deletes it.
//!
//! It shows what an operator is made of: informers (one watch a kind), a controller with a work queue, server-side apply,
//! owner references, and events. Run it against any cluster: `cargo run --bin operator -- --kubeconfig FILE`.

use clap::Parser;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kubekit_examples::process;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{
    Action, Api, Client, Controller, Error, EventType, Informers, Kubeconfig, Object as _, ObjectKey, Patch,
    PatchParams, Reader, Recorder, WatchScope, controller_reference, object_reference,
};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The label that says which team a namespace belongs to, and the name of the ConfigMap.
const TEAM: &str = "team";

/// Gives every namespace with the label `team` a ConfigMap about the team.
#[derive(Parser)]
struct Arguments {
    /// How the API server is reached.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let client = Client::from_kubeconfig(&Kubeconfig::from_file(&arguments.kubeconfig)?)?;
    let informers = Informers::new(client.clone());
    let namespaces = informers.informer_with::<Namespace>(WatchScope::labels(TEAM));
    let maps = informers.informer_with::<ConfigMap>(WatchScope::fields(format!("metadata.name={TEAM}")));
    let (recorder, events) = Recorder::new(client.clone(), "team-operator", "", Environment::system());
    let operator = Arc::new(Operator { client, namespaces: namespaces.reader(), maps: maps.reader(), recorder });

    let controller = Controller::new("team")
        .watches(&namespaces, |change| vec![change.key()])
        // A ConfigMap that changes leads back to its namespace, whose key is the namespace's name.
        .watches(&maps, |change| vec![ObjectKey::cluster(change.object().namespace())])
        .run(shutdown.clone(), move |key| {
            let operator = Arc::clone(&operator);
            async move { operator.reconcile(&key).await }
        });
    tokio::join!(informers.run(shutdown.clone()), events.run(shutdown), controller);
    Ok(())
}

struct Operator {
    client: Client,
    namespaces: Reader<Namespace>,
    maps: Reader<ConfigMap>,
    recorder: Recorder,
}

impl Operator {
    /// Looks at what there is, not at what has happened: so it does not matter what was missed.
    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let Some(namespace) = self.namespaces.get(key) else { return Ok(Action::Done) };
        let Some(team) = namespace.labels().get(TEAM) else { return Ok(Action::Done) };
        let address = format!("{team}@example.com");
        let there = self.maps.get(&ObjectKey::new(namespace.name(), TEAM));
        let is_right =
            there.is_some_and(|map| map.data.as_ref().is_some_and(|data| data.get("address") == Some(&address)));
        if is_right || namespace.is_being_deleted() {
            return Ok(Action::Done);
        }
        let wanted = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": TEAM, "ownerReferences": [controller_reference(&*namespace)]},
            "data": {"address": address},
        });
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace.name());
        api.patch(TEAM, &PatchParams::apply("team-operator").force(), &Patch::Apply(wanted)).await?;
        let about = object_reference(&*namespace);
        self.recorder.event(&about, EventType::Normal, "TeamConfigured", format!("Wrote the ConfigMap of team {team}"));
        Ok(Action::Done)
    }
}
