//! Calls to an etcd cluster: to the member in use, and to the next one when that fails.
//!
//! A call that may have been carried out is only repeated if that does no harm. A write is sent once: whoever sent it is
//! told that its outcome is unknown, and finds out by reading.

use super::config::EtcdConfig;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::messages as m;
use crate::{Error, Result, Revision};
use bytes::Bytes;
use http::uri::PathAndQuery;
use parking_lot::Mutex;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Request;
use tonic::metadata::{AsciiMetadataValue, MetadataValue};
use tonic_prost::ProstCodec;

/// The longest answer: etcd bounds one value by its own limit (1.5 MiB unless told), and pages bound their number.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 30;
/// Pause before the members are asked all over again.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// A cluster. Clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoints: Vec<Endpoint>,
    config: EtcdConfig,
    /// Which endpoint is in use: an ever rising number, so that the watch notices each change.
    current: watch::Sender<usize>,
    token: Mutex<Option<AsciiMetadataValue>>,
    /// The cluster's identity, once it is known.
    cluster: AtomicU64,
}

/// A call: where it goes, and what may be done when no answer comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    path: &'static str,
    /// Whether carrying it out twice does no harm.
    repeatable: bool,
}

const fn method(path: &'static str, repeatable: bool) -> Method {
    Method { path, repeatable }
}

const RANGE: Method = method("/etcdserverpb.KV/Range", true);
const TXN: Method = method("/etcdserverpb.KV/Txn", false);
const COMPACT: Method = method("/etcdserverpb.KV/Compact", true);
/// A lease that nobody knows of ends by itself.
const LEASE_GRANT: Method = method("/etcdserverpb.Lease/LeaseGrant", true);
const LEASE_REVOKE: Method = method("/etcdserverpb.Lease/LeaseRevoke", true);
const STATUS: Method = method("/etcdserverpb.Maintenance/Status", true);
const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";
pub(super) const WATCH: &str = "/etcdserverpb.Watch/Watch";

impl Client {
    pub(super) fn new(config: EtcdConfig) -> Result<Self> {
        let endpoints = Endpoint::all(&config)?;
        let (token, cluster) = (Mutex::default(), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { endpoints, config, current: watch::Sender::new(0), token, cluster })))
    }

    pub(super) fn config(&self) -> &EtcdConfig {
        &self.0.config
    }

    /// The member in use, and the number of its term.
    pub(super) fn current(&self) -> (usize, &Endpoint) {
        let term = *self.0.current.borrow();
        (term, &self.0.endpoints[term % self.0.endpoints.len()])
    }

    /// Tells when another member is taken into use.
    pub(super) fn terms(&self) -> watch::Receiver<usize> {
        self.0.current.subscribe()
    }

    /// Gives up the member of this term: the next one takes its place, unless it has already.
    pub(super) async fn give_up(&self, term: usize) {
        let changed = self.0.current.send_if_modified(|current| {
            let same = *current == term;
            *current += usize::from(same);
            same
        });
        if changed {
            self.0.endpoints[term % self.0.endpoints.len()].disconnect().await;
        }
    }

    /// One call, to whichever member answers.
    async fn call<I, O>(&self, method: Method, request: &I) -> Result<O, Failure>
    where
        I: Message + Clone + 'static,
        O: Message + Default + 'static,
    {
        let config = &self.0.config;
        let deadline = Instant::now() + config.request_timeout;
        let patience = if method.repeatable { config.read_timeout } else { config.write_timeout };
        let mut fresh_token = false;
        for attempt in 1.. {
            let (term, endpoint) = self.current();
            let failure = match self.attempt(endpoint, method.path, request, patience).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match &failure {
                Failure::NotDone(text) | Failure::Unknown(text) => {
                    tracing::debug!(path = method.path, %text, "a member of etcd failed");
                    self.give_up(term).await;
                    let again = method.repeatable || matches!(failure, Failure::NotDone(_));
                    if !again || Instant::now() >= deadline {
                        return Err(failure);
                    }
                    if attempt % self.0.endpoints.len() == 0 {
                        tokio::time::sleep(ROUND_PAUSE).await;
                    }
                }
                Failure::Token(_) if config.credentials.is_some() && !fresh_token => {
                    fresh_token = true;
                    *self.0.token.lock() = None;
                }
                _ => return Err(failure),
            }
        }
        unreachable!("the attempts go on until one of them returns")
    }

    /// One call to one member.
    async fn attempt<I, O>(
        &self,
        endpoint: &Endpoint,
        path: &'static str,
        request: &I,
        patience: Duration,
    ) -> Result<O, Failure>
    where
        I: Message + Clone + 'static,
        O: Message + Default + 'static,
    {
        let request = self.authorized(endpoint, request.clone()).await?;
        let work = self.send(endpoint, path, request);
        let silent = || Failure::Unknown(format!("{}: no answer within {patience:?}", endpoint.address));
        tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn send<I, O>(&self, endpoint: &Endpoint, path: &'static str, request: Request<I>) -> Result<O, Failure>
    where
        I: Message + 'static,
        O: Message + Default + 'static,
    {
        let mut grpc = self.grpc(endpoint).await?;
        let answer = grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<I, O>::default()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Failure::of(&status, &endpoint.address))
    }

    /// A connection to a member that is ready to send.
    pub(super) async fn grpc(
        &self,
        endpoint: &Endpoint,
    ) -> Result<tonic::client::Grpc<tonic::transport::Channel>, Failure> {
        let channel = endpoint.channel().await.map_err(Failure::NotDone)?;
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let ready = grpc.ready().await;
        ready.map_err(|error| Failure::NotDone(format!("{}: {}", endpoint.address, crate::grpc::chain(&error))))?;
        Ok(grpc)
    }

    /// A request with the user's token, which is fetched if there is none, and only for members that have a leader.
    pub(super) async fn authorized<T>(&self, endpoint: &Endpoint, message: T) -> Result<Request<T>, Failure> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let Some(credentials) = &self.0.config.credentials else { return Ok(request) };
        let known = self.0.token.lock().clone();
        let token = match known {
            Some(token) => token,
            None => {
                let (name, password) = (credentials.user.clone(), credentials.password.clone());
                let ask = Request::new(m::AuthenticateRequest { name, password });
                let work = self.send::<_, m::AuthenticateResponse>(endpoint, AUTHENTICATE, ask);
                let answer = tokio::time::timeout(self.0.config.read_timeout, work).await;
                let silent = || Failure::NotDone(format!("{}: no answer to the log-in", endpoint.address));
                // Nothing has been asked yet of what the user wanted.
                let answer = answer.unwrap_or_else(|_| Err(silent())).map_err(|failure| match failure {
                    Failure::Unknown(text) => Failure::NotDone(text),
                    other => other,
                })?;
                let token = AsciiMetadataValue::try_from(answer.token);
                let token = token.map_err(|_| Failure::Refused("etcd gave a token that is no text".to_owned()))?;
                *self.0.token.lock() = Some(token.clone());
                token
            }
        };
        request.metadata_mut().insert("token", token);
        Ok(request)
    }

    /// Forgets the user's token, which a member did not take.
    pub(super) fn forget_token(&self) {
        *self.0.token.lock() = None;
    }

    /// Notes which cluster answers, and gives the revision of its answer.
    ///
    /// # Errors
    /// `Damaged` when another cluster answers than before: its revisions would be taken for this one's.
    pub(super) fn check(&self, header: Option<&m::ResponseHeader>) -> Result<Revision> {
        let Some(header) = header else { return Err(Error::Unavailable("etcd answered without a header".to_owned())) };
        let known = self.0.cluster.compare_exchange(0, header.cluster_id, Ordering::Relaxed, Ordering::Relaxed);
        if let Err(known) = known
            && known != header.cluster_id
        {
            return Err(Error::Damaged(format!(
                "etcd cluster {:x} answers where {known:x} did before; restart with the addresses of one cluster",
                header.cluster_id
            )));
        }
        Ok(revision(header.revision))
    }

    pub(super) async fn range(&self, request: &m::RangeRequest) -> Result<(m::RangeResponse, Revision)> {
        let answer: m::RangeResponse =
            self.call(RANGE, request).await.map_err(|failure| read_error(failure, request.revision))?;
        let revision = self.check(answer.header.as_ref())?;
        Ok((answer, revision))
    }

    /// The revision of the last transaction; linearizable.
    pub(super) async fn revision(&self, key: Bytes) -> Result<Revision> {
        let request = m::RangeRequest { key, count_only: true, ..m::RangeRequest::default() };
        self.range(&request).await.map(|(_, revision)| revision)
    }

    /// One transaction, under no lease but those that keys have.
    pub(super) async fn txn(&self, request: &m::TxnRequest) -> Result<(m::TxnResponse, Revision)> {
        let ended = || Error::Unavailable("a lease has ended".to_owned());
        self.txn_under_lease(request).await?.ok_or_else(ended)
    }

    /// One transaction; `None` where a lease that it names has ended: it was not carried out then.
    pub(super) async fn txn_under_lease(&self, request: &m::TxnRequest) -> Result<Option<(m::TxnResponse, Revision)>> {
        let answer: m::TxnResponse = match self.call(TXN, request).await {
            Ok(answer) => answer,
            Err(Failure::LeaseEnded(_)) => return Ok(None),
            Err(failure) => return Err(failure.into_error(0)),
        };
        let revision = self.check(answer.header.as_ref())?;
        Ok(Some((answer, revision)))
    }

    pub(super) async fn compact(&self, at: Revision, physical: bool) -> Result<(), Failure> {
        let request = m::CompactionRequest { revision: number(at), physical };
        self.call::<_, m::Empty>(COMPACT, &request).await.map(|_| ())
    }

    pub(super) async fn grant(&self, ttl_seconds: u32) -> Result<i64> {
        let request = m::LeaseGrantRequest { ttl: ttl_seconds.into() };
        let granted: m::LeaseGrantResponse = self.call(LEASE_GRANT, &request).await.map_err(not_done)?;
        Ok(granted.id)
    }

    pub(super) async fn revoke(&self, lease: i64) {
        // One that stays ends by itself.
        let _ = self.call::<_, m::Empty>(LEASE_REVOKE, &m::LeaseRevokeRequest { id: lease }).await;
    }

    /// What the member in use says of itself.
    pub(super) async fn status(&self) -> Result<m::StatusResponse> {
        self.call(STATUS, &m::Empty {}).await.map_err(not_done)
    }
}

/// A failed read changed nothing, whatever became of it.
fn read_error(failure: Failure, revision: i64) -> Error {
    not_done_at(failure, self::revision(revision))
}

fn not_done(failure: Failure) -> Error {
    not_done_at(failure, 0)
}

fn not_done_at(failure: Failure, revision: Revision) -> Error {
    match failure.into_error(revision) {
        Error::Unknown(text) => Error::Unavailable(text),
        other => other,
    }
}

/// etcd's revisions are signed, and never negative.
pub(super) fn revision(number: i64) -> Revision {
    Revision::try_from(number).unwrap_or(0)
}

/// A revision as etcd has it.
pub(super) fn number(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
