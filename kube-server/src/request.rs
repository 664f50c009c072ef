//! A request that has been authenticated and authorized, on its way through the server.

use crate::identity::UserInfo;
use crate::query;
use crate::registry::kind::Kind;
use crate::request_info::RequestInfo;
use bytes::Bytes;
use http::HeaderName;
use kubekit_core::status::ApiError;
use parking_lot::Mutex;
use std::sync::Arc;

/// A response on its way out.
pub(crate) type Response = http::Response<crate::Body>;

/// A request: head, subject, user, and the body, read whole (empty for requests that stream their body).
#[derive(Debug)]
pub(crate) struct Request {
    /// Method, URI, headers, extensions.
    pub(crate) parts: http::request::Parts,
    /// What it asks for.
    pub(crate) info: RequestInfo,
    /// The kind that it is about, where that is one of the catalog's.
    pub(crate) kind: Option<Kind>,
    /// Who asks.
    pub(crate) user: Arc<UserInfo>,
    /// The query, decoded.
    pub(crate) query: Query,
    /// The body.
    pub(crate) body: Bytes,
    /// Texts for `Warning` headers of the response.
    warnings: Mutex<Vec<String>>,
}

impl Request {
    /// A request.
    pub(crate) fn new(parts: http::request::Parts, info: RequestInfo, user: Arc<UserInfo>, body: Bytes) -> Self {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let kind = if info.is_resource { Kind::find(&info.group, &info.version, &info.resource) } else { None };
        Self { parts, info, kind, user, query, body, warnings: Mutex::default() }
    }

    /// A header's value; empty where absent or not text.
    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Adds a `Warning` header to the response.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// The warnings so far.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock())
    }
}

/// Decoded query parameters, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`.
    pub(crate) fn parse(query: &str) -> Self {
        Self(query::pairs(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, where it is not empty.
    pub(crate) fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A flag: given without value, or with anything that does not read as false, is true.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(query::is_true)
    }

    /// An integer.
    ///
    /// # Errors
    /// 400 where it is none.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.non_empty(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))
            })
            .transpose()
    }
}
