//! A control plane in a test: an API server over the memory store, the controllers, and an agent that says of every pod
//! that it runs.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kubekit_controllers::{Config, SHARED_INFORMERS, run_all};
use kubekit_core::environment::WallClock;
use kubekit_runtime::environment::{Environment, SeededRandom, TokioClock};
use kubekit_runtime::{
    Api, Body, BoxError, Change, Client, DeleteParams, Informers, ListParams, Object as _, Patch, PatchParams,
    TypedObject,
};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, extractor};
use kubekit_store::Memory;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

/// A control plane whose controllers run or do not.
pub(crate) struct Cluster {
    server: ApiServer,
    clock: Arc<TokioClock>,
    running: Option<(CancellationToken, JoinSet<()>)>,
    /// What the controllers cannot ask for.
    refused: &'static str,
}

impl Cluster {
    /// An API server alone.
    pub(crate) async fn stopped() -> Self {
        let clock = Arc::new(TokioClock::starting_at(Timestamp::from_second(1_800_000_000).unwrap()));
        let store = Arc::new(Memory::new(extractor(), kubekit_store::Config::default()));
        let server = ApiServer::builder(store).clock(Arc::clone(&clock) as _).build().await.unwrap();
        Self { server, clock, running: None, refused: "" }
    }

    /// An API server, controllers with their default settings, and the agent.
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::stopped().await;
        cluster.run(Config::default());
        cluster
    }

    /// From the next start on, requests of the controllers for this path fail.
    pub(crate) fn refuse(&mut self, path: &'static str) {
        self.refused = path;
    }

    /// Starts the controllers and the agent.
    pub(crate) fn run(&mut self, config: Config) {
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (server, refused) = (self.server.clone(), self.refused);
        let clients = move |name: &str| {
            let user = match name {
                SHARED_INFORMERS => UserInfo::new("system:kube-controller-manager", Vec::<String>::new()),
                name => {
                    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
                    UserInfo::new(format!("system:serviceaccount:kube-system:{name}"), groups)
                }
            };
            let service = server.as_user(user);
            Client::new(service_fn(move |request: Request<Body>| {
                let service = service.clone();
                async move {
                    if request.uri().path() == refused {
                        return Err(BoxError::from("refused"));
                    }
                    service.oneshot(request).await.map_err(BoxError::from)
                }
            }))
        };
        let environment = Environment { clock: Arc::clone(&self.clock) as _, random: Arc::new(SeededRandom::new(1)) };
        let stop = shutdown.clone();
        tasks.spawn(async move { run_all(config, &clients, environment, stop).await.unwrap() });
        tasks.spawn(agent(self.client(), Arc::clone(&self.clock), shutdown.clone()));
        self.running = Some((shutdown, tasks));
    }

    /// Stops the controllers and the agent, and waits for their end.
    pub(crate) async fn stop(&mut self) {
        let Some((shutdown, mut tasks)) = self.running.take() else { return };
        shutdown.cancel();
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The administrator's client.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.server.as_user(UserInfo::admin()))
    }

    /// The objects of a kind in the namespace `default`, or of cluster scope.
    pub(crate) fn api<K: TypedObject>(&self) -> Api<K> {
        Api::namespaced(self.client(), "default")
    }

    pub(crate) async fn create<K: TypedObject>(&self, object: Value) -> K {
        self.create_in("default", object).await
    }

    pub(crate) async fn create_in<K: TypedObject>(&self, namespace: &str, object: Value) -> K {
        let object: K = serde_json::from_value(object).unwrap();
        Api::<K>::namespaced(self.client(), namespace).create(&object).await.unwrap()
    }

    pub(crate) async fn merge<K: TypedObject>(&self, name: &str, patch: Value) -> K {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    pub(crate) async fn list<K: TypedObject>(&self) -> Vec<K> {
        self.api::<K>().list(&ListParams::default()).await.unwrap().items
    }

    /// Reasons and messages of the events about an object of this name.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let events = Api::<Event>::all(self.client()).list(&ListParams::default()).await.unwrap().items;
        let about = events.into_iter().filter(|e| e.involved_object.name.as_deref() == Some(name));
        about.map(|e| format!("{}: {}", e.reason.unwrap_or_default(), e.message.unwrap_or_default())).collect()
    }

    /// Waits until something holds: five minutes of paused time at most, which pass when nothing is left to do.
    pub(crate) async fn eventually(&self, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..6000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never came to be that {what}");
    }

    /// Waits until an object is as `wanted`.
    pub(crate) async fn until<K: TypedObject>(&self, name: &str, what: &str, wanted: impl Fn(&K) -> bool) -> K {
        for _ in 0..6000 {
            match self.api::<K>().get_opt(name).await.unwrap() {
                Some(object) if wanted(&object) => return object,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        let last = self.api::<K>().get_opt(name).await.unwrap();
        panic!("{name}: it never came to be that {what}: {}", serde_json::to_string_pretty(&last).unwrap());
    }

    /// Waits until an object is gone.
    pub(crate) async fn until_gone<K: TypedObject>(&self, name: &str) {
        let gone = async || self.api::<K>().get_opt(name).await.unwrap().is_none();
        self.eventually(&format!("{name} is gone"), gone).await;
    }
}

/// A Deployment, ReplicaSet or ReplicationController of pods labelled `app=NAME`, bound to `node`.
pub(crate) fn workload(name: &str, replicas: i32, node: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"nodeName": node, "containers": [{"name": "c", "image": "nginx:1"}]},
            },
        },
    })
}

/// A node that has said just now that it is ready.
pub(crate) fn ready_node(name: &str, now: Timestamp) -> Value {
    let condition = json!({"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now});
    json!({"metadata": {"name": name}, "status": {"conditions": [condition]}})
}

/// What is left of an agent: every pod with a node runs at once, and ends at once when it is deleted.
async fn agent(client: Client, clock: Arc<TokioClock>, shutdown: CancellationToken) {
    let informers = Informers::new(client.clone());
    let pods = informers.informer::<Pod>();
    let mut changes = pods.subscribe();
    let follow = async {
        let mut count = 0_u32;
        while let Some(Some(change)) = shutdown.run_until_cancelled(changes.next()).await {
            let Change::Applied { new: pod, .. } = change else { continue };
            let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
            if !node.starts_with("live") {
                continue;
            }
            let api = Api::<Pod>::namespaced(client.clone(), pod.namespace());
            if pod.is_being_deleted() {
                let _ = api.delete(pod.name(), &DeleteParams::default().grace_period_seconds(0)).await;
            } else if pod.status.as_ref().is_none_or(|s| s.phase.as_deref() != Some("Running")) {
                count += 1;
                let ip = format!("10.0.{}.{}", count / 250, count % 250 + 1);
                let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": clock.now()});
                let status = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready]});
                let patch = Patch::Strategic(json!({"status": status}));
                let _ = api.patch_status(pod.name(), &PatchParams::default(), &patch).await;
            }
        }
    };
    tokio::join!(informers.run(shutdown.clone()), follow);
}
