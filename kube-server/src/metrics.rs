//! What the server has done, under the names that dashboards and alerts for Kubernetes look for: `/metrics`.
//!
//! A request is counted once, when its answer begins. Source: `k8s.io/apiserver/pkg/endpoints/metrics`, whose stable
//! metrics these are; the text is OpenMetrics 1.0.

use crate::endpoints::version::{GIT_VERSION, MAJOR, MINOR};
use crate::registry::kind::Kind;
use crate::registry::patch::Patch;
use crate::request::Request;
use crate::server::Server;
use kubekit_core::catalog;
use kubekit_core::status::ApiError;
use kubekit_store::{ListRequest, ReadAt, Selector};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const COMPONENT: &str = "apiserver";
/// Upper bounds of the buckets of durations, in seconds; those of Kubernetes.
const BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];

/// What was asked. All of it comes from tables, so that clients cannot make up ever new ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    verb: &'static str,
    dry_run: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
    component: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    #[prometheus(flatten)]
    asked: Asked,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestKind {
    request_kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupResource {
    group: &'static str,
    resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    major: &'static str,
    minor: &'static str,
    git_version: &'static str,
}

/// The metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
    in_flight: Family<RequestKind, Gauge>,
    objects: Family<GroupResource, Gauge>,
}

impl Metrics {
    /// Nothing has happened yet; the server starts now.
    pub(crate) fn new(started: jiff::Timestamp) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Family::default(),
            objects: Family::default(),
        };
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { major: MAJOR, minor: MINOR, git_version: GIT_VERSION }).set(1);
        let start = Gauge::<i64>::default();
        start.set(started.as_second());
        let mut registry = Registry::default();
        // The encoding adds `_total` to the names of counters.
        registry.register("apiserver_request", "Requests, by what was asked and answered", metrics.requests.clone());
        registry.register(
            "apiserver_request_duration_seconds",
            "Time until the answer begins, without watches and streams",
            metrics.durations.clone(),
        );
        registry.register(
            "apiserver_current_inflight_requests",
            "Requests being served that count against a limit",
            metrics.in_flight.clone(),
        );
        registry.register("apiserver_resource_objects", "Stored objects, by kind", metrics.objects.clone());
        registry.register("kubernetes_build_info", "Which Kubernetes is served", build);
        registry.register("process_start_time_seconds", "When the server was made, since 1970", start);
        Self { registry, ..metrics }
    }

    /// A request was answered with this code after this time.
    pub(crate) fn record(&self, request: &Request, code: u16, elapsed: Duration, long_running: bool) {
        let asked = asked(request);
        if !long_running {
            self.durations.get_or_create(&asked).observe(elapsed.as_secs_f64());
        }
        self.requests.get_or_create(&Answered { asked, code }).inc();
    }

    /// All of them, as text.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn text(&self, server: &Server) -> Result<String, ApiError> {
        for (request_kind, count) in server.in_flight() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.in_flight.get_or_create(&RequestKind { request_kind }).set(count);
        }
        for resource in catalog::builtin() {
            let kind = Kind::of(resource);
            if kind.is_converted() || !resource.has_verb("list") {
                continue;
            }
            let request = ListRequest {
                prefix: kind.prefix(""),
                after: None,
                limit: 1,
                at: ReadAt::Latest,
                selector: Selector::default(),
            };
            let list = server.store().list(request).await.map_err(ApiError::internal)?;
            let more = list.remaining.and_then(|remaining| remaining.count).unwrap_or_default();
            let count = more.saturating_add(list.entries.count() as u64);
            let labels = GroupResource { group: resource.group, resource: resource.plural };
            self.objects.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut out = String::new();
        text::encode(&mut out, &self.registry).map_err(ApiError::internal)?;
        Ok(out)
    }
}

fn asked(request: &Request) -> Asked {
    let info = &request.info;
    let served = request.kind.map(|kind| kind.served);
    let subresource = match served {
        Some(served) => served.subresource(&info.subresource).map_or("", |subresource| subresource.name),
        None => health(&info.path),
    };
    Asked {
        verb: verb(request, subresource),
        dry_run: if request.query.non_empty("dryRun").is_some() { "All" } else { "" },
        group: served.map_or("", |served| served.group),
        version: served.map_or("", |served| served.version),
        resource: served.map_or("", |served| served.plural),
        subresource,
        scope: scope(request),
        component: COMPONENT,
    }
}

/// Probes are told apart, other paths are not.
fn health(path: &str) -> &'static str {
    ["/healthz", "/livez", "/readyz"].into_iter().find(|endpoint| path.starts_with(endpoint)).unwrap_or("")
}

fn verb(request: &Request, subresource: &str) -> &'static str {
    if matches!(subresource, "exec" | "attach" | "portforward" | "proxy") {
        return "CONNECT";
    }
    match request.info.verb.as_str() {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" if Patch::is_apply(request) => "APPLY",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "head" => "HEAD",
        _ => "other",
    }
}

fn scope(request: &Request) -> &'static str {
    let info = &request.info;
    match () {
        () if !info.is_resource => "",
        () if !info.name.is_empty() || info.verb == "create" => "resource",
        () if !info.namespace.is_empty() => "namespace",
        () => "cluster",
    }
}
