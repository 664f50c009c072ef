//! The way to the API server that clients in the process take, which can be shut: a client that somebody still holds must
//! not keep the store open when the cluster has stopped.

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use http::{Request, Response};
use kubekit_runtime::BoxError;
use kubekit_server::ApiServer;
use kubekit_server::identity::UserInfo;
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// The way in. Clones are one gate.
#[derive(Clone)]
pub(crate) struct Gate {
    server: Arc<RwLock<Option<ApiServer>>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("open", &self.server.read().is_some()).finish()
    }
}

impl Gate {
    pub(crate) fn new(server: ApiServer) -> Self {
        Self { server: Arc::new(RwLock::new(Some(server))) }
    }

    /// The service as this user sees it.
    pub(crate) fn as_user(&self, user: UserInfo) -> Entrance {
        Entrance { gate: self.clone(), user: Arc::new(user) }
    }

    /// Lets no request in any more.
    pub(crate) fn close(&self) {
        *self.server.write() = None;
    }
}

/// The way in for one user.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    gate: Gate,
    user: Arc<UserInfo>,
}

impl Service<Request<kubekit_runtime::Body>> for Entrance {
    type Response = Response<kubekit_server::Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kubekit_runtime::Body>) -> Self::Future {
        let server = self.gate.server.read().clone();
        match server {
            Some(server) => {
                server.as_user(UserInfo::clone(&self.user)).call(request).map_err(|never| match never {}).boxed()
            }
            None => std::future::ready(Err("the cluster has stopped".into())).boxed(),
        }
    }
}
