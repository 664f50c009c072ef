//! The client: requests of JSON over any `tower::Service`, answers as objects or as [`Error`]s.
//!
//! It adds the user agent and the bearer token, decodes `Status` answers, and tries again where the server asks for it.
//! It has no limit on requests per second: that is the server's job (priority and fairness).

mod impersonation;

pub use impersonation::Impersonation;

use crate::error::Error;
use crate::intern::Interner;
use crate::status;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tower::util::{BoxCloneSyncService, ServiceExt as _};
use tower::{Service, ServiceBuilder};

/// The body of a request: whole, and sent again as it is when the server asks for it.
pub type Body = Full<Bytes>;

/// Any error of a body or a service.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
pub(crate) type AnswerBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// How often a request is tried when the server answers with `Retry-After`, as client-go does.
const TRIES_MAX: u32 = 10;

/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The largest answer that is read whole. A page of 500 objects of the largest size is 1.5 GiB in theory; real lists of
/// 100,000 pods are 250 MB.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// What speaks to an API server. Clones share it and cost one reference count.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    service: BoxCloneSyncService<Request<Body>, Response<AnswerBody>, BoxError>,
    user_agent: HeaderValue,
    authorization: Authorization,
    impersonation: Impersonation,
    timeout: Duration,
    interner: Interner,
}

/// Where the `Authorization` header of each request comes from.
#[derive(Clone)]
enum Authorization {
    None,
    Fixed(HeaderValue),
    Rotating(tokio::sync::watch::Receiver<String>),
    #[cfg(feature = "tls")]
    File(Arc<crate::config::TokenFile>),
    #[cfg(feature = "tls")]
    Program(Arc<crate::config::TokenProgram>),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("user_agent", &self.inner.user_agent).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of this service: an API server in the same process, or a connection to one elsewhere.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let erased = ServiceBuilder::new()
            .map_response(|answer: Response<B>| answer.map(|body| body.map_err(Into::into).boxed_unsync()))
            .map_err(Into::into)
            .service(service);
        Self {
            inner: Arc::new(Inner {
                service: BoxCloneSyncService::new(erased),
                user_agent: HeaderValue::from_static(concat!("kubekit/", env!("CARGO_PKG_VERSION"))),
                authorization: Authorization::None,
                impersonation: Impersonation::default(),
                timeout: Duration::from_secs(60),
                interner: Interner::default(),
            }),
        }
    }

    /// The same, calling itself this. The part before the first `/` is the field manager where no other is named.
    ///
    /// # Errors
    ///
    /// If it has characters that no header may have.
    pub fn with_user_agent(self, user_agent: &str) -> Result<Self, Error> {
        let user_agent = HeaderValue::from_str(user_agent).map_err(|_| {
            Error::Request(format!("the user agent {user_agent:?} has characters that no header may have"))
        })?;
        Ok(self.with(|inner| inner.user_agent = user_agent))
    }

    /// The same, with this bearer token.
    ///
    /// # Errors
    ///
    /// If it has characters that no header may have.
    pub fn with_bearer_token(self, token: &str) -> Result<Self, Error> {
        let value = secret_header(&format!("Bearer {}", token.trim()))?;
        Ok(self.with(|inner| inner.authorization = Authorization::Fixed(value)))
    }

    /// The same, with the bearer token that `token` has at the time of each request: for tokens that expire. While it is
    /// empty, requests wait.
    #[must_use]
    pub fn with_rotating_token(self, token: tokio::sync::watch::Receiver<String>) -> Self {
        self.with(|inner| inner.authorization = Authorization::Rotating(token))
    }

    /// The same, with this user name and password.
    ///
    /// # Errors
    ///
    /// Never: base64 has only characters that a header may have.
    pub fn with_basic_auth(self, user: &str, password: &str) -> Result<Self, Error> {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let value = secret_header(&format!("Basic {encoded}"))?;
        Ok(self.with(|inner| inner.authorization = Authorization::Fixed(value)))
    }

    /// The same, acting as somebody else, which the server must allow to whom it authenticates.
    #[must_use]
    pub fn with_impersonation(self, impersonation: Impersonation) -> Self {
        self.with(|inner| inner.impersonation = impersonation)
    }

    /// The same, with a token that is read from a file and read again when it has been rotated.
    #[cfg(feature = "tls")]
    pub(crate) fn with_token_file(self, file: crate::config::TokenFile) -> Self {
        self.with(|inner| inner.authorization = Authorization::File(Arc::new(file)))
    }

    /// The same, with the token that a program gives, which is run again when the token has expired.
    #[cfg(feature = "tls")]
    pub(crate) fn with_token_program(self, program: crate::config::TokenProgram) -> Self {
        self.with(|inner| inner.authorization = Authorization::Program(Arc::new(program)))
    }

    /// The same, waiting this long for a complete answer. Watches are not limited. 60 s unless told. A server that asks to
    /// come back later than that is not asked again.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.timeout = timeout)
    }

    /// The same, whose informers hold what those of other clients of the same API server hold, once for all. Clones of a
    /// client do so among themselves.
    #[must_use]
    pub fn with_interner(self, interner: Interner) -> Self {
        self.with(|inner| inner.interner = interner)
    }

    pub(crate) fn interner(&self) -> &Interner {
        &self.inner.interner
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.inner);
        change(&mut inner);
        Self { inner: Arc::new(inner) }
    }

    /// Sends a request and decodes the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] for every answer that is not a success; see [`Error`].
    pub async fn request<T: DeserializeOwned>(&self, request: Request<Bytes>) -> Result<T, Error> {
        let operation = operation(&request);
        let bytes = self.request_bytes(request).await?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Decode { operation, source })
    }

    /// Sends a request and gives the answer's body as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] for every answer that is not a success; see [`Error`].
    pub async fn request_bytes(&self, request: Request<Bytes>) -> Result<Bytes, Error> {
        let timeout = self.inner.timeout;
        let operation = operation(&request);
        let work = async {
            let answer = self.send(request).await?;
            read(&operation, answer.into_body()).await
        };
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { operation, timeout }),
        }
    }

    /// Sends a request and gives the pieces of the answer as they arrive, as a backup is read.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] for every answer that is not a success; see [`Error`]. The stream's errors are those of the
    /// connection; it ends after one.
    pub async fn request_stream(
        &self,
        request: Request<Bytes>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let (operation, body) = self.answer(request).await?;
        Ok(body
            .into_data_stream()
            .map(move |piece| piece.map_err(|source| Error::Service { operation: operation.clone(), source })))
    }

    /// Sends a request and gives the lines of the answer as they arrive, without their ends, as a watch or a log is read.
    ///
    /// # Errors
    ///
    /// [`Error::Api`] for every answer that is not a success; see [`Error`]. The stream's errors are those of the
    /// connection; it ends after one.
    pub async fn request_lines(
        &self,
        request: Request<Bytes>,
        line_bytes_max: usize,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let (operation, body) = self.answer(request).await?;
        Ok(crate::lines::lines(body.into_data_stream(), line_bytes_max)
            .map(move |line| line.map_err(|source| Error::Service { operation: operation.clone(), source })))
    }

    /// Sends a request whose answer is read as it arrives: its head must come within the time-out.
    async fn answer(&self, request: Request<Bytes>) -> Result<(String, AnswerBody), Error> {
        let timeout = self.inner.timeout;
        let operation = operation(&request);
        match tokio::time::timeout(timeout, self.send(request)).await {
            Ok(answer) => Ok((operation, answer?.into_body())),
            Err(_) => Err(Error::Timeout { operation, timeout }),
        }
    }

    /// Sends a request until the server does not ask to come back later; answers that are no success are errors.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<AnswerBody>, Error> {
        let deadline = Instant::now().checked_add(self.inner.timeout);
        let (mut parts, body) = request.into_parts();
        self.prepare(&mut parts).await?;
        let operation = format!("{} {}", parts.method, parts.uri.path());
        for attempt in 1.. {
            let request = Request::from_parts(parts.clone(), Full::new(body.clone()));
            let service = self.inner.service.clone();
            let answer = service
                .oneshot(request)
                .await
                .map_err(|source| Error::Service { operation: operation.clone(), source })?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            match retry_after(&answer) {
                Some(delay) if attempt < TRIES_MAX && deadline.is_none_or(|at| Instant::now() + delay < at) => {
                    tokio::time::sleep(delay).await;
                }
                _ => return Err(self.failure(&operation, &parts, answer).await),
            }
        }
        unreachable!("the loop ends by returning")
    }

    async fn prepare(&self, parts: &mut http::request::Parts) -> Result<(), Error> {
        let headers = &mut parts.headers;
        headers.entry(USER_AGENT).or_insert_with(|| self.inner.user_agent.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        match &self.inner.authorization {
            Authorization::None => {}
            Authorization::Fixed(value) => {
                headers.insert(AUTHORIZATION, value.clone());
            }
            Authorization::Rotating(token) => {
                let mut token = token.clone();
                let token = token.wait_for(|token| !token.is_empty()).await.map(|token| token.clone());
                let token = token.map_err(|_| Error::Request("nobody renews the token any more".to_owned()))?;
                headers.insert(AUTHORIZATION, secret_header(&format!("Bearer {token}"))?);
            }
            #[cfg(feature = "tls")]
            Authorization::File(file) => {
                headers.insert(AUTHORIZATION, secret_header(&format!("Bearer {}", file.token()?))?);
            }
            #[cfg(feature = "tls")]
            Authorization::Program(program) => {
                headers.insert(AUTHORIZATION, secret_header(&format!("Bearer {}", program.token().await?))?);
            }
        }
        self.inner.impersonation.add_to(headers)
    }

    /// An answer that is no success.
    async fn failure(&self, operation: &str, asked: &http::request::Parts, answer: Response<AnswerBody>) -> Error {
        let code = answer.status();
        if code == StatusCode::UNAUTHORIZED {
            self.refused(asked).await;
        }
        match read(operation, answer.into_body()).await {
            Ok(bytes) => Error::Api(Box::new(status::parse(code.as_u16(), &bytes))),
            Err(error) => error,
        }
    }

    /// The server does not take these credentials: where there may be newer ones, the next request looks.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unused_async, reason = "only what is read or run elsewhere changes")
    )]
    async fn refused(&self, asked: &http::request::Parts) {
        match &self.inner.authorization {
            #[cfg(feature = "tls")]
            Authorization::File(file) => file.refused(),
            #[cfg(feature = "tls")]
            Authorization::Program(program) => {
                let sent = asked.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                program.refused(sent.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default()).await;
            }
            _ => {
                let _ = asked;
            }
        }
    }
}

/// A request with a body of JSON, of which sort `content_type` says, for an answer of the type `accept`.
///
/// # Errors
///
/// If the path is no URI.
pub fn json_request(
    method: Method,
    path: &str,
    content_type: &'static str,
    accept: &'static str,
    body: Vec<u8>,
) -> Result<Request<Bytes>, Error> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(ACCEPT, HeaderValue::from_static(accept))
        .header(CONTENT_TYPE, content_type)
        .body(Bytes::from(body))
        .map_err(|error| Error::Request(format!("{path}: {error}")))
}

/// A request without a body, for an answer of the type `accept`.
///
/// # Errors
///
/// If the path is no URI.
pub fn empty_request(method: Method, path: &str, accept: &'static str) -> Result<Request<Bytes>, Error> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(ACCEPT, HeaderValue::from_static(accept))
        .body(Bytes::new())
        .map_err(|error| Error::Request(format!("{path}: {error}")))
}

/// For messages: method and path, without the query, which may be long.
fn operation(request: &Request<Bytes>) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

/// A header value that no log shows.
fn secret_header(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::Request("the credentials have characters that no header may have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// When to come back, if the server asks for it: 429, and 5xx, with `Retry-After` in seconds.
fn retry_after(answer: &Response<AnswerBody>) -> Option<Duration> {
    let status = answer.status();
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Reads an answer whole, frame by frame: `Limited` would make every future above this one one that the compiler cannot
/// prove `Send` (rust-lang/rust#102211).
async fn read(operation: &str, mut body: AnswerBody) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(source) => return Err(Error::Service { operation: operation.to_owned(), source }),
        };
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > ANSWER_BYTES_MAX - whole.len() {
            return Err(Error::TooLarge { operation: operation.to_owned(), limit_bytes: ANSWER_BYTES_MAX });
        }
        // An answer of one frame, which most are, is not copied.
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
