//! The server as a service: identify, limit, authorize, dispatch.

use crate::authentication::{Authenticator, ServiceAccountTokens, Union};
use crate::authorization::{Authorizer, Decision, Rbac};
use crate::body::{self, Body, BoxError};
use crate::builder::{Builder, Config};
use crate::identity::UserInfo;
use crate::in_flight::InFlight;
use crate::metrics::Metrics;
use crate::node::NodeConnector;
use crate::registry::Registry;
use crate::request::{Request, Response};
use crate::request_info::RequestInfo;
use crate::tokens::Issuer;
use crate::{dispatch, endpoints, impersonation, query, response, streaming};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::request::Parts;
use http_body_util::BodyExt;
use kubekit_core::status::{ApiError, Reason};
use kubekit_store::Store;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// The Kubernetes API server: a [`tower::Service`] for HTTP requests with any body. Clones share one server.
///
/// ```no_run
/// # async fn example(store: std::sync::Arc<dyn kubekit_store::Store>) -> Result<(), Box<dyn std::error::Error>> {
/// let server = kubekit_server::ApiServer::builder(store).build().await?;
/// let service = server.as_user(kubekit_server::identity::UserInfo::admin());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ApiServer {
    server: Arc<Server>,
}

impl ApiServer {
    /// Begins to build a server over a store, which must have been opened with [`crate::extractor`].
    pub fn builder(store: Arc<dyn Store>) -> Builder {
        Builder::new(store)
    }

    pub(crate) fn of(server: Arc<Server>) -> Self {
        Self { server }
    }

    /// The service as this user sees it: for clients in the same process, which need no credentials.
    pub fn as_user(&self, user: UserInfo) -> InProcess {
        InProcess { server: Arc::clone(&self.server), user: Arc::new(user) }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.server.config
    }

    /// Publishes where the server listens: the EndpointSlice and the Endpoints of the Service `kubernetes`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn publish_address(&self, address: std::net::SocketAddr) -> Result<(), ApiError> {
        crate::bootstrap::publish_address(&self.server, address).await
    }

    /// Does what must be done from time to time (forgets history, aggregates ClusterRoles, repairs
    /// claims of addresses) until `shutdown`, and ends open streams then.
    pub async fn run(&self, shutdown: tokio_util::sync::CancellationToken) {
        let aggregation = crate::aggregation::run(&self.server, shutdown.clone());
        let claims = crate::maintenance::repair_claims(&self.server, shutdown.clone());
        tokio::join!(crate::maintenance::run(&self.server, shutdown), aggregation, claims);
        self.server.streams.stop().await;
    }

    #[cfg(test)]
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }
}

impl<B> tower::Service<http::Request<B>> for ApiServer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let server = Arc::clone(&self.server);
        serve(server, request.map(body::erase))
    }
}

/// An [`ApiServer`] as one user sees it, without credentials on the wire.
#[derive(Clone, Debug)]
pub struct InProcess {
    server: Arc<Server>,
    user: Arc<UserInfo>,
}

impl<B> tower::Service<http::Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let mut request = request.map(body::erase);
        request.extensions_mut().insert(Arc::clone(&self.user));
        serve(Arc::clone(&self.server), request)
    }
}

/// Where service account tokens are issued and verified.
#[derive(Clone, Debug)]
pub(crate) struct ServiceAccounts {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) tokens: Arc<ServiceAccountTokens>,
}

/// Who may come in, and what they may do.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) authenticators: Union,
    pub(crate) authorizers: Vec<Arc<dyn Authorizer>>,
    pub(crate) rbac: Arc<Rbac>,
    pub(crate) service_accounts: Option<ServiceAccounts>,
}

/// What the clones of an [`ApiServer`] share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) authenticators: Union,
    pub(crate) authorizers: Vec<Arc<dyn Authorizer>>,
    pub(crate) rbac: Arc<Rbac>,
    pub(crate) service_accounts: Option<ServiceAccounts>,
    pub(crate) connector: Option<Arc<dyn NodeConnector>>,
    pub(crate) streams: streaming::Streams,
    pub(crate) metrics: Metrics,
    mutating: InFlight,
    read_only: InFlight,
}

fn serve(server: Arc<Server>, request: http::Request<Body>) -> BoxFuture<'static, Result<Response, Infallible>> {
    async move {
        let (parts, body) = request.into_parts();
        let is_head = parts.method == http::Method::HEAD;
        let handled = AssertUnwindSafe(server.handle(parts, body)).catch_unwind().await;
        let handled = handled.map(|response| if is_head { body::without(response) } else { response });
        Ok(handled.unwrap_or_else(|_| {
            tracing::error!("a request made the server panic");
            let text = "This request caused apiserver to panic. Look in the logs for details.";
            response::plain_error(&ApiError::new(Reason::InternalError, text))
        }))
    }
    .boxed()
}

impl Server {
    pub(crate) fn new(
        config: Config,
        registry: Registry,
        access: Access,
        connector: Option<Arc<dyn NodeConnector>>,
    ) -> Self {
        let Access { authenticators, authorizers, rbac, service_accounts } = access;
        let in_flight = |max| InFlight::new(max, config.queued_max, config.request_timeout / 4);
        let (mutating, read_only) =
            (in_flight(config.mutating_in_flight_max), in_flight(config.read_only_in_flight_max));
        let metrics = Metrics::new(registry.clock.now());
        Self {
            config,
            registry,
            authenticators,
            authorizers,
            rbac,
            service_accounts,
            connector,
            streams: streaming::Streams::default(),
            metrics,
            mutating,
            read_only,
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.registry.store
    }

    async fn handle(self: &Arc<Self>, parts: Parts, body: Body) -> Response {
        let info = RequestInfo::parse(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default());
        let user = match self.identify(&parts, &info).await {
            Ok(user) => user,
            Err(error) => return response::plain_error(&error),
        };
        let mut request = Request::new(parts, info, user, Bytes::new());
        let begin = tokio::time::Instant::now();
        let long_running = is_long_running(&request.info);
        let response = match self.admit(&mut request, body, long_running).await {
            Ok(response) => response,
            Err(error) => response::error(&request, &error),
        };
        self.metrics.record(&request, response.status().as_u16(), begin.elapsed(), long_running);
        response
    }

    /// How many requests are being served that count against a limit, by the name of the limit.
    pub(crate) fn in_flight(&self) -> [(&'static str, usize); 2] {
        let (mutating, read_only) = (self.config.mutating_in_flight_max, self.config.read_only_in_flight_max);
        [
            ("mutating", mutating.saturating_sub(self.mutating.free())),
            ("readOnly", read_only.saturating_sub(self.read_only.free())),
        ]
    }

    async fn admit(
        self: &Arc<Self>,
        request: &mut Request,
        body: Body,
        long_running: bool,
    ) -> Result<Response, ApiError> {
        let _permit = self.permit(request, long_running).await?;
        self.authorize(&request.user, &request.info)?;
        if long_running {
            return dispatch::stream(self, request, body).await;
        }
        let timeout = self.timeout(request)?;
        let work = async {
            request.body = self.read_body(body).await?;
            dispatch::serve(self, request).await
        };
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_) => {
                Err(ApiError::timeout("request did not complete within requested timeout - context deadline exceeded"))
            }
        }
    }

    /// How long a request may take: as long as it says, and never longer than any may.
    fn timeout(&self, request: &Request) -> Result<Duration, ApiError> {
        let most = self.config.request_timeout;
        let Some(text) = request.query.non_empty("timeout") else { return Ok(most) };
        let asked = query::duration(text).ok_or_else(|| {
            let text = format!("invalid timeout specified in the request URL - time: invalid duration {text:?}");
            ApiError::bad_request(text)
        })?;
        Ok(if asked.is_zero() { most } else { asked.min(most) })
    }

    /// The user: one put into the extensions by a caller in this process, else what the authenticators find.
    async fn identify(&self, parts: &Parts, info: &RequestInfo) -> Result<Arc<UserInfo>, ApiError> {
        let user = match parts.extensions.get::<Arc<UserInfo>>() {
            Some(user) => Arc::clone(user),
            None => match self.authenticators.authenticate(parts).await? {
                Some(user) => Arc::new(user),
                None if self.config.anonymous || is_public(&info.path) => Arc::new(UserInfo::anonymous()),
                None => return Err(ApiError::unauthorized()),
            },
        };
        impersonation::impersonate(self, parts, user)
    }

    /// Whether the user may do this: the first authorizer with an opinion decides.
    ///
    /// # Errors
    /// 403 where the user may not.
    pub(crate) fn authorize(&self, user: &UserInfo, info: &RequestInfo) -> Result<(), ApiError> {
        if is_public(&info.path) && !info.is_resource {
            return Ok(());
        }
        match self.decide(user, info) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(reason) | Decision::NoOpinion(reason) => Err(response::not_allowed(user, info, &reason)),
        }
    }

    /// What the authorizers say together.
    pub(crate) fn decide(&self, user: &UserInfo, info: &RequestInfo) -> Decision {
        if user.groups.iter().any(|group| group == "system:masters") {
            return Decision::Allow(String::new());
        }
        let mut reasons = Vec::new();
        for authorizer in &self.authorizers {
            match authorizer.authorize(user, info) {
                Decision::NoOpinion(reason) if reason.is_empty() => {}
                Decision::NoOpinion(reason) => reasons.push(reason),
                decided => return decided,
            }
        }
        Decision::NoOpinion(reasons.join(", "))
    }

    async fn permit(&self, request: &Request, long_running: bool) -> Result<Option<SemaphorePermit<'_>>, ApiError> {
        if long_running || request.user.groups.iter().any(|group| group == "system:masters") {
            return Ok(None);
        }
        let read_only = matches!(request.info.verb.as_str(), "get" | "list" | "watch" | "head" | "options");
        let in_flight = if read_only { &self.read_only } else { &self.mutating };
        in_flight.enter().await.map(Some)
    }

    async fn read_body(&self, mut body: Body) -> Result<Bytes, ApiError> {
        let limit = self.config.body_bytes_max;
        let mut first = Bytes::new();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| ApiError::bad_request(format!("unable to read the request body: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len().max(whole.len()) + data.len() > limit {
                return Err(ApiError::too_large(format_args!("limit is {limit}")));
            }
            if first.is_empty() {
                // Most bodies are one frame, which needs no copy.
                first = data;
                continue;
            }
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() { first } else { whole.into() })
    }
}

/// Paths that tell nothing about the cluster but that it lives and its version.
fn is_public(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path == "/version"
        || ["/healthz", "/livez", "/readyz"]
            .iter()
            .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Watches, streams and work on the whole store: exempt from time and concurrency limits, and their body is not read ahead.
fn is_long_running(info: &RequestInfo) -> bool {
    if !info.is_resource {
        return endpoints::is_long_running(&info.path);
    }
    info.verb == "watch" || matches!(info.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
}
