//! Lists: a walk over a snapshot, written as it goes.
//!
//! The answer never exists as a whole: entries are appended to blocks of bytes, which hyper sends while the next is
//! written. Short lists are one block, and get a `Content-Length`.

use super::kind::Kind;
use super::view::{Include, Viewer};
use super::{Registry, failure, selector};
use crate::body::{self, Body, BoxError};
use crate::negotiate::{self, Accepted, Format, View};
use crate::options::{ListOptions, VersionMatch};
use crate::request::{Request, Response};
use crate::{compression, response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use kubekit_core::status::ApiError;
use kubekit_store::{Entry, Error as StoreError, ListRequest, Listing, ReadAt};
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Size of a block of a list's bytes: large enough that its costs vanish, small enough that lists cost no memory.
const BLOCK_BYTES: usize = 64 * 1024;

/// A place in a list, inside the opaque `continue` token.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Token {
    v: String,
    /// The revision of the list; -1 goes on in the present, inconsistently.
    rv: i64,
    /// The last key of the page before, without the prefix.
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Token {
    fn encode(revision: i64, prefix: &str, last: &str) -> String {
        let start = last.strip_prefix(prefix).unwrap_or(last).to_owned();
        let token = Self { v: TOKEN_VERSION.to_owned(), rv: revision, start };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("a token encodes"))
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|error| ApiError::bad_request(format!("continue key is not valid: {error}")))?;
        let token: Self = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::bad_request(format!("continue key is not valid: {error}")))?;
        if token.v != TOKEN_VERSION || token.start.is_empty() || token.rv == 0 {
            return Err(ApiError::bad_request(format!(
                "continue key is not valid: server does not recognize this encoded version {:?}",
                token.v
            )));
        }
        Ok(token)
    }
}

impl Registry {
    /// Answers a list of a namespace, or of all where it is empty.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) async fn list(&self, request: &Request, kind: Kind, namespace: &str) -> Result<Response, ApiError> {
        let accepted = negotiate::accept(request)?;
        let options = ListOptions::parse(request, false)?;
        let prefix = kind.prefix(namespace);
        let token = options.token.as_deref().map(Token::decode).transpose()?;
        if token.is_some() && options.version.is_some_and(|version| version != 0) {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        let list = ListRequest {
            after: token.as_ref().map(|token| format!("{prefix}{}", token.start)),
            limit: options.limit,
            at: read_at(&options, token.as_ref())?,
            selector: selector::of(kind, &options.labels, &options.fields)?,
            prefix: kind.narrowest_prefix(namespace, &request.info.name),
        };
        let selects_all = list.selector.is_everything();
        let listing = match self.store.list(list).await {
            Ok(listing) => listing,
            Err(StoreError::Compacted { .. }) => return Ok(self.expired(request, token, &prefix).await),
            Err(error) => return Err(failure::of_store(error)),
        };
        let viewer = Viewer {
            kind,
            view: accepted.view,
            include: Include::parse(request, accepted.view)?,
            now: self.clock.now(),
        };
        let page = Page::of(listing, options.limit, &prefix, selects_all);
        let mut response = render(request, accepted, viewer, page);
        response::add_warnings(request, &mut response);
        Ok(response)
    }

    /// 410, with a token that goes on from the same place in the present.
    async fn expired(&self, request: &Request, token: Option<Token>, prefix: &str) -> Response {
        let Some(token) = token else {
            let text = "The resourceVersion for the provided list is too old.";
            return response::error(request, &ApiError::expired(text));
        };
        let error = ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were \
             created, modified, or deleted between the time the first chunk was returned and now may show up in the \
             list.",
        );
        let mut status = error.to_status();
        status["metadata"]["continue"] = json!(Token::encode(-1, prefix, &token.start));
        let format = negotiate::error_format(request);
        response::bytes(StatusCode::GONE, format.content_type(), format.encode(&status))
    }
}

fn read_at(options: &ListOptions, token: Option<&Token>) -> Result<ReadAt, ApiError> {
    if let Some(token) = token {
        return Ok(u64::try_from(token.rv).map_or(ReadAt::Latest, ReadAt::Exactly));
    }
    Ok(match (options.version, options.version_match) {
        (None | Some(0), _) => ReadAt::Latest,
        (Some(version), VersionMatch::Exact) => ReadAt::Exactly(version),
        // The old meaning of a version together with a limit.
        (Some(version), VersionMatch::Unset) if options.limit > 0 => ReadAt::Exactly(version),
        (Some(version), _) => ReadAt::NotOlderThan(version),
    })
}

/// A page of a list: its metadata, and the walk over its entries.
struct Page {
    metadata: Value,
    entries: Box<dyn Iterator<Item = Arc<Entry>> + Send>,
}

impl Page {
    fn of(listing: Listing, limit: usize, prefix: &str, selects_all: bool) -> Self {
        let mut metadata = json!({"resourceVersion": listing.revision.to_string()});
        let Some(remaining) = listing.remaining.filter(|_| limit > 0) else {
            return Self { metadata, entries: listing.entries };
        };
        // The token names the last entry of the page, so that the page is walked first: pointers, no bytes.
        let entries: Vec<Arc<Entry>> = listing.entries.collect();
        if let Some(last) = entries.last() {
            let revision = i64::try_from(listing.revision).unwrap_or(i64::MAX);
            metadata["continue"] = json!(Token::encode(revision, prefix, &last.key));
            if let Some(count) = remaining.count.filter(|_| selects_all) {
                metadata["remainingItemCount"] = json!(count);
            }
        }
        Self { metadata, entries: Box::new(entries.into_iter()) }
    }
}

fn render(request: &Request, accepted: Accepted, viewer: Viewer, page: Page) -> Response {
    if !matches!(accepted.format, Format::Json { pretty: false }) {
        return render_whole(request, accepted, viewer, page);
    }
    let mut head = head(viewer, &page.metadata).to_string();
    // The head ends with an empty list, which the entries fill.
    head.truncate(head.len() - 2);
    let mut walk =
        Walk { block: BytesMut::from(head.as_str()), first: true, done: false, viewer, entries: page.entries };
    let first = walk.next_block().unwrap_or_default();
    let wants_gzip = compression::accepts_gzip(request);
    let body: Body = if walk.done {
        return compression::bytes(request, StatusCode::OK, "application/json", first);
    } else if wants_gzip {
        body::erase(StreamBody::new(compression::gzip(Walking { first: Some(first), walk })))
    } else {
        body::erase(StreamBody::new(Walking { first: Some(first), walk }))
    };
    let mut response = response::bytes(StatusCode::OK, "application/json", Bytes::new());
    if wants_gzip {
        compression::mark(&mut response);
    }
    *response.body_mut() = body;
    response
}

/// The list object with an empty list as its last field; `items` and `rows` sort after all others by being added last.
fn head(viewer: Viewer, metadata: &Value) -> Head {
    match viewer.view {
        View::Object => Head {
            kind: format!("{}List", viewer.kind.served.kind),
            api_version: viewer.kind.served.api_version(),
            metadata: metadata.to_string(),
            between: String::new(),
            field: "items",
        },
        View::Partial { version } => Head {
            kind: "PartialObjectMetadataList".to_owned(),
            api_version: format!("meta.k8s.io/{version}"),
            metadata: metadata.to_string(),
            between: String::new(),
            field: "items",
        },
        View::Table { version } => {
            let table = super::view::table(viewer.kind, version, Value::Null);
            Head {
                kind: "Table".to_owned(),
                api_version: format!("meta.k8s.io/{version}"),
                metadata: metadata.to_string(),
                between: format!("\"columnDefinitions\":{},", table["columnDefinitions"]),
                field: "rows",
            }
        }
    }
}

/// The fields of a list before its entries.
struct Head {
    kind: String,
    api_version: String,
    metadata: String,
    between: String,
    field: &'static str,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, api_version, metadata, between, field } = self;
        write!(f, r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},{between}"{field}":[]}}"#)
    }
}

/// A list in a form that is made from a whole value: YAML, protobuf, indented JSON.
fn render_whole(request: &Request, accepted: Accepted, viewer: Viewer, page: Page) -> Response {
    let list = whole(viewer, &page.metadata, page.entries);
    compression::bytes(request, StatusCode::OK, accepted.format.content_type(), accepted.format.encode(&list))
}

/// A list as a value.
///
/// # Panics
/// Never: the head is made as JSON.
pub(crate) fn whole(viewer: Viewer, metadata: &Value, entries: impl IntoIterator<Item = Arc<Entry>>) -> Value {
    let mut list: Value = serde_json::from_str(&head(viewer, metadata).to_string()).expect("the head is JSON");
    let field = if matches!(viewer.view, View::Table { .. }) { "rows" } else { "items" };
    list[field] = entries.into_iter().map(|entry| viewer.item(&entry)).collect();
    list
}

/// Writes entries into blocks.
struct Walk {
    block: BytesMut,
    first: bool,
    done: bool,
    viewer: Viewer,
    entries: Box<dyn Iterator<Item = Arc<Entry>> + Send>,
}

impl Walk {
    fn next_block(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        while self.block.len() < BLOCK_BYTES {
            let Some(entry) = self.entries.next() else {
                self.block.extend_from_slice(b"]}\n");
                self.done = true;
                break;
            };
            if !self.first {
                self.block.extend_from_slice(b",");
            }
            self.first = false;
            self.viewer.append_item(&mut self.block, &entry);
        }
        let next = if self.done { 0 } else { BLOCK_BYTES + BLOCK_BYTES / 8 };
        Some(std::mem::replace(&mut self.block, BytesMut::with_capacity(next)).freeze())
    }
}

/// The blocks of a list as a body.
struct Walking {
    first: Option<Bytes>,
    walk: Walk,
}

impl Stream for Walking {
    type Item = Result<Frame<Bytes>, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let block = self.first.take().or_else(|| self.walk.next_block());
        Poll::Ready(block.map(|block| Ok(Frame::data(block))))
    }
}
